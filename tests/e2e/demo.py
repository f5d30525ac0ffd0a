"""A worker of small jobs, for tests that need a thousand of them: `python -m tests.e2e.demo`.

Each run of a job is noted in the file RUNS (a job id a line), each end in the table `demo_ends`, in the same
transaction as the job's own end.
"""

import asyncio
import os
from pathlib import Path
from typing import Final

from sqlalchemy import BigInteger, Column, MetaData, String, Table, Uuid, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.jobs.kinds import Done, JobRules, Message, Outcome, Policy
from libs.common.jobs.view import LiveJob
from libs.common.worker.context import Context, Handler
from libs.common.worker.main import Resources, main

RUNS: Final = "DEMO_RUNS"  # environment variable: the file's path
_LOOK_S: Final = 0.2

ENDS: Final = Table(
    "demo_ends",
    MetaData(),
    Column("job_id", Uuid, nullable=False),
    Column("lease_no", BigInteger, nullable=False),
    Column("status", String(16), nullable=False),
)


class Wait(Message, frozen=True):
    """Wait until a file exists."""

    kind = "demo.wait"
    policy = Policy(timeout_s=300, max_tries=3, cancel_timeout_s=2)

    gate: str


async def wait(job: Wait, ctx: Context) -> Done:
    """Note the run, then wait for the gate."""
    await ctx.check()
    _note(str(ctx.job.id))
    while not Path(job.gate).exists():  # noqa: ASYNC110, ASYNC240 - a file tells nobody that it is there
        await asyncio.sleep(_LOOK_S)
    await ctx.check()
    return Done()


def _note(job_id: str) -> None:
    with Path(os.environ[RUNS]).open("a") as runs:  # one write in append mode: whole, whoever else writes
        runs.write(f"{job_id}\n")


async def on_end(tx: AsyncConnection, job: LiveJob, outcome: Outcome) -> None:
    values = {"job_id": job.view.id, "lease_no": job.lease_no, "status": outcome.status}
    await tx.execute(insert(ENDS).values(values))


RULES: Final = (JobRules(Wait, on_end),)


def handlers(_: Resources) -> list[Handler]:
    return [Handler(Wait, wait, on_end=on_end)]


if __name__ == "__main__":
    main("demo", handlers)
