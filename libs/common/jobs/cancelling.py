"""Cancelling jobs in somebody else's transaction, for a reason that the job then ends with."""

from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.jobs import store
from libs.common.jobs.kinds import JobFailure, OnEnd, Outcome
from libs.common.jobs.models import Job
from libs.common.jobs.view import LiveJob

ASKED: Final = JobFailure(code="CANCELLED", message="Cancelled on request")
_UNSTARTED: Final = JobFailure(code="CANCELLED", message="Cancelled on request before it started")


async def cancel(
    tx: AsyncConnection, job: LiveJob, *, on_end: OnEnd | None, reason: JobFailure | None = None
) -> LiveJob:
    """End a job that never started, with its kind's `on_end`; raise the flag of any other, whose worker then ends it.

    The caller holds the row's lock, knows that the job is active, and gives the answer to `Jobs.tell_cancelled` after
    the commit. `reason` is what the job ends with; None: somebody asked.
    """
    if job.view.started_at is not None:
        return await store.request_cancel(tx, job.view.id, None if reason is None else reason.as_json())
    outcome = Outcome(status="cancelled", failure=reason or _UNSTARTED)
    ended = await store.end_unstarted(tx, job.view.id, outcome)
    if on_end is not None:
        await on_end(tx, ended, outcome)
    return ended


async def why(tx: AsyncConnection, job_id: object) -> JobFailure:
    """The reason for which a job's flag was raised."""
    reason = await tx.scalar(select(Job.cancel_reason).where(Job.id == job_id))
    return JobFailure(**reason) if reason else ASKED
