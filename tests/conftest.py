"""Fixtures that every test may use: real databases and a real Redis, empty or freshly migrated."""

import gc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import redis as redis_client
from hypothesis import HealthCheck

from tests import containers
from tests.measures import Measured, noting, show
from tests.servers import CannotServe, Databases, LocalRedis, RedisServer, close_run_folder, free_port, open_run_folder

# The machine's speed is nobody's fault: neither a slow example nor slow generation fails a test.
hypothesis.settings.register_profile("slipway", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis.settings.load_profile("slipway")

_KINDS = ("sqlite", "postgresql")
_HERE = Path(__file__).parent
# Which of the two databases a folder's unmarked tests see in `make test` already; see pytest_generate_tests.
_QUICK_ON = {
    **dict.fromkeys(("api", "configurations", "gateway", "images", "states", "webhooks"), "sqlite"),
    **dict.fromkeys(("e2e", "jobs", "worker", "workflows"), "postgresql"),
}
_MARKERS = ("databases(*kinds): run only on these of sqlite and postgresql",)


def pytest_configure(config: pytest.Config) -> None:
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    open_run_folder()


def pytest_collection_finish() -> None:
    """Leave what was imported and collected out of the search for garbage, which otherwise takes a seventh of the time.

    What tests leave behind is found as soon as ever: a connection that nobody closed fails the test that comes next.
    """
    gc.collect()
    gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # an xdist worker's folder belongs to the process that started it
        close_run_folder()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that wants a database once on each kind, or on those that its marker `databases` names.

    Without a marker, tests of HTTP run on PostgreSQL, and those of jobs, workers and the whole product on SQLite, in
    `make test-slow` only: both would take `make test` over its five minutes. What differs between the two databases has
    tests that name both, and all of tests/standalone is SQLite.
    """
    if "database_kind" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("databases")
    kinds: Sequence[Any] = marker.args if marker else _KINDS
    quick = _QUICK_ON.get(metafunc.definition.path.relative_to(_HERE).parts[0])
    if not marker and quick is not None:
        kinds = [kind if kind == quick else pytest.param(kind, marks=pytest.mark.slow) for kind in _KINDS]
    metafunc.parametrize("database_kind", kinds, scope="session")


@pytest.fixture(scope="session")
def databases(database_kind: str) -> Databases:
    """The source of databases of one kind."""
    try:
        return Databases(database_kind, open_run_folder())
    except CannotServe as error:
        pytest.skip(str(error))


@pytest.fixture
def database(databases: Databases, tmp_path: Path) -> Iterator[str]:
    """The address of a fresh database with the newest schema, for this test alone."""
    url = databases.create(tmp_path)
    yield url
    databases.drop(url)


@pytest.fixture
def empty_database(databases: Databases, tmp_path: Path) -> Iterator[str]:
    """The address of a database without any table, for this test alone."""
    url = databases.create(tmp_path, migrated=False)
    yield url
    databases.drop(url)


@pytest.fixture(scope="session")
def _redis_of_this_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server: RedisServer
    if containers.usable("redis"):
        server = containers.ContainerRedis(free_port())
    else:
        server = LocalRedis(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.close()


@pytest.fixture
def redis_server(_redis_of_this_process: RedisServer) -> RedisServer:
    """An empty Redis with AOF that the test may `stop`, `kill` and `start`; a test process has one."""
    server = _redis_of_this_process
    server.start()
    with redis_client.Redis.from_url(server.url) as client:
        client.flushall()
    return server


@pytest.fixture
def redis(redis_server: RedisServer) -> str:
    """The address of an empty Redis."""
    return redis_server.url


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Measured:
    """Notes a measure (name, value, unit) for the summary; nothing is ever asserted about it."""
    return noting(request)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    show(terminalreporter)
