"""A real Chromium on a real gateway with a real worker (SQLite and Valkey).

All tests here run in one event loop, because a browser belongs to the loop that started it, and starting one takes a
second and a half.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from tests.browser.tabs import ARGUMENTS, CHROMIUM, open_tab
from tests.e2e.site import BUILDS, Installation, Site, install, visit
from tests.gateway.serving import ADMIN_EMAIL, ADMIN_PASSWORD
from tests.servers import Databases, LocalRedis, open_run_folder

PEOPLE = {
    "BOOTSTRAP_ADMIN_EMAIL": ADMIN_EMAIL,
    "BOOTSTRAP_ADMIN_PASSWORD": ADMIN_PASSWORD,
    "ALLOW_SIGNUPS": "true",
    # All tests come from one address and sign the same administrator in.
    "RATE_LIMIT_PER_KEY": "0",
    "RATE_LIMIT_PER_ADDRESS": "0",
    "RATE_LIMIT_PER_LOGIN": "0",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """One browser for all tests; each takes profiles of its own."""
    if CHROMIUM is None:
        pytest.skip("no Chromium: install the system's package chromium")
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture(scope="package")
def _redis_of_the_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis that no other test empties."""
    server = LocalRedis(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server.url
    server.close()


@pytest.fixture(scope="package")
def _shared(_redis_of_the_browser: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    url = Databases("sqlite", open_run_folder()).create(tmp_path_factory.mktemp("database"))
    with install(url, _redis_of_the_browser) as installed:
        installed.processes.gateway(None, **PEOPLE)
        installed.processes.worker(BUILDS)
        yield installed


@pytest_asyncio.fixture(loop_scope="session")
async def site(_shared: Installation, request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    """A running installation that all browser tests share: a test looks only at what it made itself."""
    async with visit(_shared) as site:
        await site.start(*_shared.processes.started)
        yield site
    request.node.add_report_section("teardown", "stdout", _shared.processes.tails())


@pytest_asyncio.fixture(loop_scope="session")
async def own_site(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    """An installation of the test's own with nothing started, for tests that restart or kill:
    `await own_site.gateway(port, **PEOPLE)`, `await own_site.worker()`.
    """
    server = LocalRedis(tmp_path / "redis")
    server.start()
    try:
        with install(Databases("sqlite", open_run_folder()).create(tmp_path), server.url) as installed:
            async with visit(installed) as site:
                yield site
            request.node.add_report_section("teardown", "stdout", installed.processes.tails())
    finally:
        server.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(chromium: Browser, site: Site) -> AsyncIterator[Page]:
    """A tab in which the administrator is signed in."""
    async with open_tab(chromium, site) as page:
        yield page


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(chromium: Browser, site: Site) -> AsyncIterator[Page]:
    """A tab in which nobody is signed in."""
    async with open_tab(chromium, site, signed_in=False) as page:
        yield page
