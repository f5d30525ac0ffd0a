"""Read and write job rows; every function runs in the caller's transaction and commits nothing."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Text, and_, bindparam, func, insert, or_, select, true, update
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.database import among, clock, first_uuid7, now_sql, uuid7
from libs.common.jobs.kinds import Message, Outcome
from libs.common.jobs.models import ACTIVE_WORDS, Job
from libs.common.jobs.states import JobStatus
from libs.common.jobs.view import JobView, LiveJob, Subject, live_job

# A machine whose clock is wrong by more is noticed otherwise: its tokens and certificates fail.
_CLOCKS_DIFFER_S = 3600.0

# What a retry takes over from the job that it repeats.
_WHAT_TO_DO = (
    *("domain", "kind", "job_class", "owner", "subject_type", "subject_id", "lane", "lane_limit", "payload"),
    *("repository", "branch", "commit_sha", "build_id", "traceparent"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job to be inserted.

    `subject` is (type, id); `lane` names jobs that run one after the other in the order of their insertion (None:
    free), `lane_limit` how many of a lane may run at once; `delay_s` keeps it from running before then. `id` is given
    by whoever writes it into rows of its own before the job's; None: made here.
    """

    message: Message
    subject: tuple[str, str]
    owner: int | None
    lane: str | None = None
    lane_limit: int = 1
    delay_s: float = 0.0
    id: uuid.UUID | None = None
    repository: str | None = None
    branch: str | None = None
    commit_sha: str | None = None
    build_id: int | None = None
    request_id: str | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs a list shows; None means "any". `see_all` is for superusers; else `user_id`'s own and shared ones."""

    see_all: bool = False
    user_id: int | None = None
    status: JobStatus | None = None
    repo: str | None = None
    branch: str | None = None
    kind: str | None = None
    domain: str | None = None
    owner: int | None = None
    subject: tuple[str, str] | None = None
    since: datetime | None = None


async def insert_jobs(tx: AsyncConnection, jobs: Sequence[NewJob]) -> list[LiveJob]:
    """Insert jobs as pending, in this order; after the commit give the answer to `Jobs.announce`."""
    now = await clock(tx)
    rows = [_columns(job, now) for job in jobs]
    await tx.execute(_INSERT, rows)
    return [_pending(row) for row in rows]


# Made once: for SQLAlchemy making a statement costs more than running it.
_INSERT = insert(Job)


def _columns(job: NewJob, now: datetime) -> dict[str, Any]:
    return {
        "id": uuid7() if job.id is None else job.id,
        "domain": job.message.domain(),
        "kind": job.message.kind,
        "job_class": job.message.policy.job_class,
        "owner": job.owner,
        "subject_type": job.subject[0],
        "subject_id": job.subject[1],
        "lane": job.lane,
        "lane_limit": job.lane_limit,
        "payload": msgspec.json.encode(job.message),
        "repository": job.repository,
        "branch": job.branch,
        "commit_sha": job.commit_sha,
        "build_id": job.build_id,
        "request_id": job.request_id,
        "traceparent": job.traceparent,
        "run_at": now + timedelta(seconds=job.delay_s),
        "created_at": now,
        "updated_at": now,
    }


def _pending(row: Mapping[str, Any]) -> LiveJob:
    """The picture of a row that was inserted just now; what is not in `row` has its column's default."""
    view = JobView(
        id=row["id"],
        repo=row["repository"],
        branch=row["branch"],
        commit=row["commit_sha"],
        status=JobStatus.PENDING,
        started_at=None,
        finished_at=None,
        duration=None,
        agent_id=None,
        exit_code=None,
        domain=row["domain"],
        kind=row["kind"],
        subject=Subject(type=row["subject_type"], id=row["subject_id"]),
        stage=None,
        progress=0,
        waiting_for=None,
        error=None,
        build_id=row["build_id"],
        retry_of=None,
        cancel_requested=False,
        tries=0,
        created_at=row["created_at"],
        version=1,
    )
    return LiveJob(view=view, owner=row["owner"], lease_no=0, request_id=row["request_id"], job_class=row["job_class"])


async def insert_retry(tx: AsyncConnection, old_id: uuid.UUID, request_id: str | None) -> LiveJob:
    """Insert a new pending job that does what the (terminal) job `old_id` did and points back to it."""
    old = (await tx.execute(select(Job.__table__).where(Job.id == old_id))).one()
    now = now_sql(tx.dialect)
    values = {name: getattr(old, name) for name in _WHAT_TO_DO}
    values |= {"id": uuid7(), "retry_of": old_id, "request_id": request_id}
    values |= {"run_at": now, "created_at": now, "updated_at": now}
    return live_job((await tx.execute(insert(Job).values(values).returning(Job.__table__))).one())


async def get(tx: AsyncConnection, job_id: uuid.UUID, *, lock: bool = False) -> LiveJob | None:
    """Read one job, None when there is no such row; with `lock` nobody else changes it before the commit."""
    query = select(Job.__table__).where(Job.id == job_id)
    row = (await tx.execute(query.with_for_update() if lock else query)).one_or_none()
    return None if row is None else live_job(row)


async def get_many(tx: AsyncConnection, job_ids: Sequence[uuid.UUID]) -> list[LiveJob]:
    """Read several jobs in the order of their ids; unknown ids are left out."""
    answer = await tx.execute(select(Job.__table__).where(Job.id.in_(job_ids)).order_by(Job.id))
    return [live_job(row) for row in answer]


async def find(
    tx: AsyncConnection, wanted: JobFilter, *, limit: int, offset: int = 0, before: uuid.UUID | None = None
) -> tuple[list[LiveJob], int]:
    """List jobs newest first, with the total that the filter matches (`before`, a cursor, does not change it)."""
    condition = _condition(wanted)
    total = (await tx.execute(select(func.count()).select_from(Job).where(condition))).scalar_one()
    query = select(Job.__table__).where(condition).order_by(Job.id.desc()).limit(limit).offset(offset)
    if before is not None:
        query = query.where(Job.id < before)
    return [live_job(row) for row in await tx.execute(query)], total


def _condition(wanted: JobFilter) -> ColumnElement[bool]:
    clauses: list[ColumnElement[bool]] = [true()]
    if not wanted.see_all:
        own = Job.owner.is_(None)
        clauses.append(own if wanted.user_id is None else or_(own, Job.owner == wanted.user_id))
    if wanted.status is not None:
        clauses.append(Job.status == wanted.status.value)
    if wanted.subject is not None:
        clauses += [Job.subject_type == wanted.subject[0], Job.subject_id == wanted.subject[1]]
    if wanted.since is not None:
        # The key finds the rows, so that no index of the times is needed; the column decides, because an id tells the
        # time of its maker's clock, which may stand behind the database's.
        clauses += [Job.id >= first_uuid7(wanted.since, slack_s=_CLOCKS_DIFFER_S), Job.created_at >= wanted.since]
    for column, value in (
        (Job.repository, wanted.repo),
        (Job.branch, wanted.branch),
        (Job.kind, wanted.kind),
        (Job.domain, wanted.domain),
        (Job.owner, wanted.owner),
    ):
        if value is not None:
            clauses.append(column == value)
    return and_(*clauses)


async def request_cancel(tx: AsyncConnection, job_id: uuid.UUID, reason: Mapping[str, Any] | None = None) -> LiveJob:
    """Raise the job's cancel flag (kept when it is up already) and make it due, so that a waiting one is claimed.

    `reason` is the failure as JSON that the job will end with; None: the one that is there already, if any.
    """
    because = {} if reason is None else {"cancel_reason": reason}
    return await _change(
        tx,
        Job.id == job_id,
        cancel_requested_at=func.coalesce(Job.cancel_requested_at, now_sql(tx.dialect)),
        run_at=now_sql(tx.dialect),
        published_at=None,
        **because,
    )


async def wake(tx: AsyncConnection, job_id: uuid.UUID) -> LiveJob | None:
    """Make a waiting job due now; one that is in the middle of a step runs again right after it.

    Answers the job when it waits (announce it after the commit), None when it is running, ended or unknown.
    """
    now = now_sql(tx.dialect)
    alive = and_(Job.id == job_id, Job.status.in_(ACTIVE_WORDS))
    rows = await tx.execute(update(Job).where(alive).values(wake_requested_at=now).returning(Job.lease_owner))
    row = rows.one_or_none()
    if row is None or row.lease_owner is not None:
        return None
    return await _change(tx, Job.id == job_id, run_at=now, waiting_for=None, published_at=None)


async def end_unstarted(tx: AsyncConnection, job_id: uuid.UUID, outcome: Outcome) -> LiveJob:
    """End a job that no worker holds (a pending one that is cancelled); the caller holds its row lock."""
    return await _change(tx, Job.id == job_id, **end_values(tx.dialect, outcome))


def end_values(dialect: Dialect | str, outcome: Outcome) -> dict[str, Any]:
    """The columns that every end sets."""
    values: dict[str, Any] = {
        "status": outcome.status,
        "error": outcome.failure.as_json() if outcome.failure else None,
        "result": outcome.result,
        "exit_code": outcome.exit_code,
        "waiting_for": None,
        "lease_owner": None,
        "lease_until": None,
        "published_at": None,
        "finished_at": now_sql(dialect),
    }
    if outcome.status == "success":
        values["progress"] = 100
    return values


async def _change(tx: AsyncConnection, condition: ColumnElement[bool], **values: Any) -> LiveJob:
    rows = await tx.execute(changed(tx.dialect, condition, **values))
    return live_job(rows.one())


def changed(dialect: Dialect | str, condition: ColumnElement[bool], **values: Any) -> Any:
    """Build an UPDATE of visible columns: it counts the version, moves the repairer's cursor and returns the rows."""
    return (
        update(Job)
        .where(condition)
        .values(version=Job.version + 1, updated_at=now_sql(dialect), **values)
        .returning(Job.__table__)
    )


async def mark_published(tx: AsyncConnection, jobs: Sequence[LiveJob], epoch: str) -> None:
    """Note that jobs stand in the stream of Redis data set `epoch`.

    One that was claimed or turned away since it was read (another version) is left alone. Rows are locked in the
    order of their ids, as everywhere, so that batches cannot deadlock.
    """
    versions = {job.view.id: job.view.version for job in jobs}
    lock, mark = _publication(tx.dialect.name)
    rows = await tx.execute(lock, {"ids": list(versions)})
    as_read = [row.id for row in rows if row.version == versions[row.id]]
    if as_read:
        await tx.execute(mark, {"ids": as_read, "epoch": epoch})


@cache
def _publication(dialect_name: str) -> tuple[Any, Any]:
    named = among(dialect_name, Job.id, "ids")
    lock = select(Job.id, Job.version).where(named).order_by(Job.id).with_for_update(skip_locked=True)
    published = {"published_at": now_sql(dialect_name), "published_epoch": bindparam("epoch", type_=Text)}
    return lock, update(Job).where(named).values(published)
