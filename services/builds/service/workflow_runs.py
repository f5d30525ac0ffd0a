"""The rows of builds that run on GitHub, as the worker that runs them reads and writes them.

The order of what is written: the intent (`begin`: no run is known any more), then, once GitHub acted, its run
(`record_run`), how far it is (`record_standing`), and by the job's end what came of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.database import utcnow
from libs.common.jobs.view import JobView
from services.builds.errors import RepositoryGone
from services.builds.models import Build, Repository
from services.builds.service.history import add_state
from services.builds.service.sealed import Vault
from services.builds.states import BuildStatus

# Builds of one repository that look for their runs at the same time; more of them than candidates could ever be.
_OTHERS_MAX: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowBuild:
    """A build with what its run on GitHub needs.

    `repository` is owner/name. `run_id` None: not dispatched. `ref` is a branch or tag, None: the build is of a bare
    commit. `workflow_file`, `timeout_s` None: the settings'. `token` is the repository's own; None: the operator's
    acts, if `may_use_operators` says so.
    """

    id: int
    uid: str
    repository: str
    ref: str | None
    inputs: Mapping[str, str]
    workflow_file: str | None
    timeout_s: int | None
    commit: str | None
    run_id: int | None
    status: BuildStatus
    token: str | None
    may_use_operators: bool


async def read_build(tx: AsyncConnection, vault: Vault, build_id: int) -> WorkflowBuild:
    """Read a build and whose token acts for it; raises RepositoryGone and SecretsUnreadable."""
    build = (await tx.execute(select(Build.__table__).where(Build.id == build_id))).one()
    token, workflow_file, operators = None, None, build.event is None
    if build.repository_id is not None:
        query = select(Repository.__table__).where(Repository.id == build.repository_id)
        repository = (await tx.execute(query)).one()
        token, workflow_file = vault.api_token(repository), repository.workflow_file
        operators = repository.uses_operator_token
    elif build.event is not None:  # only a build that was of no repository from the beginning is the operator's
        raise RepositoryGone("The repository of this build was deleted, and its token with it")
    return WorkflowBuild(
        id=build.id,
        uid=build.uid,
        repository=build.run_repository or "",
        ref=build.ref,
        inputs=build.inputs or {},
        workflow_file=workflow_file,
        timeout_s=build.timeout_s,
        commit=build.commit_sha,
        run_id=build.run_id,
        status=BuildStatus(build.status),
        token=token,
        may_use_operators=operators,
    )


async def begin(tx: AsyncConnection, build_id: int) -> None:
    """A dispatch follows: no run is known from here on until GitHub has told or shown one."""
    values: dict[str, Any] = {"run_id": None, "run_url": None, "conclusion": None, "updated_at": utcnow()}
    await tx.execute(update(Build).where(Build.id == build_id).values(values))


async def record_run(tx: AsyncConnection, build_id: int, job: JobView, run_id: int, url: str) -> None:
    """Write down which run on GitHub the build is; from now on it stands in GitHub's queue."""
    values = {"run_id": run_id, "run_url": url, "status": BuildStatus.QUEUED.value, "updated_at": utcnow()}
    written = update(Build).where(Build.id == build_id).values(values).returning(Build.__table__)
    row = (await tx.execute(written)).one()
    await add_state(
        tx,
        build_id,
        job.id,
        BuildStatus.QUEUED,
        row.state_code,
        actor=job.agent_id or "worker",
        message=f"Run {run_id} on GitHub",
    )


async def record_standing(
    tx: AsyncConnection,
    build_id: int,
    job: JobView,
    *,
    running: bool,
    stage: str | None,
    percent: int,
    url: str,
    commit: str | None = None,
) -> None:
    """Write how far the run is. A state code never falls: a workflow that reports its own knows better than its steps.

    `running`: a runner has taken it. `commit` fills the build's where it was not known before.
    """
    before = (await tx.execute(select(Build.__table__).where(Build.id == build_id).with_for_update())).one()
    now = utcnow()
    values: dict[str, Any] = {"stage": stage or before.stage, "run_url": url, "updated_at": now}
    values["state_code"] = max(percent, before.state_code)
    values["commit_sha"] = before.commit_sha or commit
    if running and before.status != BuildStatus.IN_PROGRESS:
        values |= {"status": BuildStatus.IN_PROGRESS.value, "started_at": before.started_at or now}
    changed = {name: value for name, value in values.items() if value != getattr(before, name)}
    await tx.execute(update(Build).where(Build.id == build_id).values(changed))
    if {"status", "state_code"} & changed.keys():
        await add_state(
            tx,
            build_id,
            job.id,
            BuildStatus(values.get("status", before.status)),
            values["state_code"],
            actor=job.agent_id or "worker",
            stage=stage,
        )


async def record_conclusion(tx: AsyncConnection, build_id: int, conclusion: str | None) -> None:
    """Keep what the run ended with, in GitHub's word."""
    await tx.execute(update(Build).where(Build.id == build_id).values(conclusion=conclusion, updated_at=utcnow()))


async def record_name(tx: AsyncConnection, build_id: int, repository: str) -> None:
    """The repository was renamed on GitHub: webhooks and addresses have the new name."""
    await tx.execute(update(Build).where(Build.id == build_id).values(run_repository=repository, updated_at=utcnow()))


async def others_of(tx: AsyncConnection, build: WorkflowBuild, run_ids: list[int]) -> tuple[set[str], set[int]]:
    """Who else may be meant: the uids of builds of this repository that know no run yet, and the runs (of these) that
    builds have already."""
    same = Build.run_repository == build.repository
    unknown = select(Build.uid).where(same, Build.run_id.is_(None), Build.id != build.id)
    unknown = unknown.order_by(Build.id.desc()).limit(_OTHERS_MAX)
    taken = select(Build.run_id).where(same, Build.run_id.in_(run_ids), Build.id != build.id)
    return set(await tx.scalars(unknown)), {run_id for run_id in await tx.scalars(taken) if run_id is not None}
