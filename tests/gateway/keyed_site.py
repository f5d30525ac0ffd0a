"""Gateways of the slice that makes things, on one database."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import func, select

from libs.common.audit.models import AuditEntry
from libs.common.database import Database
from libs.common.idempotency.models import IdempotentAnswer
from tests.gateway.keyed import Gates, keyed
from tests.gateway.serving import served, with_driver
from tests.world import eventually

BOB = {"X-API-Key": "writer"}
THING = {"name": "a"}


@dataclass
class Site:
    """Gateways on one database; `database` is for looking."""

    database: Database
    url: str
    stack: AsyncExitStack

    async def gateway(self, gates: Gates | None = None, **options: Any) -> httpx.AsyncClient:
        """Open one more gateway; gives a client of it."""
        database = Database(with_driver(self.url))
        self.stack.push_async_callback(database.close)
        return await self.stack.enter_async_context(served(keyed(database, gates, **options)))

    async def done(self) -> int:
        """How often anything was made."""
        async with self.database.reading() as tx:
            return (await tx.execute(select(func.count()).select_from(AuditEntry))).scalar_one()

    async def rows(self) -> list[Any]:
        async with self.database.reading() as tx:
            return list((await tx.execute(select(IdempotentAnswer.__table__))).all())


@asynccontextmanager
async def open_keyed_site(url: str) -> AsyncIterator[Site]:
    """Look at a database while gateways are opened on it; closes them all."""
    database = Database(with_driver(url))
    try:
        async with AsyncExitStack() as stack:
            yield Site(database, url, stack)
    finally:
        await database.close()


async def listening(client: httpx.AsyncClient) -> None:
    """Wait until somebody answers there."""

    async def answers_something() -> bool:
        try:
            await client.get("/")
        except httpx.TransportError:
            return False
        return True

    await eventually(answers_something, f"nobody listens on {client.base_url}")
