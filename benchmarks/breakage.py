"""What losses cost: a worker that is killed, a Redis that forgets everything; and what standing still costs.

Leases and timeouts are the defaults that people run with. Plain arq is the reference for both losses: it starts a job
again when its longest timeout and 10 s are over, and what Redis loses it has lost.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from redis.asyncio import Redis
from sqlalchemy import func, select

from benchmarks.demo import Hold
from benchmarks.jobs import opened, redis_of
from benchmarks.references import arq_worker
from benchmarks.report import Report, Table
from benchmarks.servers import Deadline, Running, Servers, gateway, process, servers
from benchmarks.usage import cpu_s
from libs.common import keys
from libs.common.database import now_sql
from libs.common.jobs import store
from libs.common.jobs.models import Job
from libs.common.jobs.service import Jobs
from libs.common.settings import RuntimeSettings

_KILLED = ("worker kill -9", "jobs", "all running again s")
_FLUSHED = ("FLUSHALL", "jobs", "all live again s", "lost", "run twice")
_IDLE = ("standing still", "CPU %", "Redis commands/s")


@dataclass(frozen=True)
class Sizes:
    """`running` jobs of the worker that is killed, `active` ones when Redis forgets, `idle_s` of standing still."""

    running: int = 50
    active: int = 1000
    idle_s: float = 10.0
    arq: int = 1  # 0: without the reference of a kill, which takes half a minute


QUICK = Sizes(active=200, idle_s=2.0, arq=0)


async def run(sizes: Sizes, kinds: Sequence[str], report: Report) -> None:
    """Measure losses on each kind of database, and standing still on the first."""
    table = report.table("A killed worker", *_KILLED)
    for kind in kinds:
        await _kill(kind, sizes, table)
    if sizes.arq:
        await _kill_arq(sizes, table)
    table = report.table("A Redis that lost everything", *_FLUSHED)
    for kind in kinds:
        await _flush(kind, sizes, table)
    await _flush_arq(sizes, table)
    table = report.table("Idle processes", *_IDLE)
    with servers(kinds[0]) as at:
        for what, started in (
            ("Slipway's gateway", gateway(at)),
            ("Slipway's worker", process("benchmarks.demo", at.environ)),
            (
                "plain arq, by default a look every 500 ms",
                process("benchmarks.references.arq_worker", at.environ, "0.5"),
            ),
            ("plain arq, a look every 10 ms", process("benchmarks.references.arq_worker", at.environ)),
            ("Celery, prefork", process("benchmarks.references.celery_worker", at.environ)),
        ):
            await _idle(what, started, at, sizes.idle_s, table)


# --- a killed worker --------------------------------------------------------------------------------------------------


async def _kill(kind: str, sizes: Sizes, table: Table) -> None:
    with servers(kind) as at:
        async with opened(at) as jobs:
            with process("benchmarks.demo", at.environ) as first:
                await _announce(jobs, sizes.running)
                await _claimed(jobs, sizes.running, lease_no=1)
                with process("benchmarks.demo", at.environ):
                    await _known(jobs.live.redis, 2)
                    first.popen.kill()
                    began = time.monotonic()
                    await _claimed(jobs, sizes.running, lease_no=2)
                    table.row(f"Slipway, {kind}", sizes.running, time.monotonic() - began)


async def _kill_arq(sizes: Sizes, table: Table) -> None:
    with servers("sqlite") as at:
        queue = await arq_worker.pool(at.redis)
        with process("benchmarks.references.arq_worker", at.environ) as first:
            for _ in range(sizes.running):
                await queue.enqueue_job("hold")
            await _stamps(queue, sizes.running)
            with process("benchmarks.references.arq_worker", at.environ):
                first.popen.kill()
                began = time.monotonic()
                await _stamps(queue, 2 * sizes.running)
                what = f"plain arq, longest timeout {arq_worker.JOB_TIMEOUT_S} s"
                table.row(what, sizes.running, time.monotonic() - began)
        await queue.aclose()


async def _announce(jobs: Jobs, count: int) -> None:
    async with jobs.database.transaction() as tx:
        new = store.NewJob(message=Hold(), subject=("demo", "1"), owner=None)
        made = await store.insert_jobs(tx, [new] * count)
    await jobs.announce(made)


async def _claimed(jobs: Jobs, count: int, *, lease_no: int) -> None:
    """Wait until so many jobs run under a living lease with this number or a later one."""
    deadline = Deadline(f"{count} jobs to run")
    while True:
        async with jobs.database.reading() as tx:
            living = (Job.lease_no >= lease_no) & (Job.lease_until > now_sql(tx.dialect))
            if (await tx.execute(select(func.count()).where(living, Job.status == "running"))).scalar_one() >= count:
                return
        await deadline.tick()


async def _known(redis: Redis, count: int) -> None:
    """Wait until so many workers have shown a sign of life."""
    deadline = Deadline(f"{count} workers")
    while len([name async for name in redis.scan_iter(match=keys.worker_hash("demo", "*"))]) < count:
        await deadline.tick()


async def _stamps(queue: Redis, count: int) -> None:
    deadline = Deadline(f"{count} runs")
    while int(await queue.llen(arq_worker.STAMPS)) < count:  # type: ignore[misc] # redis-py's stub says Awaitable | int
        await deadline.tick()


# --- a Redis that forgot ----------------------------------------------------------------------------------------------


async def _flush(kind: str, sizes: Sizes, table: Table) -> None:
    """Lose everything while 50 jobs run and the others wait in the stream."""
    with servers(kind) as at, process("benchmarks.demo", at.environ):
        async with opened(at) as jobs:
            await _announce(jobs, sizes.active)
            running = min(sizes.active, RuntimeSettings().slots_light)
            await _claimed(jobs, running, lease_no=1)
            async with jobs.database.reading() as tx:
                ids = (await tx.execute(select(Job.id))).scalars().all()
            names = [keys.job_hash(job_id) for job_id in ids]
            redis = jobs.live.redis
            await redis.flushall()
            began = time.monotonic()
            deadline = Deadline("all jobs to be live")
            while await redis.exists(*names) < len(names):
                await deadline.tick()
            elapsed_s = time.monotonic() - began
            async with jobs.database.reading() as tx:
                counted = select(func.count(), func.count().filter(Job.lease_no > 1)).select_from(Job)
                left, twice = (await tx.execute(counted)).one()
            table.row(f"Slipway, {kind}", sizes.active, elapsed_s, sizes.active - left, twice)


async def _flush_arq(sizes: Sizes, table: Table) -> None:
    with servers("sqlite") as at:
        queue = await arq_worker.pool(at.redis)
        for _ in range(sizes.active):
            await queue.enqueue_job("noop")
        await queue.flushall()
        left = int(await queue.zcard(arq_worker.QUEUE))
        table.row("plain arq", sizes.active, None, sizes.active - left, None)
        await queue.aclose()


# --- standing still ---------------------------------------------------------------------------------------------------


async def _idle(what: str, started: AbstractContextManager[Running], at: Servers, seconds: float, table: Table) -> None:
    with started as running:
        async with redis_of(at) as redis:
            await asyncio.sleep(3)  # started, and done with its first looks
            used_s, commands = cpu_s(running.pid), await _commands(redis)
            await asyncio.sleep(seconds)
            used_s, commands = cpu_s(running.pid) - used_s, await _commands(redis) - commands - 1  # our own question
            table.row(what, used_s / seconds * 100, commands / seconds)


async def _commands(redis: Redis) -> int:
    return int((await redis.info("stats"))["total_commands_processed"])
