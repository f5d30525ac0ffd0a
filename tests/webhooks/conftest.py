"""A gateway with a secret for every forge."""

from collections.abc import AsyncIterator

import pytest

from tests.webhooks.site import Site, open_site


@pytest.fixture
async def site(database: str, redis: str) -> AsyncIterator[Site]:
    async with open_site(database, redis) as site:
        yield site
