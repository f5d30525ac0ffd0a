"""The rows of a build: made, moved on and ended inside the transactions of others."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common import metrics
from libs.common.database import utcnow
from libs.common.jobs.kinds import Outcome
from libs.common.jobs.view import LiveJob
from services.builds.errors import BuildGone, BuildNotEnded, RepositoryGone
from services.builds.models import Build, BuildFailure, BuildState
from services.builds.service.commit_statuses import report_build
from services.builds.states import ENDED, OF_JOB, BuildStatus

# Made once, as in deliveries.py.
_INSERT_STATE = insert(BuildState)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """What a provider tells on the way: the stage that runs now, the state code that was reached, which commit it is.

    None: as it was.
    """

    stage: str | None = None
    percent: int | None = None
    commit: str | None = None


async def record_progress(tx: AsyncConnection, build_id: int, job_id: uuid.UUID, worker: str, reached: Reached) -> None:
    """Write what a provider tells into the build and, where a state code was reached, into its history."""
    percent = reached.percent
    told = {"stage": reached.stage, "state_code": percent, "commit_sha": reached.commit}
    values = {name: value for name, value in told.items() if value is not None} | {"updated_at": utcnow()}
    row = (await tx.execute(update(Build).where(Build.id == build_id).values(values).returning(Build.__table__))).one()
    if percent is not None:
        await add_state(tx, build_id, job_id, BuildStatus(row.status), percent, actor=worker, stage=row.stage)


async def end_build(tx: AsyncConnection, job: LiveJob, outcome: Outcome) -> None:
    """End the build as its job ended, with the reason in its history."""
    build_id, status = int(job.view.subject.id), OF_JOB[outcome.status]
    failure = outcome.failure
    values: dict[str, Any] = {
        "status": status.value,
        "error": {"code": failure.code, "message": failure.message} if failure else None,
        "exit_code": outcome.exit_code,
        "finished_at": utcnow(),
        "updated_at": utcnow(),
    }
    if status is BuildStatus.SUCCESS:
        values["state_code"] = 100
    row = (await tx.execute(update(Build).where(Build.id == build_id).values(values).returning(Build.__table__))).one()
    message = f"{failure.code}: {failure.message}" if failure else "Build succeeded"
    await add_state(
        tx,
        build_id,
        job.view.id,
        status,
        row.state_code,
        actor=job.view.agent_id or "slipway",
        stage=row.stage,
        message=message,
    )
    await report_build(tx, row)
    # Before the commit, which knows nobody to tell: one that fails counts a build twice, and dashboards bear that.
    metrics.BUILDS.labels(row.executor, status.value).inc()


async def retry_build(tx: AsyncConnection, old: LiveJob, new: LiveJob) -> None:
    """Begin the build again under a new job; its history goes on.

    Raises BuildGone, BuildNotEnded and RepositoryGone.
    """
    build_id = int(old.view.subject.id)
    if (await ended_build(tx, build_id)).repository_id is None:
        raise RepositoryGone("The repository of this build was deleted; there is nothing to build it from")
    fresh: dict[str, Any] = {"status": BuildStatus.PENDING.value, "state_code": 0, "stage": None, "error": None}
    fresh |= {"exit_code": None, "started_at": None, "finished_at": None, "job_id": new.view.id, "updated_at": utcnow()}
    begun = update(Build).where(Build.id == build_id).values(fresh).returning(Build.__table__)
    row = (await tx.execute(begun)).one()
    await retire_failures(tx, build_id)
    await add_state(tx, build_id, new.view.id, BuildStatus.PENDING, 0, actor="slipway", message="Build retried")
    await report_build(tx, row)


async def ended_build(tx: AsyncConnection, build_id: int) -> Any:
    """Lock a build that is to begin again; answers status, repository_id and event. Raises BuildGone, BuildNotEnded."""
    query = select(Build.status, Build.repository_id, Build.event).where(Build.id == build_id).with_for_update()
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        raise BuildGone("This build ended long ago and was deleted (BUILD_RETENTION_DAYS); start a new one")
    if BuildStatus(row.status) not in ENDED:
        raise BuildNotEnded(f"Build {build_id} is {row.status}; another job runs it")
    return row


async def retire_failures(tx: AsyncConnection, build_id: int) -> None:
    """Say of what pipelines reported that the build does not stand failed because of it any more; it is kept."""
    standing = update(BuildFailure).where(BuildFailure.build_id == build_id, BuildFailure.retired_at.is_(None))
    await tx.execute(standing.values(retired_at=utcnow()))


async def add_state(
    tx: AsyncConnection,
    build_id: int,
    job_id: uuid.UUID | None,
    status: BuildStatus,
    state_code: int,
    *,
    actor: str,
    stage: str | None = None,
    message: str | None = None,
) -> None:
    """Append to a build's history; `actor` is who says so: a worker, a user, a forge."""
    row = state(build_id, job_id, status, state_code, actor=actor, stage=stage, message=message)
    await add_states(tx, [row])


async def add_states(tx: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append to the histories of several builds; `rows` are made by `state`."""
    await tx.execute(_INSERT_STATE, rows)


def state(
    build_id: int,
    job_id: uuid.UUID | None,
    status: BuildStatus,
    state_code: int,
    *,
    actor: str,
    stage: str | None = None,
    message: str | None = None,
) -> dict[str, Any]:
    """The row of one step of a build's history."""
    values: dict[str, Any] = {"build_id": build_id, "job_id": job_id, "status": status.value, "state_code": state_code}
    return values | {"actor": actor, "stage": stage, "message": message, "created_at": utcnow()}
