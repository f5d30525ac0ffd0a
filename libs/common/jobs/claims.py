"""Who may run a job: claim, renew, check, release and end, each one SQL statement that the lease guards.

`lease_no` is the fence: it grows with every claim, and every later write of a claim names it. All statements that touch
several rows lock them in the order of their ids, so that batches of two workers cannot deadlock.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

from sqlalchemy import Row, and_, case, exists, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute, aliased
from sqlalchemy.sql.elements import ColumnElement

from libs.common.database import among, now_sql
from libs.common.errors import LeaseLost
from libs.common.jobs import store
from libs.common.jobs.kinds import Outcome
from libs.common.jobs.models import ACTIVE_WORDS, Domain, Job
from libs.common.jobs.states import JobStatus
from libs.common.jobs.view import LiveJob, live_job

# The highest lane limit that is counted up to: nobody runs more builds of one branch at once, and a count without an
# end costs the square of a lane's length.
LANE_LIMIT_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Lease:
    """One claim of one job: the three values that every write of the claim names."""

    job_id: uuid.UUID
    owner: str
    number: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claimed job with what its handler needs; `job` is the public picture after the claim.

    `age_s` is the time since the job was made, `waited_s` since it was due.
    """

    lease: Lease
    job: LiveJob
    payload: bytes
    checkpoint: dict[str, Any]
    tries: int
    crashes: int
    cancel_requested: bool
    age_s: float
    waited_s: float
    lane: str | None
    traceparent: str | None


def claimable(tx: AsyncConnection) -> ColumnElement[bool]:
    """The condition under which a job may be claimed now: due, alive, lease free, domain on, lane free."""
    return _claimable(tx.dialect.name)


@cache
def _claimable(dialect_name: str) -> ColumnElement[bool]:
    now = now_sql(dialect_name)
    lease_free = or_(Job.lease_until.is_(None), Job.lease_until <= now)
    alive = Job.status.in_(ACTIVE_WORDS)
    return and_(alive, Job.run_at <= now, lease_free, ~paused(Job.domain), lane_free(dialect_name, Job))


def lane_free(dialect_name: str, job: Any) -> ColumnElement[bool]:
    """The condition under which a job's lane lets it run; `job` is Job or an alias of it.

    A lane is free for a job when fewer than its limit stand before it (that keeps the order) and fewer than its limit
    hold a lease (a job with a smaller id may be committed later than one that runs already).
    """
    ahead, holding = aliased(Job), aliased(Job)
    before = select(ahead.id).where(ahead.lane == job.lane, ahead.id < job.id, ahead.status.in_(ACTIVE_WORDS))
    some_before = before.limit(LANE_LIMIT_MAX).correlate(job).subquery()
    is_next = or_(
        and_(job.lane_limit == 1, ~before.exists()),
        and_(job.lane_limit > 1, select(func.count()).select_from(some_before).scalar_subquery() < job.lane_limit),
    )
    running = select(func.count()).where(
        and_(holding.lane == job.lane, holding.lane.is_not(None), holding.lease_owner.is_not(None)),
        and_(holding.id != job.id, holding.lease_until > now_sql(dialect_name)),
    )
    return or_(job.lane.is_(None), and_(is_next, running.scalar_subquery() < job.lane_limit))


def paused(domain: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """The condition that a domain is paused."""
    return exists().where(Domain.name == domain, Domain.paused)


async def claim(
    tx: AsyncConnection, job_ids: Sequence[uuid.UUID], owner: str, lease_s: float
) -> tuple[list[Claimed], list[LiveJob]]:
    """Claim those of `job_ids` that may run now; answers them, and those that must wait (to be shown so).

    A claim that finds a lapsed lease counts a crash. A job whose cancel flag is up is claimed too: its cancel step
    has to run. What must wait is no longer marked as published: the publisher hands it out when it may run.
    """
    await _lock_lanes(tx, job_ids)
    statement = _claim_statement(tx.dialect.name, owner, lease_s)
    claimed = [_claimed(row, owner) for row in await tx.execute(statement, {"ids": list(job_ids)})]
    missed = set(job_ids) - {one.lease.job_id for one in claimed}
    return claimed, await _turn_away(tx, missed) if missed else []


@lru_cache(maxsize=16)  # made once for each worker: for SQLAlchemy making it costs more than running it
def _claim_statement(dialect_name: str, owner: str, lease_s: float) -> Any:
    named = among(dialect_name, Job.id, "ids")
    picked = select(Job.id).where(named, _claimable(dialect_name)).order_by(Job.id).with_for_update()
    return store.changed(
        dialect_name,
        Job.id.in_(picked.scalar_subquery()),
        status=JobStatus.RUNNING.value,
        lease_owner=owner,
        lease_until=now_sql(dialect_name, lease_s),
        lease_no=Job.lease_no + 1,
        crashes=Job.crashes + case((Job.lease_owner.is_not(None), 1), else_=0),
        worker=owner,
        started_at=func.coalesce(Job.started_at, now_sql(dialect_name)),
        wake_requested_at=None,
        published_at=None,
        waiting_for=None,
    )


async def _turn_away(tx: AsyncConnection, job_ids: set[uuid.UUID]) -> list[LiveJob]:
    """Say of jobs that were handed out and may not run now what they wait for.

    The new version also tells a late note of their publication (store.mark_published) that it is out of date.
    """
    waits = and_(Job.id.in_(job_ids), Job.status.in_(ACTIVE_WORDS), Job.lease_owner.is_(None))
    rows = select(Job.id).where(waits).order_by(Job.id).with_for_update(skip_locked=True)
    reason = case(
        (paused(Job.domain), "its domain to be resumed"),
        (and_(Job.lane.is_not(None), Job.run_at <= now_sql(tx.dialect)), "an earlier job of " + Job.lane),
        else_=Job.waiting_for,
    )
    statement = store.changed(tx.dialect, Job.id.in_(rows.scalar_subquery()), published_at=None, waiting_for=reason)
    return [live_job(row) for row in await tx.execute(statement)]


async def _lock_lanes(tx: AsyncConnection, job_ids: Sequence[uuid.UUID]) -> None:
    """Let one claim at a time look at a lane; the next statement then sees what the others committed."""
    if tx.dialect.name != "sqlite":  # BEGIN IMMEDIATE: there is one writer anyway
        await tx.execute(_LOCK_LANES, {"ids": list(job_ids)})


_lane = func.hashtextextended(Job.lane, 0).label("lane")
_lanes = select(_lane).where(among("postgresql", Job.id, "ids"), Job.lane.is_not(None))
_in_order = _lanes.distinct().order_by(text("lane")).subquery()
_LOCK_LANES = select(func.pg_advisory_xact_lock(_in_order.c.lane))


def _claimed(row: Row[Any], owner: str) -> Claimed:
    return Claimed(
        lease=Lease(job_id=row.id, owner=owner, number=row.lease_no),
        job=live_job(row),
        payload=bytes(row.payload),
        checkpoint=row.checkpoint or {},
        tries=row.tries,
        crashes=row.crashes,
        cancel_requested=row.cancel_requested_at is not None,
        age_s=(row.updated_at - row.created_at).total_seconds(),
        waited_s=max((row.updated_at - row.run_at).total_seconds(), 0.0),
        lane=row.lane,
        traceparent=row.traceparent,
    )


async def renew(tx: AsyncConnection, leases: Sequence[Lease], owner: str, lease_s: float) -> dict[uuid.UUID, bool]:
    """Prolong all leases of one worker in one statement; answers job id -> cancel flag for those still held.

    A lease that is missing from the answer is lost: its handler must stop. A lapsed lease that nobody took over is
    still ours and is prolonged.
    """
    numbers = {lease.job_id: lease.number for lease in leases}
    answer = await tx.execute(_renewal(tx.dialect.name, owner, lease_s), {"ids": list(numbers)})
    return {row.id: row.cancel_requested_at is not None for row in answer if row.lease_no == numbers[row.id]}


@lru_cache(maxsize=16)
def _renewal(dialect_name: str, owner: str, lease_s: float) -> Any:
    locked = select(Job.id).where(_run_by(dialect_name, owner)).order_by(Job.id).with_for_update()
    prolonged = update(Job).where(Job.id.in_(locked.scalar_subquery()))
    prolonged = prolonged.values(lease_until=now_sql(dialect_name, lease_s))
    return prolonged.returning(Job.id, Job.lease_no, Job.cancel_requested_at)


def _run_by(dialect_name: str, owner: str) -> ColumnElement[bool]:
    named = among(dialect_name, Job.id, "ids")
    return and_(named, Job.lease_owner == owner, Job.status == JobStatus.RUNNING.value)


def held(lease: Lease) -> ColumnElement[bool]:
    """The fence: true for the job's row while this claim is the current one."""
    return and_(
        Job.id == lease.job_id,
        Job.lease_owner == lease.owner,
        Job.lease_no == lease.number,
        Job.status == JobStatus.RUNNING.value,
    )


async def check(tx: AsyncConnection, lease: Lease) -> None:
    """Lock the job's row for the rest of the transaction; raises LeaseLost when the claim is no longer current."""
    if (await tx.execute(select(Job.id).where(held(lease)).with_for_update())).one_or_none() is None:
        raise LeaseLost(f"job {lease.job_id}: claim {lease.number} is over")


async def update_progress(tx: AsyncConnection, lease: Lease, values: Mapping[str, Any]) -> LiveJob:
    """Change what people see of a running job (stage, progress, waiting_for, checkpoint); raises LeaseLost."""
    return await _guarded(tx, lease, **values)


async def again(
    tx: AsyncConnection,
    lease: Lease,
    *,
    after_s: float,
    waiting_for: str | None,
    checkpoint: dict[str, Any] | None = None,
    failed_tries: int | None = None,
    clean: bool = True,
) -> LiveJob:
    """Give the lease back and come again in `after_s` seconds, at once when `wake` or `cancel` was called meanwhile.

    A clean step clears the count of crashes; `failed_tries` (a handler error) sets the count of tries.
    """
    woken = or_(Job.wake_requested_at.is_not(None), Job.cancel_requested_at.is_not(None))
    values: dict[str, Any] = {
        "run_at": case((woken, now_sql(tx.dialect)), else_=now_sql(tx.dialect, after_s)),
        "lease_owner": None,
        "lease_until": None,
        "published_at": None,
        "waiting_for": waiting_for,
    }
    if checkpoint is not None:
        values["checkpoint"] = checkpoint
    if failed_tries is not None:
        values["tries"] = failed_tries
    if clean:
        values["crashes"] = 0
    return await _guarded(tx, lease, **values)


async def end(tx: AsyncConnection, lease: Lease, outcome: Outcome) -> LiveJob:
    """Write the terminal status; raises LeaseLost when the claim is no longer current."""
    return await _guarded(tx, lease, **store.end_values(tx.dialect, outcome))


async def succeed_many(tx: AsyncConnection, leases: Sequence[Lease], owner: str) -> list[LiveJob]:
    """End jobs of one worker that simply succeeded, all together; answers those that were still held."""
    numbers = {lease.job_id: lease.number for lease in leases}
    lock, ending = _success(tx.dialect.name, owner)
    running = await tx.execute(lock, {"ids": list(numbers)})
    still_held = [row.id for row in running if row.lease_no == numbers[row.id]]
    return [live_job(row) for row in await tx.execute(ending, {"ids": still_held})]


@lru_cache(maxsize=16)
def _success(dialect_name: str, owner: str) -> tuple[Any, Any]:
    lock = select(Job.id, Job.lease_no).where(_run_by(dialect_name, owner)).order_by(Job.id).with_for_update()
    end_values = store.end_values(dialect_name, Outcome("success"))
    return lock, store.changed(dialect_name, among(dialect_name, Job.id, "ids"), **end_values)


async def next_in_lane(tx: AsyncConnection, lane: str) -> list[LiveJob]:
    """The jobs of a lane that may run now that one of it has ended; to be announced after the commit."""
    query = select(Job.__table__).where(Job.lane == lane, claimable(tx)).order_by(Job.id).limit(1)
    return [live_job(row) for row in await tx.execute(query)]


async def read_end(tx: AsyncConnection, lease: Lease) -> LiveJob | None:
    """Resolve a COMMIT whose reply was lost: the terminal row when it was this claim that ended the job, else None."""
    job = await store.get(tx, lease.job_id)
    return job if job is not None and job.is_terminal and job.lease_no == lease.number else None


async def _guarded(tx: AsyncConnection, lease: Lease, **values: Any) -> LiveJob:
    row = (await tx.execute(store.changed(tx.dialect, held(lease), **values))).one_or_none()
    if row is None:
        raise LeaseLost(f"job {lease.job_id}: claim {lease.number} is over")
    return live_job(row)
