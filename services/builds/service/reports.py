"""Builds as pipelines report them: made, failed, reset; what a later run needs to go on."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common import audit, metrics
from libs.common.audit import Actor
from libs.common.database import Database, utcnow
from libs.common.http.principal import Principal
from libs.common.jobs.service import Jobs
from services.builds.errors import BuildEndedWithJob, BuildExists, BuildNotFailed, TooManyFailures, UnknownBuild
from services.builds.models import Build, BuildFailure, BuildState
from services.builds.schemas.reports import NewBuild, NewFailure
from services.builds.service import artifacts, axes, variables
from services.builds.service.catalogue import visible_build
from services.builds.service.history import add_state, retire_failures
from services.builds.service.live import build_changed
from services.builds.service.lookup import one_at_a_time
from services.builds.service.refs import build_to_change
from services.builds.service.state_posts import Standing, check_open
from services.builds.stages import Resume, resume_point, stage_of
from services.builds.states import BuildStatus, Executor

# The whole message stands in the failure; lists of builds and histories show its beginning.
_SHOWN_CHARS: Final = 1000
# At once, until a reset: who reports more of them repeats himself, and each may have 128 KB.
_OPEN_FAILURES_MAX: Final = 20
_NO_CODE: Final = "PIPELINE_FAILURE"  # as the documented pipeline names a failure


@dataclass(frozen=True, slots=True)
class ResumeFacts:
    """From where a build goes on and with what: rows of its artifacts, its variables with secrets masked, and how
    many failures were reported where it stands."""

    state_code: int
    point: Resume
    artifacts: list[Any]
    variables: dict[str, str]
    failures: int


class Reports:
    """What pipelines say of builds besides their states.

    Each change is one transaction with its audit entry, on a build whose row is locked. Raises UnknownBuild and, for a
    change by somebody who may only read it, SharedIsReadOnly.
    """

    def __init__(self, database: Database, jobs: Jobs) -> None:
        self._database = database
        self._jobs = jobs

    # --- reading ----------------------------------------------------------------------------------------------------

    async def get(self, principal: Principal, ref: str) -> Any:
        async with self._database.reading() as tx:
            return await visible_build(tx, principal, ref)

    async def newest_state(self, principal: Principal, ref: str) -> tuple[Any, Any]:
        """Read a build with the newest entry of its history."""
        async with self._database.reading() as tx:
            build = await visible_build(tx, principal, ref)
            newest = select(BuildState.__table__).where(BuildState.build_id == build.id)
            state = (await tx.execute(newest.order_by(BuildState.id.desc()).limit(1))).one_or_none()
            if state is None:  # retention deleted it just now
                raise UnknownBuild(f"Build not found: {ref}")
            return build, state

    async def failures(self, principal: Principal, ref: str, *, limit: int, offset: int) -> tuple[list[Any], int]:
        """List a build's failures newest first, retired ones too, with their number."""
        async with self._database.reading() as tx:
            build = await visible_build(tx, principal, ref)
            of_build = BuildFailure.build_id == build.id
            page = select(BuildFailure.__table__).where(of_build).order_by(BuildFailure.id.desc())
            rows = list(await tx.execute(page.limit(limit).offset(offset)))
            return rows, await _count(tx, of_build)

    async def resume_facts(self, principal: Principal, ref: str) -> ResumeFacts:
        """Say from where a build goes on. Artifacts that a run cannot go on from, or that expired, are left out."""
        async with self._database.reading() as tx:
            build = await visible_build(tx, principal, ref)
            standing = Standing.of(build)
            lower = (BuildState.build_id == build.id, BuildState.state_code < build.state_code)
            passed = (await tx.execute(select(func.max(BuildState.state_code)).where(*lower))).scalar_one()
            here = (BuildFailure.build_id == build.id, BuildFailure.state_code == build.state_code)
            failed = standing.stands_failed
            return ResumeFacts(
                build.state_code,
                resume_point(build.state_code, passed, failed=failed, completed=standing.is_completed and not failed),
                await artifacts.resumable(tx, build.id),
                await variables.shown(tx, build.id),
                await _count(tx, *here),
            )

    # --- changing ---------------------------------------------------------------------------------------------------

    async def create(self, principal: Principal, actor: Actor, new: NewBuild) -> tuple[Any, bool]:
        """Make a build that its pipeline reports on; answers its row and whether it was made now.

        The same build_id with the same content is the build that there is, however many ask at once. Raises
        BuildExists for another content.
        """
        content = _content(new)
        async with self._database.transaction() as tx:
            await one_at_a_time(tx, [f"build:{principal.user_id}:{new.build_id}"])
            of_owner = Build.owner.is_(None) if principal.user_id is None else Build.owner == principal.user_id
            query = select(Build.__table__).where(of_owner, Build.build_id == new.build_id)
            row = (await tx.execute(query.order_by(Build.id).limit(1))).one_or_none()
            if row is not None:
                _refuse_other(row, content)
                return row, False
            await axes.remember(tx, platform=new.platform, os_version=new.os_version, image_type=new.image_type)
            row = (await tx.execute(insert(Build).values(_values(principal, content)).returning(Build.__table__))).one()
            message = "Build initialized"
            pending = BuildStatus.PENDING
            await add_state(tx, row.id, None, pending, 0, actor=principal.name, stage=stage_of(0), message=message)
            await audit.record(tx, actor, "build.created", ("build", row.uid), build_id=new.build_id)
        await self._jobs.tell([build_changed(row)])
        return row, True

    async def fail(self, principal: Principal, actor: Actor, ref: str, failure: NewFailure) -> Any:
        """Let a build stand failed where it is; answers its row.

        A build that only reports has ended then, until it is reset; one that a job runs ends with its job. What was
        reported just before may be reported again, and nothing changes. Raises BuildCompleted, BuildCancelled and
        TooManyFailures.
        """
        async with self._database.transaction() as tx:
            row = await build_to_change(tx, principal, ref)
            standing = Standing.of(row)
            check_open(standing)
            open_ones = await _open_failures(tx, row.id) if standing.stands_failed else []
            if open_ones and _is_same(open_ones[0], failure):
                return row
            if len(open_ones) >= _OPEN_FAILURES_MAX:
                raise TooManyFailures(f"This build stands failed for {len(open_ones)} reasons already; reset it first")
            await tx.execute(insert(BuildFailure).values(_failure(row, failure, principal.name)))
            code, shown = failure.error_code or _NO_CODE, failure.error_message[:_SHOWN_CHARS]
            values: dict[str, Any] = {"updated_at": utcnow()}
            if standing.status is not BuildStatus.FAILURE:  # else its error says already why it ended
                values["error"] = {"code": code, "message": shown}
                if row.executor == Executor.EXTERNAL:
                    values |= {"status": BuildStatus.FAILURE.value, "finished_at": utcnow()}
            row = await _update(tx, row.id, values)
            status = BuildStatus(row.status)
            message = f"{code}: {shown}"
            await add_state(
                tx, row.id, row.job_id, status, row.state_code, actor=actor.name, stage=row.stage, message=message
            )
            await audit.record(tx, actor, "build.failed", ("build", row.uid), code=code, state_code=row.state_code)
        if status is BuildStatus.FAILURE and standing.status is not status:
            metrics.BUILDS.labels(row.executor, status.value).inc()
        await self._jobs.tell([build_changed(row)])
        return row

    async def reset(self, principal: Principal, actor: Actor, ref: str) -> Any:
        """Let a failed build go on in the state where it failed; answers its row. Its failures stay in its history.

        Raises BuildNotFailed, and BuildEndedWithJob for a build that a job ran: its job is retried.
        """
        async with self._database.transaction() as tx:
            row = await build_to_change(tx, principal, ref)
            if not Standing.of(row).stands_failed:
                raise BuildNotFailed(f"This build is {row.status}; only one that failed is reset")
            failed = row.status == BuildStatus.FAILURE
            if failed and row.executor != Executor.EXTERNAL:
                raise BuildEndedWithJob(f"This build ended with its job; POST /jobs/{row.job_id}/retry builds again")
            await retire_failures(tx, row.id)
            values: dict[str, Any] = {"error": None, "updated_at": utcnow()}
            if failed:
                going_on = BuildStatus.PENDING if row.started_at is None else BuildStatus.IN_PROGRESS
                values |= {"status": going_on.value, "finished_at": None}
            row = await _update(tx, row.id, values)
            status = BuildStatus(row.status)
            await add_state(
                tx, row.id, row.job_id, status, row.state_code, actor=actor.name, stage=row.stage, message="Build reset"
            )
            await audit.record(tx, actor, "build.reset", ("build", row.uid), state_code=row.state_code)
        await self._jobs.tell([build_changed(row)])
        return row


def _content(new: NewBuild) -> dict[str, Any]:
    """The columns that make a build this one; what a shell left empty was not given."""
    return {
        "platform": new.platform,
        "os_version": new.os_version,
        "image_type": new.image_type,
        "build_id": new.build_id,
        "pipeline_url": new.pipeline_url or None,
        "commit_sha": new.commit_hash or None,
    }


def _values(principal: Principal, content: dict[str, Any]) -> dict[str, Any]:
    now = utcnow()
    made = {"uid": secrets.token_urlsafe(16), "owner": principal.user_id, "executor": Executor.EXTERNAL.value}
    made |= {"status": BuildStatus.PENDING.value, "state_code": 0, "stage": stage_of(0)}
    return content | made | {"created_at": now, "updated_at": now}


def _refuse_other(row: Any, content: dict[str, Any]) -> None:
    different = sorted(name for name, value in content.items() if getattr(row, name) != value)
    if different:
        raise BuildExists(
            f"There is a build {row.build_id} with another {', '.join(different)}",
            details={"id": row.uid, "different": different},
        )


async def _update(tx: AsyncConnection, build_id: int, values: dict[str, Any]) -> Any:
    statement = update(Build).where(Build.id == build_id).values(values)
    return (await tx.execute(statement.returning(Build.__table__))).one()


def _failure(row: Any, failure: NewFailure, actor: str) -> dict[str, Any]:
    return {
        "build_id": row.id,
        "state_code": row.state_code,
        "error_message": failure.error_message,
        "error_code": failure.error_code,
        "component": failure.component,
        "details": failure.details,
        "actor": actor,
        "created_at": utcnow(),
    }


async def _open_failures(tx: AsyncConnection, build_id: int) -> Sequence[Any]:
    """The failures because of which a build stands failed, newest first."""
    open_ones = (BuildFailure.build_id == build_id, BuildFailure.retired_at.is_(None))
    query = select(BuildFailure.__table__).where(*open_ones).order_by(BuildFailure.id.desc())
    return (await tx.execute(query)).all()


def _is_same(row: Any, failure: NewFailure) -> bool:
    """Tell whether a stored failure says the same."""
    return all(getattr(row, name) == getattr(failure, name) for name in NewFailure.__struct_fields__)


async def _count(tx: AsyncConnection, *conditions: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(BuildFailure).where(*conditions)
    count: int = (await tx.execute(query)).scalar_one()
    return count
