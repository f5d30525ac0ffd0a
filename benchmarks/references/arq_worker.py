"""Plain arq: `python -m benchmarks.references.arq_worker`. State in Redis alone, settings that favour it.

It runs 100 jobs at once (arq's default is 10) and looks for them every 10 ms (500), which is where its rate is best;
`python -m benchmarks.references.arq_worker 0.5` looks as often as by default.
"""

import asyncio
import os
import sys
import time
from typing import Any

from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.worker import Worker, func

QUEUE = "arq:queue"
STAMPS = "stamps"
# The shortest that keeps a job's claim through a run of this benchmark; arq's default is 300.
JOB_TIMEOUT_S = 10


async def noop(ctx: dict[str, Any]) -> None:
    pass


async def stamp(ctx: dict[str, Any]) -> None:
    """Keep the wall clock at which the job ran."""
    ran_at = time.time()
    await ctx["redis"].rpush(STAMPS, ran_at)


async def hold(ctx: dict[str, Any]) -> None:
    """Note the run, then wait until somebody ends it."""
    await stamp(ctx)
    await asyncio.sleep(3600)


async def pool(url: str) -> ArqRedis:
    """Connect as arq does; `url` names a Unix socket."""
    return await create_pool(RedisSettings.from_dsn(url))


def main(poll_delay_s: float) -> None:
    Worker(
        functions=[func(noop), func(stamp), func(hold)],
        redis_settings=RedisSettings.from_dsn(os.environ["REDIS_URL"]),
        poll_delay=poll_delay_s,
        max_jobs=100,
        job_timeout=JOB_TIMEOUT_S,
        keep_result=0,
    ).run()


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.01)
