"""Event streams: memory a client, processor time a delivery, the way of a log line, a thousand that come back at once.

All clients follow the log of one job, whose worker writes a line a second through the product's own log (lines are
collected for 100 ms). The worst case on purpose: each line is a delivery to every client. Beside it the framework's own
server-sent events, fed from the same Redis (benchmarks/references/streams.py).
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from uuid import UUID

from benchmarks.clients import Clients
from benchmarks.demo import Talk
from benchmarks.jobs import opened
from benchmarks.report import Report, Table
from benchmarks.servers import Deadline, Running, Servers, gateway, process, servers, web
from benchmarks.usage import cpu_s, memory_bytes
from libs.common.jobs import store

_COLUMNS = ("clients of one log", "clients", "KB a client", "CPU ms to open", "CPU µs a frame", "p50 ms", "p99 ms")
# Less than this in half a second is what a gateway takes that has nothing to do.
_REST_S = 0.03
_STORM = ("come back at once", "clients", "all open s", "all caught up s", "gaps or repeats")


@dataclass(frozen=True)
class Sizes:
    """`lines` come one a second; the storm's job has `storm_lines`, and its clients come back at half of them."""

    few: int = 100
    some: int = 1000
    many: int = 10_000
    lines: int = 10
    storm: int = 1000
    storm_lines: int = 200


QUICK = Sizes(few=10, some=100, many=1000, lines=3, storm=200, storm_lines=50)


async def run(sizes: Sizes, kinds: Sequence[str], report: Report) -> None:
    """Measure on the first kind of database: streams hardly touch it."""
    table = report.table("Event streams", *_COLUMNS)
    with servers(kinds[0]) as at:
        for count in sorted({sizes.few, sizes.some, sizes.many}):
            await _crowd(
                "ServerSentEvent of Litestar", web("benchmarks.references.streams", at.environ), at, count, sizes, table
            )
            await _crowd("Slipway", gateway(at), at, count, sizes, table)
        await _storm(at, sizes, report.table("Reconnect storm", *_STORM))


async def _crowd(
    what: str, server: AbstractContextManager[Running], at: Servers, count: int, sizes: Sizes, table: Table
) -> None:
    job_id = await _job(at, Talk(seconds=sizes.lines, per_s=1))
    with server as running:
        async with Clients(running.port, f"/jobs/{job_id}/logs") as clients:
            await clients.ask(open=1)  # what the first one costs is not counted
            memory_before, cpu_before_s = memory_bytes(running.pid), cpu_s(running.pid)
            await clients.ask(open=count - 1)
            await _settled(running)
            memory = memory_bytes(running.pid) - memory_before
            opening_s = cpu_s(running.pid) - cpu_before_s
            await clients.ask(take=True)
            with process("benchmarks.demo", at.environ):
                cpu_before_s = cpu_s(running.pid)
                await clients.ask(until=sizes.lines)
                used_s = cpu_s(running.pid) - cpu_before_s  # with few clients mostly what the process takes anyway
                found = await clients.ask(take=True)
            each = max(count - 1, 1)
            table.row(
                what,
                count,
                memory / each / 1024,
                opening_s / each * 1000,
                used_s / found["frames"] * 1e6,
                found["p50_ms"],
                found["p99_ms"],
            )


async def _storm(at: Servers, sizes: Sizes, table: Table) -> None:
    job_id = await _job(at, Talk(seconds=1, per_s=sizes.storm_lines))
    with gateway(at) as running, process("benchmarks.demo", at.environ):
        async with Clients(running.port, f"/jobs/{job_id}/logs") as clients:
            await clients.ask(open=sizes.storm)
            await clients.ask(until=sizes.storm_lines)
            ids = (await clients.ask(take=True))["ids"]
            await clients.ask(drop=True)
            opened_s = (await clients.ask(open=sizes.storm, after=ids[str(sizes.storm_lines // 2)]))["seconds"]
            caught_up_s = opened_s + (await clients.ask(until=sizes.storm_lines))["seconds"]
            wrong = (await clients.ask(take=True))["wrong"]
            table.row("Slipway", sizes.storm, opened_s, caught_up_s, wrong)


async def _job(at: Servers, message: Talk) -> UUID:
    """Insert a job without telling anybody; a worker that starts later finds it."""
    async with opened(at) as jobs, jobs.database.transaction() as tx:
        [job] = await store.insert_jobs(tx, [store.NewJob(message=message, subject=("demo", "1"), owner=None)])
        return job.view.id


async def _settled(running: Running) -> None:
    """Wait until the process has nothing more to do for the clients that came."""
    deadline = Deadline("the gateway to come to rest", every_s=0.5)
    before_s = -1.0
    while (now_s := cpu_s(running.pid)) - before_s > _REST_S:
        before_s = now_s
        await deadline.tick()
