"""Forgetting what is old: audit log, deliveries, ended builds, and answers kept for idempotency keys."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common import audit
from libs.common.database import Database, utcnow
from libs.common.idempotency import answers
from services.builds.service import catalogue, delivery_log

log = structlog.get_logger()

# Nothing here is due at a moment; a day's keys and a year's entries may get some minutes older.
_EVERY_S: Final = 600.0
# Rows of one transaction: some 20 ms, in which SQLite lets nobody else write.
_AT_ONCE: Final = 1000
# A build takes its history with it, some dozen rows.
_BUILDS_AT_ONCE: Final = 100

Forget = Callable[[AsyncConnection], Awaitable[int]]


class Retention:
    """Sweeps every ten minutes, in each gateway: two at once pass over each other's rows.

    The days say how long; 0 keeps for ever.
    """

    def __init__(self, database: Database, *, audit_days: int, delivery_days: int = 0, build_days: int = 0) -> None:
        self._database = database
        self._audit_days = audit_days
        self._delivery_days = delivery_days
        self._build_days = build_days

    async def run(self) -> None:
        while True:
            try:
                await self.sweep()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("old_rows_not_forgotten", reason=repr(error))  # the next sweep finds them
            await asyncio.sleep(_EVERY_S)

    async def sweep(self) -> None:
        """Delete all that is too old, in small transactions."""
        await self._forget("idempotent_answers", lambda tx: answers.forget(tx, most=_AT_ONCE))
        if self._audit_days:
            before = utcnow() - timedelta(days=self._audit_days)
            await self._forget("audit_log", lambda tx: audit.forget(tx, before, most=_AT_ONCE))
        if self._delivery_days:
            oldest = utcnow() - timedelta(days=self._delivery_days)
            await self._forget("deliveries", lambda tx: delivery_log.forget(tx, oldest, most=_AT_ONCE))
        if self._build_days:
            ended = utcnow() - timedelta(days=self._build_days)
            await self._forget("builds", lambda tx: catalogue.forget(tx, ended, most=_BUILDS_AT_ONCE), _BUILDS_AT_ONCE)

    async def _forget(self, what: str, forget: Forget, at_once: int = _AT_ONCE) -> None:
        gone, in_all = at_once, 0
        while gone == at_once:
            async with self._database.transaction() as tx:
                gone = await forget(tx)
            in_all += gone
        if in_all:
            log.info("old_rows_forgotten", table=what, rows=in_all)
