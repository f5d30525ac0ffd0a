"""Newest wins: in repositories that want it so, a push cancels the builds of older pushes to its branch.

Only pushes take part, on both sides: a tag, a pull request, a release and a run that a person asked for neither cancel
anything nor are cancelled, whatever the name of their branch.
"""

import uuid
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.jobs import cancelling, store
from libs.common.jobs.kinds import JobFailure
from libs.common.jobs.models import ACTIVE_WORDS, Job
from libs.common.jobs.view import LiveJob
from services.builds.forges import EventKind
from services.builds.models import Build
from services.builds.service.history import end_build
from services.builds.service.lookup import one_at_a_time
from services.builds.service.starts import Start, lane


async def supersede(tx: AsyncConnection, starts: Sequence[Start]) -> Mapping[uuid.UUID, Sequence[LiveJob]]:
    """Cancel what these starts (made in this order, in this transaction) make pointless.

    Answers the cancelled jobs by the job that replaces them; give them to `Jobs.tell_cancelled` after the commit. A
    build that has not started ends here, a running one is told to stop.
    """
    pushes = [one for one in starts if one.repository.newest_wins and one.event.kind is EventKind.PUSH]
    if not pushes:
        return {}
    # Of two pushes that are accepted at the same time, the one that gets the lock last sees the other and replaces it.
    await one_at_a_time(tx, [lane(one) for one in pushes])
    return {push.job_id: await _replace(tx, push, younger=pushes[n:]) for n, push in enumerate(pushes)}


async def _replace(tx: AsyncConnection, push: Start, *, younger: Sequence[Start]) -> list[LiveJob]:
    spared = {one.job_id for one in younger}
    asked = {"lane": lane(push), "branch": push.event.branch}
    older = [job_id for job_id in await tx.scalars(_pushes(), asked) if job_id not in spared]
    reason = JobFailure("SUPERSEDED", f"A newer push to {push.event.branch} is built instead, by job {push.job_id}")
    return [
        await cancelling.cancel(tx, job, on_end=end_build, reason=reason)
        for job in await store.get_many(tx, older)
        if not job.view.cancel_requested
    ]


@cache
def _pushes() -> Any:
    """The active jobs of pushes to a branch, locked in the order of their ids as everywhere."""
    query = select(Job.id).join(Build, Build.id == Job.build_id)
    query = query.where(Job.lane == bindparam("lane"), Job.status.in_(ACTIVE_WORDS))
    query = query.where(Build.event == EventKind.PUSH.value, Build.branch == bindparam("branch"))
    return query.order_by(Job.id).with_for_update(of=Job)
