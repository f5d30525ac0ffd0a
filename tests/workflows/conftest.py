"""A site with a fake github.com."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.fakegithub.forge import FakeGitHub
from tests.workflows.site import Site, open_site


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with FakeGitHub() as served:
        yield served


@pytest.fixture
async def site(database: str, redis: str, github: FakeGitHub) -> AsyncIterator[Site]:
    async with open_site(database, redis, github) as opened:
        yield opened
