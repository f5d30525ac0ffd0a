"""The whole gateway with its accounts, and people who use it."""

from collections.abc import AsyncIterator

import pytest_asyncio

from libs.common.database import Database
from services.gateway.app import create_app
from tests.gateway.accounts.town import Town
from tests.gateway.serving import served, settings, with_driver


@pytest_asyncio.fixture
async def town(database: str, redis: str) -> AsyncIterator[Town]:
    """A gateway with one administrator, ada, and a look into its database."""
    store = Database(with_driver(database))
    async with served(create_app(settings(database, redis))) as client:
        town = Town(client, store)
        await town.settled()
        yield town
    await store.close()
