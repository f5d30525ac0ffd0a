"""Installations: one that the tests of a module share, or one for a test that breaks it."""

from collections.abc import AsyncIterator, Iterator

import pytest
import redis as redis_client

from tests.e2e.site import BUILDS, Installation, Site, install, visit
from tests.servers import Databases, RedisServer


@pytest.fixture(scope="module")
def _shared(
    databases: Databases, _redis_of_this_process: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """A gateway and a worker that the tests of a module use one after the other."""
    _redis_of_this_process.start()
    with redis_client.Redis.from_url(_redis_of_this_process.url) as client:
        client.flushall()
    url = databases.create(tmp_path_factory.mktemp("database"))
    with install(url, _redis_of_this_process.url) as installed:
        installed.processes.gateway()
        installed.processes.worker(BUILDS)
        yield installed
    databases.drop(url)


@pytest.fixture
async def shared(_shared: Installation, request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    """A site with a gateway and a worker, which the test leaves as it found it."""
    async with visit(_shared) as site:
        await site.start(*_shared.processes.started)
        yield site
    _show_logs(request, _shared)


@pytest.fixture
def installed(database: str, redis_server: RedisServer) -> Iterator[Installation]:
    """An installation of the test's own, with nothing started."""
    with install(database, redis_server.url) as installed:
        yield installed


@pytest.fixture
async def site(installed: Installation, request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    """A site of the test's own, with nothing started."""
    async with visit(installed) as site:
        yield site
    _show_logs(request, installed)


def _show_logs(request: pytest.FixtureRequest, installed: Installation) -> None:
    """Put the processes' last words beside the report of a test that failed."""
    request.node.add_report_section("teardown", "stdout", installed.processes.tails())
