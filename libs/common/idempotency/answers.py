"""Keep and find what was done under a key, and how it was answered."""

import asyncio
from collections.abc import Mapping
from contextvars import Context
from datetime import datetime
from functools import cache
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy import bindparam, delete, select, tuple_, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.database import Database, now_sql
from libs.common.idempotency.intent import Intent
from libs.common.idempotency.models import IdempotentAnswer

log = structlog.get_logger()

KEPT_S: Final = 24 * 3600
"""Seconds for which a key is remembered: a client that comes back after a day asks for something new."""

# Answers are collected for so long and stored together, while their clients have them already: nobody waits for a
# second commit, and SQLite's one writer is asked for it 50 times a second at most. What a kill loses of them, clients
# learn as "answer lost".
_COLLECT_S: Final = 0.02
_AT_ONCE: Final = 100
# How often a request looks whether its twin's answer is there: it comes some milliseconds after the commit, or, with
# `Prefer: wait`, seconds after.
_FIRST_LOOK_S: Final = 0.02
_LONGEST_LOOK_S: Final = 0.5


class Answer(msgspec.Struct, frozen=True):
    """An answer as it is sent again: `headers` are those worth repeating; `body` None: it was never stored."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None


class Deed(msgspec.Struct, frozen=True):
    """What was done under a key. `answer` None: there is none yet, or, when `is_late`, none will come."""

    fingerprint: bytes
    action: str
    subject_type: str
    subject_id: str
    request_id: str | None
    done_at: datetime
    is_late: bool
    answer: Answer | None


class Answers:
    """The answers that can be given again."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[Intent, Answer]] = []
        self._storing: asyncio.Task[None] | None = None

    def keep(self, intent: Intent, answer: Answer) -> None:
        """Add the answer, a moment later, to what this intent's request did; nothing when that was not committed."""
        self._waiting.append((intent, answer))
        if self._storing is None or self._storing.done():
            self._storing = asyncio.create_task(self._store_soon(), context=Context())  # of no one request

    async def close(self) -> None:
        """Store what is still to be stored."""
        if self._storing is not None:
            await self._storing

    async def find(self, owner: str, key: str) -> Deed | None:
        """Read what was done under a key, None for nothing. Waits while its answer may still come."""
        look_s = _FIRST_LOOK_S
        while True:
            deed = await self._read(owner, key)
            if deed is None or deed.answer is not None or deed.is_late:
                return deed
            await asyncio.sleep(look_s)
            look_s = min(look_s * 2, _LONGEST_LOOK_S)

    async def _read(self, owner: str, key: str) -> Deed | None:
        async with self._database.reading() as tx:
            asked = {"this_owner": owner, "this_key": key}
            row = (await tx.execute(_finding(tx.dialect.name), asked)).one_or_none()
        if row is None:
            return None
        m = row._mapping
        return Deed(
            fingerprint=m["fingerprint"],
            action=m["action"],
            subject_type=m["subject_type"],
            subject_id=m["subject_id"],
            request_id=m["request_id"],
            done_at=m["done_at"],
            is_late=bool(m["is_late"]),
            answer=None if m["status"] is None else Answer(m["status"], m["headers"], m["body"]),
        )

    async def _store_soon(self) -> None:
        await asyncio.sleep(_COLLECT_S)
        while self._waiting:
            some, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
            try:
                async with self._database.transaction() as tx:
                    await tx.execute(_KEEP, [_values(intent, answer) for intent, answer in some])
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("idempotent_answers_lost", answers=len(some), reason=repr(error))


async def forget(tx: AsyncConnection, *, most: int) -> int:
    """Delete up to `most` of the keys that are older than a day; answers how many it were."""
    old = (
        select(IdempotentAnswer.owner, IdempotentAnswer.key)
        .where(IdempotentAnswer.done_at < now_sql(tx.dialect, -KEPT_S))
        .order_by(IdempotentAnswer.done_at)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    key = tuple_(IdempotentAnswer.owner, IdempotentAnswer.key)
    result = await tx.execute(delete(IdempotentAnswer).where(key.in_(old)))
    return result.rowcount


def _values(intent: Intent, answer: Answer) -> dict[str, Any]:
    this = {"this_owner": intent.owner, "this_key": intent.key, "this_attempt": intent.attempt}
    return {**this, "status": answer.status, "headers": answer.headers, "body": answer.body}


_THIS: Any = (IdempotentAnswer.owner == bindparam("this_owner")) & (IdempotentAnswer.key == bindparam("this_key"))
_KEEP = (
    update(IdempotentAnswer)
    .where(_THIS, IdempotentAnswer.attempt == bindparam("this_attempt"))
    .values(status=bindparam("status"), headers=bindparam("headers"), body=bindparam("body"))
)


@cache  # for SQLAlchemy making a statement costs more than running it
def _finding(dialect_name: str) -> Any:
    late = IdempotentAnswer.answer_by < now_sql(dialect_name)
    return select(IdempotentAnswer.__table__, late.label("is_late")).where(_THIS)
