"""Whose turn it is: when jobs of several sharers wait, each gets the next free slot in its turn.

A sharer is a job's owner, or the repository of a shared job (models.Job.sharer). An entry of a stream is a bell: it
says that there is work for one slot. Which job gets the slot is decided here, in SQL, at the moment of the claim: the
oldest of the sharer who comes, in the order of their names, after the one that this worker served last. So it does not
matter how many entries of one owner stand in the stream already; decision 0012 has the alternatives.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import Integer, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from libs.common.database import among, now_sql
from libs.common.jobs.claims import lane_free, paused
from libs.common.jobs.models import PENDING_WORD, Job
from libs.common.jobs.states import JobStatus

# How many of a sharer's oldest jobs are looked through for one whose lane is free. Whoever has more than that behind
# busy lanes waits for the entries of the others in the stream, which has none for a job that its lane keeps back.
_LOOK_AT: Final = 100


@dataclass(frozen=True, slots=True)
class Turn:
    """What to claim for the entries that were read.

    `passed_over` are those of their jobs that somebody else's were preferred to: their entries go back into the stream.
    `served` is the sharer who gets the last slot, so that the next turn goes on behind it; None: there was nothing to
    choose, it is whoever's job is claimed.
    """

    chosen: Sequence[uuid.UUID]
    passed_over: Sequence[uuid.UUID] = ()
    served: str | None = None


async def take_turn(tx: AsyncConnection, domain: str, job_class: str, read: Sequence[uuid.UUID], served: str) -> Turn:
    """Choose as many jobs as entries were `read`; `served` is that of the turn before, "" for the first.

    Jobs that have begun already and come for their next step keep their places. While only one sharer waits, nothing
    is changed at all.
    """
    asked = {"domain": domain, "job_class": job_class, "served": served, "most": max(len(read), 2)}
    heads = (await tx.execute(_heads(tx.dialect.name), asked)).all()
    if len(heads) < 2:
        return Turn(read)
    rows = await tx.execute(_statuses(tx.dialect.name), {"ids": list(read)})
    status = {row.id: row.status for row in rows}
    begun = [one for one in read if status.get(one) == JobStatus.RUNNING]
    waiting = [one for one in read if status.get(one) == JobStatus.PENDING]
    in_turn = [row for row in heads if row.id is not None][: len(read) - len(begun)]
    chosen = list(dict.fromkeys([*begun, *(row.id for row in in_turn), *waiting]))[: len(read)]
    passed_over = [one for one in waiting if one not in set(chosen)]
    return Turn(chosen, passed_over, in_turn[-1].sharer if in_turn else None)


@cache
def _statuses(dialect_name: str) -> Any:
    return select(Job.id, Job.status).where(among(dialect_name, Job.id, "ids"))


@cache
def _heads(dialect_name: str) -> Any:
    """The next :most sharers in their turn (`sharer`), each with its oldest job that may run (`id`, null for none).

    It jumps from one sharer to the next in the index, so it costs as much with ten jobs of one as with 10,000.
    """
    now = now_sql(dialect_name)

    def waits(job: Any) -> tuple[Any, ...]:
        mine = (job.domain == bindparam("domain"), job.job_class == bindparam("job_class"))
        return (*mine, job.status == PENDING_WORD, job.run_at <= now)

    def sharer_after(name: Any) -> Any:
        after, first = aliased(Job), aliased(Job)
        following = select(after.sharer).where(*waits(after), after.sharer > name).order_by(after.sharer).limit(1)
        wrapped = select(first.sharer).where(*waits(first)).order_by(first.sharer).limit(1)
        return func.coalesce(following.scalar_subquery(), wrapped.scalar_subquery()).label("sharer")

    # A recursion by UNION ends when it comes round to a sharer it has met.
    turn = select(sharer_after(bindparam("served"))).cte("turn", recursive=True)
    turn = turn.union(select(sharer_after(turn.c.sharer)).select_from(turn))

    oldest = aliased(Job)
    look_at = select(oldest.id).where(*waits(oldest), oldest.sharer == turn.c.sharer, ~paused(oldest.domain))
    some = look_at.order_by(oldest.run_at, oldest.id).limit(_LOOK_AT).correlate(turn).subquery()
    runnable = select(Job.id).where(Job.id.in_(select(some.c.id)), lane_free(dialect_name, Job))
    head = runnable.order_by(Job.run_at, Job.id).limit(1).correlate(turn).scalar_subquery()
    return (
        select(turn.c.sharer, head.label("id"))
        .where(turn.c.sharer.is_not(None))
        .limit(bindparam("most", type_=Integer))
    )
