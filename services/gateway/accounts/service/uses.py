"""When keys and sessions were last used: written beside the requests, at most once a minute each."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import or_, update
from sqlalchemy.exc import SQLAlchemyError

from libs.common.database import Database, utcnow
from services.gateway.accounts.models import ApiKey, UserSession

log = structlog.get_logger()

# Fine enough to tell a forgotten key from one in use; one row a minute costs nothing even with thousands of keys.
EVERY: Final = timedelta(minutes=1)


class Uses:
    """Collects what was used; `run` writes it. What an outage or a stop loses, the next use makes good."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys: set[str] = set()
        self._sessions: set[bytes] = set()
        self._noted = asyncio.Event()

    def key(self, key_id: str, last_used_at: datetime | None) -> None:
        """Note that a key was used now; `last_used_at` is what its row says."""
        if last_used_at is None or utcnow() - last_used_at > EVERY:
            self._keys.add(key_id)
            self._noted.set()

    def session(self, digest: bytes, seen_at: datetime) -> None:
        """Note that a session was used now; `seen_at` is what its row says."""
        if utcnow() - seen_at > EVERY:
            self._sessions.add(digest)
            self._noted.set()

    async def run(self) -> None:
        """Write what was noted, until cancelled."""
        while True:
            await self._noted.wait()
            self._noted.clear()
            keys, self._keys = self._keys, set()
            sessions, self._sessions = self._sessions, set()
            try:
                await self._write(keys, sessions)
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("uses_not_written", reason=repr(error))

    async def _write(self, keys: set[str], sessions: set[bytes]) -> None:
        """Another gateway may have written the same use: then nothing is left to do."""
        now = utcnow()
        long_ago = now - EVERY
        stale = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < long_ago)
        async with self._database.transaction() as tx:
            if keys:
                await tx.execute(update(ApiKey).where(ApiKey.id.in_(keys), stale).values(last_used_at=now))
            if sessions:
                seen = update(UserSession).where(UserSession.digest.in_(sessions), UserSession.seen_at < long_ago)
                await tx.execute(seen.values(seen_at=now))
