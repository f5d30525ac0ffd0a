"""One gateway for a module's tests; each makes people of its own, who have nothing in common."""

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.servers import Databases, RedisServer
from tests.webhooks.conftest import plain_log
from tests.webhooks.people import Caller, person
from tests.webhooks.site import Site, open_site

__all__ = ["plain_log"]

_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(
    databases: Databases, _redis_of_this_process: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Site]:
    """The gateway. The module's tests run in its loop: `pytestmark = pytest.mark.asyncio(loop_scope="module")`."""
    folder: Path = tmp_path_factory.mktemp("configurations")
    url = databases.create(folder)
    _redis_of_this_process.start()
    async with open_site(url, _redis_of_this_process.url) as site:
        yield site
    databases.drop(url)


@pytest_asyncio.fixture(loop_scope="module")
async def ada(site: Site) -> Caller:
    """Somebody new."""
    return await person(site, f"ada{next(_numbers)}", may_run_local=False)


@pytest_asyncio.fixture(loop_scope="module")
async def bob(site: Site) -> Caller:
    """Somebody else."""
    return await person(site, f"bob{next(_numbers)}", may_run_local=False)
