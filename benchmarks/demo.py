"""A worker whose jobs do next to nothing, so that the way of a job is measured and not its work.

`python -m benchmarks.demo`; the domain is `demo`.
"""

import asyncio
import time

from libs.common.jobs.kinds import Done, JobRules, Message, Policy
from libs.common.worker.context import Context, Handler
from libs.common.worker.main import Resources, main


class Noop(Message, frozen=True):
    """Do nothing; `timed` keeps the wall clock at which the handler ran."""

    kind = "demo.noop"
    policy = Policy()

    timed: bool = False


class Hold(Message, frozen=True):
    """Wait until somebody ends it."""

    kind = "demo.hold"
    policy = Policy(timeout_s=3600)


class Talk(Message, frozen=True):
    """Write a line with the wall clock in it `per_s` times a second, for `seconds`; then wait as Hold does."""

    kind = "demo.talk"
    policy = Policy(timeout_s=3600)

    seconds: float
    per_s: float


RULES = (JobRules(Noop), JobRules(Hold), JobRules(Talk))
# In front of a line's time; the clients look for it and read nothing else.
MARK = "written-at:"


async def noop(job: Noop, _: Context) -> Done:
    return Done({"ran_at": time.time()} if job.timed else None)


async def hold(_: Hold, ctx: Context) -> Done:
    await ctx.check()
    await asyncio.Event().wait()
    return Done()


async def talk(job: Talk, ctx: Context) -> Done:
    began = time.monotonic()
    for number in range(int(job.seconds * job.per_s)):
        await asyncio.sleep(max(0.0, began + number / job.per_s - time.monotonic()))
        await ctx.log.write(f"{MARK}{time.time():.6f}: a line of ordinary length, as compilers and tests print them")
    await asyncio.Event().wait()
    return Done()


def handlers(_: Resources) -> list[Handler]:
    return [Handler(Noop, noop), Handler(Hold, hold), Handler(Talk, talk)]


if __name__ == "__main__":
    main("demo", handlers)
