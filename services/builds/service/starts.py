"""Making builds with the jobs that run them, several at once."""

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import Integer, Select, bindparam, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.database import utcnow, uuid7
from libs.common.jobs import store
from libs.common.jobs.view import LiveJob
from services.builds.forges import ForgeEvent
from services.builds.jobs import RunBuild, RunWorkflow
from services.builds.models import Build
from services.builds.service.commit_statuses import report
from services.builds.service.history import add_states, state
from services.builds.states import BuildStatus, Executor


@dataclass(frozen=True, slots=True)
class Start:
    """A build to be made: of which repository (a row), for which event, asked for by which request."""

    repository: Any
    event: ForgeEvent
    request_id: str | None = None
    traceparent: str | None = None
    job_id: uuid.UUID = field(default_factory=uuid7)


async def start_builds(tx: AsyncConnection, starts: Sequence[Start]) -> list[LiveJob]:
    """Make builds, their first states and their jobs, in this order; after the commit give the jobs to `announce`.

    Four statements, however many builds: their ids are taken beforehand, so that nothing has to be read back. Jobs
    that tell forges of the builds are not among the answer: the publisher hands them out some seconds later, and by
    then many of those builds are more than just accepted.
    """
    if not starts:
        return []
    ids = await _new_ids(tx, len(starts))
    builds = [_build(one, build_id) for one, build_id in zip(starts, ids, strict=True)]
    await tx.execute(_INSERT, builds)
    await add_states(tx, [_first_state(one, build_id) for one, build_id in zip(starts, ids, strict=True)])
    jobs = [_job(one, build_id) for one, build_id in zip(starts, ids, strict=True)]
    reports = [report(one.repository, build) for one, build in zip(starts, builds, strict=True)]
    made = await store.insert_jobs(tx, [*jobs, *(job for job in reports if job is not None)])
    return made[: len(starts)]


# Statements of the accept path are made once: for SQLAlchemy making one costs more than running it.
_INSERT = insert(Build)


async def _new_ids(tx: AsyncConnection, count: int) -> Sequence[int]:
    """Take the next ids of builds; nobody else gets them."""
    if tx.dialect.name == "sqlite":  # the transaction holds the only write lock
        newest = (await tx.execute(select(func.coalesce(func.max(Build.id), 0)))).scalar_one()
        return range(newest + 1, newest + 1 + count)
    return (await tx.execute(_next_of_sequence(), {"count": count})).scalars().all()


@cache
def _next_of_sequence() -> Select[int]:
    sequence = func.pg_get_serial_sequence("builds", "id")
    numbers = func.generate_series(1, bindparam("count", type_=Integer)).table_valued("n")
    return select(func.nextval(sequence, type_=Integer)).select_from(numbers)


def _build(start: Start, build_id: int) -> dict[str, Any]:
    event, now = start.event, utcnow()
    on_github = start.repository.executor == Executor.GITHUB
    return {
        "id": build_id,
        "uid": secrets.token_urlsafe(16),
        "owner": start.repository.owner,
        "executor": start.repository.executor,
        "repository_id": start.repository.id,
        "event": event.kind.value,
        "branch": event.branch,
        "tag": event.tag,
        "commit_sha": event.sha,
        "message": event.message,
        "author": event.author,
        "changed_files": None if event.changed_files is None else list(event.changed_files),
        "ref": (event.tag or event.branch) if on_github else None,
        "run_repository": start.repository.full_name if on_github else None,
        "status": BuildStatus.PENDING.value,
        "job_id": start.job_id,
        "created_at": now,
        "updated_at": now,
    }


def _first_state(start: Start, build_id: int) -> dict[str, Any]:
    actor = start.event.sender or start.event.forge
    return state(build_id, start.job_id, BuildStatus.PENDING, 0, actor=actor, message="Build initialized")


def lane(start: Start) -> str:
    """The builds that run one after the other with this one: those of its branch or tag."""
    return f"repo:{start.repository.id}:{start.event.branch or start.event.tag}"[:255]


def _job(start: Start, build_id: int) -> store.NewJob:
    """The job that runs a build; of one branch only so many run at once as the repository says."""
    repository, event = start.repository, start.event
    on_github = repository.executor == Executor.GITHUB
    return store.NewJob(
        id=start.job_id,
        message=RunWorkflow(build_id=build_id) if on_github else RunBuild(build_id=build_id),
        subject=("build", str(build_id)),
        owner=repository.owner,
        lane=lane(start),
        lane_limit=repository.lane_limit,
        repository=repository.full_name,
        branch=event.branch or event.tag,
        commit_sha=event.sha,
        build_id=build_id,
        request_id=start.request_id,
        traceparent=start.traceparent,
    )
