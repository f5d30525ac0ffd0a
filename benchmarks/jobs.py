"""Short jobs per second and the wait from publication to the handler, beside plain arq and Celery doing the same no-op.

The references keep their jobs in Redis alone: no rows, no fence, no log. What Slipway takes longer is what its rows
cost. All queues are full before the first worker starts; rate and processor time are taken from the tenth to the last
tenth, so that starting processes does not count.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import func, select

from benchmarks.demo import RULES, Noop
from benchmarks.references import arq_worker, celery_worker
from benchmarks.report import Report, Table, percentile
from benchmarks.servers import Deadline, Running, Servers, process, servers
from benchmarks.usage import cpu_s
from libs.common import keys
from libs.common.database import Database
from libs.common.jobs import store
from libs.common.jobs.live import Live
from libs.common.jobs.models import Job
from libs.common.jobs.service import Jobs
from libs.common.redis import connect
from libs.common.settings import RuntimeSettings

_RATES = ("short jobs", "workers", "jobs/s", "CPU s/1,000")
_WAITS = ("published -> handler running, idle", "p50 ms", "p99 ms")
_FIRST, _LAST = 0.1, 0.9

Remaining = Callable[[], Awaitable[int]]


@dataclass(frozen=True)
class Sizes:
    """`jobs` for one worker and as many again for each further one; `waits` jobs announced one at a time."""

    jobs: int = 10_000
    waits: int = 300
    workers: int = 4


QUICK = Sizes(jobs=500, waits=30, workers=2)


async def run(sizes: Sizes, kinds: Sequence[str], report: Report) -> None:
    """Measure the references once and Slipway on each kind of database."""
    numbers = [number for number in (1, 2, 4) if number <= sizes.workers]
    table = report.table("Short jobs", *_RATES)
    for kind in kinds:
        for number in numbers:
            await _ours(f"Slipway, {kind}", kind, sizes.jobs * number, number, table)
        await _ours(f"Slipway, {kind}, a backlog that only SQL knows", kind, sizes.jobs, 1, table, backlog=True)
    for number in numbers:
        await _arq(sizes.jobs * number, number, table)
    for number in numbers:
        await _celery(sizes.jobs * number, number, table)
    table = report.table("Waits", *_WAITS)
    for kind in kinds:
        await _our_waits(kind, sizes.waits, table)
    await _arq_waits(sizes.waits, table)
    await _celery_waits(sizes.waits, table)


# --- rates ------------------------------------------------------------------------------------------------------------


async def _ours(what: str, kind: str, count: int, workers: int, table: Table, *, backlog: bool = False) -> None:
    # With a backlog the publisher feeds the stream; else all of it stands there, as the references' queues do.
    window = RuntimeSettings().publish_window if backlog else count
    with servers(kind) as at:
        async with opened(at, publish_window=window) as jobs:
            for start in range(0, count, 500):
                async with jobs.database.transaction() as tx:
                    new = store.NewJob(message=Noop(), subject=("demo", "1"), owner=None)
                    made = await store.insert_jobs(tx, [new] * min(500, count - start))
                if not backlog:
                    await jobs.announce(made)

            async def in_stream() -> int:
                return int(await jobs.live.redis.xlen(keys.jobs_stream("demo", "light")))

            async def in_sql() -> int:
                async with jobs.database.reading() as tx:
                    query = select(func.count()).where(Job.status == "pending")
                    return (await tx.execute(query)).scalar_one()

            environ = {**at.environ, "SLIPWAY_PUBLISH_WINDOW": str(window)}
            with _several("benchmarks.demo", environ, workers) as running:
                await _rate(what, count, running, in_sql if backlog else in_stream, table)


async def _arq(count: int, workers: int, table: Table) -> None:
    with servers("sqlite") as at:
        queue = await arq_worker.pool(at.redis)
        for start in range(0, count, 500):
            await asyncio.gather(*(queue.enqueue_job("noop") for _ in range(start, min(start + 500, count))))

        async def remaining() -> int:
            return int(await queue.zcard(arq_worker.QUEUE))

        with _several("benchmarks.references.arq_worker", at.environ, workers) as running:
            await _rate("plain arq", count, running, remaining, table)
        await queue.aclose()


async def _celery(count: int, workers: int, table: Table) -> None:
    with servers("sqlite") as at:
        noop = celery_worker.application(at.redis).signature("noop")
        for _ in range(count):
            noop.apply_async()
        async with redis_of(at) as redis:

            async def remaining() -> int:
                return int(await redis.llen(celery_worker.QUEUE))  # type: ignore[misc]

            with _several("benchmarks.references.celery_worker", at.environ, workers) as running:
                await _rate("Celery, prefork", count, running, remaining, table)


async def _rate(what: str, count: int, running: Sequence[Running], remaining: Remaining, table: Table) -> None:
    """Wait for the first and the last tenth and add a row."""

    async def until_left(share: float) -> tuple[int, float, float]:
        deadline = Deadline(f"{what} to work through its queue", 600)
        while (left := await remaining()) > count * (1 - share):
            await deadline.tick()
        return left, time.perf_counter(), sum(cpu_s(one.pid) for one in running)

    left_before, began, cpu_before_s = await until_left(_FIRST)
    left, ended, cpu_after_s = await until_left(_LAST)
    done = left_before - left
    used_s = (cpu_after_s - cpu_before_s) / done * 1000
    table.row(what, len(running), done / (ended - began), used_s)


@contextlib.contextmanager
def _several(module: str, environ: dict[str, str], count: int) -> Iterator[list[Running]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(process(module, environ)) for _ in range(count)]


# --- waits ------------------------------------------------------------------------------------------------------------


async def _our_waits(kind: str, count: int, table: Table) -> None:
    with servers(kind) as at, process("benchmarks.demo", at.environ):
        async with opened(at) as jobs:

            async def once() -> float:
                async with jobs.database.transaction() as tx:
                    new = store.NewJob(message=Noop(timed=True), subject=("demo", "1"), owner=None)
                    made = await store.insert_jobs(tx, [new])
                began = time.time()
                await jobs.announce(made)
                deadline = Deadline("the job's end")
                while True:
                    await deadline.tick()
                    async with jobs.database.reading() as tx:
                        query = select(Job.result).where(Job.id == made[0].view.id)
                        if (result := (await tx.execute(query)).scalar_one()) is not None:
                            return (float(result["ran_at"]) - began) * 1000

            await _waits(f"Slipway, {kind}", count, once, table)


async def _arq_waits(count: int, table: Table) -> None:
    with servers("sqlite") as at, process("benchmarks.references.arq_worker", at.environ):
        queue = await arq_worker.pool(at.redis)

        async def once() -> float:
            began = time.time()
            await queue.enqueue_job("stamp")
            return await _stamped(queue, began)

        await _waits("plain arq, a look every 10 ms", count, once, table)
        await queue.aclose()


async def _celery_waits(count: int, table: Table) -> None:
    with servers("sqlite") as at, process("benchmarks.references.celery_worker", at.environ):
        stamp = celery_worker.application(at.redis).signature("stamp")
        async with redis_of(at) as redis:

            async def once() -> float:
                began = time.time()
                stamp.apply_async()
                return await _stamped(redis, began)

            await _waits("Celery, prefork", count, once, table)


async def _stamped(redis: Redis, began: float) -> float:
    """Milliseconds until the job that was announced at `began` ran."""
    found = await redis.blpop([arq_worker.STAMPS], timeout=60)  # type: ignore[misc]
    if found is None:
        raise RuntimeError("the job was not run within a minute")
    return (float(found[1]) - began) * 1000


async def _waits(what: str, count: int, once: Callable[[], Awaitable[float]], table: Table) -> None:
    for _ in range(10):
        await once()  # the first ones meet a starting process
    times = sorted([await once() for _ in range(count)])
    table.row(what, percentile(times, 0.5), percentile(times, 0.99))


@asynccontextmanager
async def opened(at: Servers, **changed: Any) -> AsyncIterator[Jobs]:
    """The jobs of these servers, as a gateway sees them that has time; `changed` are further settings."""
    settings = RuntimeSettings(accept_publish_timeout_ms=60_000, **changed)
    database, redis = Database(at.database), connect(at.redis)
    jobs = Jobs(database, Live(redis), RULES, settings)
    try:
        yield jobs
    finally:
        await jobs.marker.close()
        await redis.aclose()
        await database.close()


@asynccontextmanager
async def redis_of(at: Servers) -> AsyncIterator[Redis]:
    """A connection for looking."""
    redis = Redis.from_url(at.redis)
    try:
        yield redis
    finally:
        await redis.aclose()
