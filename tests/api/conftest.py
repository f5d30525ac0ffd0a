"""The whole gateway with open webhooks and one waiting build, for tests that look at all of its routes."""

from collections.abc import AsyncIterator

import pytest

from services.builds.settings import WebhookSettings
from tests.webhooks.conftest import plain_log
from tests.webhooks.site import Site, open_site

__all__ = ["plain_log"]


@pytest.fixture
async def site(database: str, redis: str) -> AsyncIterator[Site]:
    """A gateway in development, where webhooks need no signature: so fuzzed bodies get as far as the parsers."""
    async with open_site(database, redis, webhooks=WebhookSettings(), env="development") as site:
        yield site
