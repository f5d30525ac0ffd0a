"""Short jobs per second and the wait from publication to the handler: `python -m benchmarks.jobs [jobs]`.

The reference is what the design was measured with on 2 cores; figures are printed, never asserted.
"""

import asyncio
import contextlib
import statistics
import sys
import time

from sqlalchemy import func, select

from benchmarks.demo_worker import Noop
from benchmarks.servers import Servers, process, servers
from libs.common.database import Database
from libs.common.jobs import store
from libs.common.jobs.kinds import JobRules
from libs.common.jobs.live import Live
from libs.common.jobs.models import Job
from libs.common.jobs.service import Jobs
from libs.common.redis import connect
from libs.common.settings import RuntimeSettings


async def throughput(at: Servers, count: int) -> float:
    """Insert `count` jobs, then start one worker; answers jobs per second from its first end to its last."""
    database = Database(at.database)
    async with database.transaction() as tx:
        for start in range(0, count, 500):
            some = min(500, count - start)
            await store.insert_jobs(tx, [store.NewJob(message=Noop(), subject=("demo", "1"), owner=None)] * some)
    with process("benchmarks.demo_worker", at.environ):
        while True:
            async with database.reading() as tx:
                query = select(func.count()).where(Job.status == "success")
                done = (await tx.execute(query)).scalar_one()
            if done == count:
                break
            await asyncio.sleep(0.2)
    async with database.reading() as tx:
        first, last = (await tx.execute(select(func.min(Job.finished_at), func.max(Job.finished_at)))).one()
    await database.close()
    return count / max((last - first).total_seconds(), 0.001)


async def latency(at: Servers, count: int) -> list[float]:
    """Announce jobs one at a time to an idle worker; answers milliseconds from just before the announcement."""
    database, redis = Database(at.database), connect(at.redis)
    jobs = Jobs(database, Live(redis), [JobRules(Noop)], RuntimeSettings())
    waits: list[float] = []
    with process("benchmarks.demo_worker", at.environ):
        for number in range(count + 20):
            async with database.transaction() as tx:
                message = Noop(published_at=time.time())
                [job] = await store.insert_jobs(tx, [store.NewJob(message=message, subject=("demo", "1"), owner=None)])
            await jobs.announce([job])
            while True:
                async with database.reading() as tx:
                    result = (await tx.execute(select(Job.result).where(Job.id == job.view.id))).scalar_one()
                if result is not None:
                    break
                await asyncio.sleep(0.02)
            if number >= 20:  # the first ones meet a starting process
                waits.append(result["waited_ms"])
    with contextlib.suppress(Exception):
        await jobs.marker.close()
    await redis.aclose()
    await database.close()
    return sorted(waits)


async def main(count: int) -> None:
    print(f"{'database':<12}{'jobs/s, one worker':>20}{'start p50 ms':>14}{'p99 ms':>9}")
    for kind in ("postgresql", "sqlite"):
        with servers(kind) as at:
            rate = await throughput(at, count)
        with servers(kind) as at:
            waits = await latency(at, 300)
        p99 = waits[int(len(waits) * 0.99)]
        print(f"{kind:<12}{rate:>20.0f}{statistics.median(waits):>14.1f}{p99:>9.1f}")
    print("design, PostgreSQL: 2,300 jobs/s; published -> running p50 3.5, p99 7.1 ms")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000))
