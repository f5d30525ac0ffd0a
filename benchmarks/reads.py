"""Reading one job, and lists of 10,000 and of a million jobs with filters.

Each list says beside its times which index the database takes for the page and for the total, by EXPLAIN of the very
statements that the service runs. `whole table` is what asks for an index.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks import stored
from benchmarks.load import Driver, driver, flood, paced
from benchmarks.plans import paged_by
from benchmarks.report import Report, Table
from benchmarks.servers import Running, Servers, gateway, servers
from benchmarks.traffic import Reads
from benchmarks.usage import cpu_s
from libs.common.database import Database
from libs.common.jobs import store
from libs.common.jobs.live import Live
from libs.common.jobs.models import Job
from libs.common.jobs.states import JobStatus
from libs.common.jobs.store import JobFilter
from libs.common.redis import connect

_COLUMNS = ("what", "per s", "p50 ms", "p99 ms", "CPU s/1,000")
_LISTS = ("list", "p50 ms", "p99 ms", "page by", "total by")
_PAGE = 20


@dataclass(frozen=True)
class Sizes:
    """How many jobs are stored for status reads and short lists, and for long ones; `seconds` of each load."""

    jobs: int = 10_000
    many: int = 1_000_000
    seconds: float = 5.0
    per_s: int = 200


QUICK = Sizes(many=100_000, seconds=1.0)


async def run(sizes: Sizes, kinds: Sequence[str], report: Report) -> None:
    """Measure on each kind of database."""
    with driver() as sender:
        for kind in kinds:
            for count in sorted({sizes.jobs, sizes.many}):
                with servers(kind) as at:
                    await stored.fill(at.database, count)
                    with gateway(at) as running:
                        if count == sizes.jobs:
                            table = report.table(f"Status reads on {kind}, {count:,} jobs stored", *_COLUMNS)
                            await _status(at, running, sizes, sender, table)
                        table = report.table(f"Lists of {count:,} jobs on {kind}, one reader", *_LISTS)
                        await _lists(at, running, count, sizes.seconds / 2, sender, table)


# --- one job ----------------------------------------------------------------------------------------------------------


async def _status(at: Servers, running: Running, sizes: Sizes, sender: Driver, table: Table) -> None:
    """Read jobs whose live hash Redis has, and such that only SQL knows any more."""
    async with _opened(at) as database:
        async with database.reading() as tx:
            ids = (await tx.execute(select(Job.id).order_by(Job.id))).scalars().all()
            shown = await store.get_many(tx, ids[::20])
        redis = connect(at.redis)
        await Live(redis).publish(shown)
        await redis.aclose()
    in_redis = Reads(*(f"/jobs/{job.view.id}" for job in shown))
    only_sql = Reads(*(f"/jobs/{job_id}" for job_id in ids[1::20]))
    for what, make in (("GET /livez", Reads("/livez")), ("in Redis", in_redis), ("only in SQL", only_sql)):
        await sender.run(flood, running.port, make, status=200, seconds=sizes.seconds / 5)  # warm
        before_s = cpu_s(running.pid)
        found = await sender.run(flood, running.port, make, status=200, seconds=sizes.seconds)
        used_s = (cpu_s(running.pid) - before_s) / len(found.times_ms) * 1000
        table.row(f"{what}, 32 connections", found.per_s, found.p50_ms, found.p99_ms, used_s)
        found = await sender.run(paced, running.port, make, status=200, seconds=sizes.seconds, per_s=sizes.per_s)
        table.row(f"{what}, {sizes.per_s}/s", found.per_s, found.p50_ms, found.p99_ms, None)


# --- lists ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _List:
    """One list: what a client asks, and the same as the service understands it."""

    what: str
    query: dict[str, str]
    wanted: JobFilter
    offset: int = 0
    before: UUID | None = None


async def _lists(at: Servers, running: Running, count: int, seconds: float, sender: Driver, table: Table) -> None:
    async with _opened(at) as database:
        async with database.reading() as tx:
            middle = (await tx.execute(select(Job.id).order_by(Job.id).offset(count // 2).limit(1))).scalar_one()
        for asked in _asked(middle):
            path = f"/jobs?{urlencode({**asked.query, 'limit': str(_PAGE)})}"
            await sender.run(flood, running.port, Reads(path), status=200, seconds=0.2, connections=1)
            found = await sender.run(flood, running.port, Reads(path), status=200, seconds=seconds, connections=1)

            async def find(tx: AsyncConnection, asked: _List = asked) -> object:
                return await store.find(tx, asked.wanted, limit=_PAGE + 1, offset=asked.offset, before=asked.before)

            page_by, total_by = await paged_by(database, "jobs", find)
            table.row(asked.what, found.p50_ms, found.p99_ms, page_by, total_by)


def _asked(middle: UUID) -> list[_List]:
    rare, common, some = stored.repository(stored.REPOSITORIES - 2), stored.repository(0), stored.branch(7)
    week, hour = (datetime.now(UTC) - timedelta(days=7), datetime.now(UTC) - timedelta(hours=1))
    return [
        _List("all", {}, JobFilter(see_all=True)),
        _List("status=failed", {"status": "failed"}, _all(status=JobStatus.FAILED)),
        _List("status=running", {"status": "running"}, _all(status=JobStatus.RUNNING)),
        _List("repo, common", {"repo": common}, _all(repo=common)),
        _List("repo, rare", {"repo": rare}, _all(repo=rare)),
        _List("repo, unknown", {"repo": "no/such"}, _all(repo="no/such")),
        _List("repo and branch", {"repo": common, "branch": some}, _all(repo=common, branch=some)),
        _List("branch", {"branch": some}, _all(branch=some)),
        _List("branch, unknown", {"branch": "none"}, _all(branch="none")),
        _List("since a week", {"since": week.isoformat()}, _all(since=week)),
        _List("since an hour", {"since": hour.isoformat()}, _all(since=hour)),
        _List("repo, failed, since a week", {"repo": common, "status": "failed", "since": week.isoformat()},
              _all(repo=common, status=JobStatus.FAILED, since=week)),
        _List("kind", {"kind": "builds.run_build"}, _all(kind="builds.run_build")),
        _List("kind, none of it", {"kind": "vms.create_server"}, _all(kind="vms.create_server")),
        _List("owner", {"owner": "7"}, _all(owner=7)),
        _List("subject", {"subject": "build:77"}, _all(subject=("build", "77"))),
        _List("all, cursor in the middle", {"cursor": str(middle)}, JobFilter(see_all=True), before=middle),
        _List("all, offset 5,000", {"offset": "5000"}, JobFilter(see_all=True), offset=5000),
    ]  # fmt: skip


def _all(**narrowed: Any) -> JobFilter:
    return JobFilter(see_all=True, **narrowed)


@asynccontextmanager
async def _opened(at: Servers) -> AsyncIterator[Database]:
    database = Database(at.database)
    try:
        yield database
    finally:
        await database.close()
