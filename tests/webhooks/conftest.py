"""A gateway with a secret for every forge."""

from collections.abc import AsyncIterator, Iterator

import pytest
import structlog

from tests.webhooks.site import Site, open_site


@pytest.fixture(autouse=True)
def plain_log() -> Iterator[None]:
    """Write log lines without structlog's drawn tracebacks, which take seconds each and stall the gateway's loop."""
    before = structlog.get_config()
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])
    yield
    structlog.configure(**before)


@pytest.fixture
async def site(database: str, redis: str) -> AsyncIterator[Site]:
    async with open_site(database, redis) as site:
        yield site
