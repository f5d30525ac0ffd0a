"""Lists of 10,000 and 100,000 builds with filters, the matrix, statistics, and badges.

Each list says beside its times which index the database takes for the page and for the total (plans.py).
"""

import random
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from benchmarks import stored
from benchmarks.load import Driver, driver, flood
from benchmarks.plans import paged_by
from benchmarks.report import Report, Table
from benchmarks.servers import Running, Servers, gateway, servers
from benchmarks.traffic import Reads
from benchmarks.usage import cpu_s
from libs.common.database import Database
from libs.common.http.principal import Principal
from services.builds.service.catalogue import BuildFilter, find_builds

_LISTS = ("list", "p50 ms", "p99 ms", "page by", "total by")
_READS = ("what", "p50 ms", "p99 ms", "CPU s/1,000")
_PAGE = 20
_PLATFORMS = ("aws-commercial", "aws-govcloud", "azure", "gcp", "openstack")
_OS_VERSIONS = ("rhel-8.8", "rhel-9.2", "ubuntu-20.04", "ubuntu-22.04")
_IMAGE_TYPES = ("base", "hana", "openvpn", "sapapp")
_CODES = (0, 5, 10, 15, 20, 25, 50, 70, 90, 95)
_EXECUTORS = ("external", "github", "local")
# An administrator's request asks for everybody's builds.
_ADMIN = Principal(None, "benchmark", frozenset(), is_superuser=True)
_COLUMNS = (
    *("id", "uid", "build_id", "owner", "executor", "branch", "status", "state_code", "platform", "os_version"),
    *("image_type", "created_at", "started_at", "finished_at", "updated_at"),
)
_STATES = ("build_id", "status", "state_code", "actor", "created_at")


@dataclass(frozen=True)
class Sizes:
    """How many builds are stored for short and for long lists; `seconds` of each load."""

    builds: int = 10_000
    many: int = 100_000
    seconds: float = 2.0


QUICK = Sizes(builds=2_000, many=2_000, seconds=0.5)


async def run(sizes: Sizes, kinds: Sequence[str], report: Report) -> None:
    """Measure on each kind of database."""
    with driver() as sender:
        for kind in kinds:
            for count in sorted({sizes.builds, sizes.many}):
                with servers(kind) as at:
                    await _fill(at.database, count)
                    with gateway(at) as running:
                        table = report.table(f"Lists of {count:,} builds on {kind}, one reader", *_LISTS)
                        await _lists(at, running, sizes.seconds, sender, table)
                        table = report.table(f"Views of {count:,} builds on {kind}, one reader", *_READS)
                        await _views(running, sizes.seconds, sender, table)


async def _lists(at: Servers, running: Running, seconds: float, sender: Driver, table: Table) -> None:
    database = Database(at.database)
    try:
        for what, query, wanted in _asked():
            path = f"/api/v1/builds?{urlencode({**query, 'limit': str(_PAGE)})}"
            found = await _read(running, path, seconds, sender)

            async def find(tx: Any, wanted: BuildFilter = wanted) -> object:
                return await find_builds(tx, _ADMIN, wanted, limit=_PAGE, offset=0)

            table.row(what, found.p50_ms, found.p99_ms, *await paged_by(database, "builds", find))
    finally:
        await database.close()


def _asked() -> list[tuple[str, dict[str, str], BuildFilter]]:
    """The lists: their names, what a client asks, and the same as the service understands it."""
    week = datetime.now(UTC) - timedelta(days=7)
    cell = {"platform": "azure", "os_version": "rhel-9.2", "image_type": "base"}
    filters: list[dict[str, str]] = [
        {},
        {"status": "failure"},
        {"status": "in_progress"},
        {"executor": "github"},
        {"branch": stored.branch(7)},
        {"platform": "azure"},
        {"image_type": "hana"},
        cell,
        cell | {"status": "success"},
        {"platform": "none"},
        {"repository": "no/such"},
    ]
    asked = [(_name(query), query, BuildFilter(**query)) for query in filters]  # type: ignore[arg-type]
    return [*asked, ("since a week", {"since": week.isoformat()}, BuildFilter(since=week))]


def _name(query: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in query.items()) or "all"


async def _views(running: Running, seconds: float, sender: Driver, table: Table) -> None:
    for what, path in (
        ("GET /livez", "/livez"),
        ("one build", "/api/v1/builds/build-77"),
        ("its history", "/api/v1/builds/build-77/states"),
        ("the matrix", "/api/v1/builds/matrix"),
        ("statistics of 30 days", "/api/v1/builds/statistics"),
        ("the badge of an image", "/api/v1/badges/images/azure/rhel-9.2/base.svg"),
    ):
        before_s = cpu_s(running.pid)
        found = await _read(running, path, seconds, sender)
        used_s = (cpu_s(running.pid) - before_s) / len(found.times_ms) * 1000
        table.row(what, found.p50_ms, found.p99_ms, used_s)


async def _read(running: Running, path: str, seconds: float, sender: Driver) -> Any:
    await sender.run(flood, running.port, Reads(path), status=200, seconds=0.2, connections=1)  # warm
    return await sender.run(flood, running.port, Reads(path), status=200, seconds=seconds, connections=1)


# --- what is stored ---------------------------------------------------------------------------------------------------


async def _fill(url: str, count: int) -> None:
    """Store builds of the last 90 days, with the histories that pipelines leave."""
    await stored.insert(url, "builds", _COLUMNS, (_row(build) for build in _builds(count)))
    await stored.insert(url, "build_states", _STATES, (entry for build in _builds(count) for entry in _history(build)))


@dataclass(frozen=True)
class _Build:
    number: int
    status: str
    made: datetime
    stages: int  # how many of _CODES it went through
    pace_s: float  # per stage
    cell: tuple[str, str, str]


def _builds(count: int) -> Iterator[_Build]:
    dice = random.Random(1)  # the same builds in every run
    first = datetime.now(UTC) - timedelta(days=stored.DAYS)
    for number in range(1, count + 1):
        status = dice.choices(("success", "failure", "cancelled"), (88, 10, 2))[0]
        if number > count - count // 100:
            status = "in_progress"
        stages = len(_CODES) if status == "success" else dice.randrange(1, len(_CODES))
        cell = (dice.choice(_PLATFORMS), dice.choice(_OS_VERSIONS), dice.choice(_IMAGE_TYPES))
        made = first + timedelta(days=stored.DAYS) * (number / count)
        yield _Build(number, status, made, stages, dice.expovariate(1 / 60), cell)


def _row(build: _Build) -> stored.Row:
    ended = None if build.status == "in_progress" else build.made + timedelta(seconds=build.pace_s * build.stages)
    code = 100 if build.status == "success" else _CODES[build.stages - 1]
    branch = stored.branch(0 if build.number % 5 else build.number % stored.BRANCHES)
    owner = None if build.number % 5 else 1 + build.number % stored.OWNERS
    return (
        *(build.number, secrets.token_urlsafe(16), f"build-{build.number}", owner),
        *(_EXECUTORS[build.number % len(_EXECUTORS)], branch, build.status, code, *build.cell),
        *(build.made, build.made, ended, ended or build.made),
    )


def _history(build: _Build) -> Iterator[stored.Row]:
    for place, code in enumerate(_CODES[: build.stages]):
        yield build.number, "in_progress", code, "pipeline", build.made + timedelta(seconds=build.pace_s * place)
    if build.status in ("success", "failure", "cancelled"):
        code = 100 if build.status == "success" else _CODES[build.stages - 1]
        yield build.number, build.status, code, "pipeline", build.made + timedelta(seconds=build.pace_s * build.stages)
