"""Builds that run as workflows on GitHub Actions: asked for, run once more, retried. What workers do with them is in
workflow_runs.py."""

import json
import secrets
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common import audit
from libs.common.audit import Actor
from libs.common.database import Database, utcnow, uuid7
from libs.common.http.principal import Principal
from libs.common.jobs import store
from libs.common.jobs.service import Jobs
from libs.common.jobs.view import LiveJob
from services.builds.errors import BuildNotEnded, InputsTooLarge, NotRerunnable, RepositoryGone, UnknownBuild
from services.builds.forges import EventKind
from services.builds.jobs import RunWorkflow
from services.builds.models import Build
from services.builds.service.axes import remember
from services.builds.service.commit_statuses import report_build
from services.builds.service.history import add_state, ended_build, retire_failures
from services.builds.states import ENDED, BuildStatus, Executor

# Limits of GitHub's own (docs.github.com, workflow syntax, on.workflow_dispatch.inputs): 25 inputs, and 65,535
# characters of their JSON. Ours, by which a run is found again, takes up to 64 of them.
INPUTS_MAX: Final = 25
INPUTS_CHARS_MAX: Final = 65_535 - 64


def check_inputs(inputs: Mapping[str, str]) -> None:
    """Raise InputsTooLarge when GitHub would refuse these inputs of a workflow for their number or size."""
    if len(inputs) > INPUTS_MAX:
        raise InputsTooLarge(f"GitHub takes {INPUTS_MAX} inputs of a workflow at most; these are {len(inputs)}")
    size = len(json.dumps(dict(inputs), ensure_ascii=False, separators=(",", ":")))
    if size > INPUTS_CHARS_MAX:
        largest = max(inputs, key=lambda name: len(inputs[name]))
        raise InputsTooLarge(
            f"GitHub takes {INPUTS_CHARS_MAX} characters of inputs at most; these are {size}, most in {largest}",
            details={"characters": size, "allowed": INPUTS_CHARS_MAX, "largest": largest},
        )


class Workflows:
    """Asks for runs of workflows; one per gateway."""

    def __init__(self, database: Database, jobs: Jobs) -> None:
        self._database = database
        self._jobs = jobs

    async def start(
        self,
        tx: AsyncConnection,
        *,
        owner: int | None,
        run_repository: str,
        ref: str,
        inputs: Mapping[str, str],
        actor: str,
        repository_id: int | None = None,
        workflow_file: str | None = None,
        build_id: str | None = None,
        platform: str | None = None,
        os_version: str | None = None,
        image_type: str | None = None,
        enable_plymouth: bool | None = None,
        config_id: int | None = None,
        timeout_s: int | None = None,
        request_id: str | None = None,
    ) -> tuple[int, LiveJob]:
        """Make a build with the job that dispatches its workflow; answers the build's number and the job to announce.

        `run_repository` is owner/name on GitHub; `ref` a branch or tag without `refs/`. `repository_id` says whose
        token acts: a registered repository's, None: the operator's. `workflow_file` None: the repository's, else the
        setting's. `build_id` is the caller's own name. `actor` stands in the history. Raises InputsTooLarge.
        """
        check_inputs(inputs)
        job_id, now = uuid7(), utcnow()
        values: dict[str, Any] = {
            "uid": secrets.token_urlsafe(16),
            "build_id": build_id,
            "owner": owner,
            "executor": Executor.GITHUB.value,
            "repository_id": repository_id,
            "event": None if repository_id is None else EventKind.MANUAL.value,
            "branch": ref,
            "ref": ref,
            "inputs": dict(inputs),
            "run_repository": run_repository,
            "platform": platform,
            "os_version": os_version,
            "image_type": image_type,
            "enable_plymouth": enable_plymouth,
            "config_id": config_id,
            "timeout_s": timeout_s,
            "status": BuildStatus.PENDING.value,
            "job_id": job_id,
            "created_at": now,
            "updated_at": now,
        }
        await remember(tx, platform=platform, os_version=os_version, image_type=image_type)
        number: int = (await tx.execute(insert(Build).values(values).returning(Build.id))).scalar_one()
        await add_state(tx, number, job_id, BuildStatus.PENDING, 0, actor=actor, message="Build initialized")
        job = store.NewJob(
            id=job_id,
            message=RunWorkflow(build_id=number, workflow_file=workflow_file),
            subject=("build", str(number)),
            owner=owner,
            repository=run_repository,
            branch=ref,
            build_id=number,
            request_id=request_id,
        )
        [made] = await store.insert_jobs(tx, [job])
        return number, made

    async def rerun(self, principal: Principal, actor: Actor, build_id: int, *, failed_only: bool) -> LiveJob:
        """Run an ended build's workflow run once more on GitHub, all of it or its failed jobs, under a new job.

        The run keeps its number, its commit and its inputs; a new run on today's branch is what a retry of the job
        makes. Raises UnknownBuild, BuildNotEnded and NotRerunnable.
        """
        async with self._database.transaction() as tx:
            query = select(Build.__table__).where(Build.id == build_id).with_for_update()
            build = (await tx.execute(query)).one_or_none()
            if build is None or not principal.may_see(build.owner):
                raise UnknownBuild(f"Build {build_id} not found")
            if build.executor != Executor.GITHUB or build.run_id is None:
                raise NotRerunnable(f"Build {build_id} has no run on GitHub; retry its job instead")
            if BuildStatus(build.status) not in ENDED:
                raise BuildNotEnded(f"Build {build_id} is {build.status}; only an ended one is run again")
            job = store.NewJob(
                message=RunWorkflow(build_id=build_id, rerun="failed" if failed_only else "all"),
                subject=("build", str(build_id)),
                owner=build.owner,
                repository=build.run_repository,
                branch=build.branch or build.tag,
                commit_sha=build.commit_sha,
                build_id=build_id,
                request_id=actor.request_id,
            )
            [made] = await store.insert_jobs(tx, [job])
            what = "Its failed jobs are run again" if failed_only else "Its run is run again"
            await _begin_again(tx, build_id, made, actor=actor.name, message=what)
            subject = ("build", build.uid)
            await audit.record(tx, actor, "build.rerun", subject, failed_only=failed_only, job_id=str(made.view.id))
        await self._jobs.announce([made])
        return made


async def retry_workflow(tx: AsyncConnection, old: LiveJob, new: LiveJob) -> None:
    """Begin the build again under a new job, which does what the old one did: dispatch, or run its run once more.

    Raises BuildGone, BuildNotEnded, and RepositoryGone when the build was of a registered repository that was deleted:
    its token went with it.
    """
    build_id = int(old.view.subject.id)
    row = await ended_build(tx, build_id)
    if row.repository_id is None and row.event is not None:
        raise RepositoryGone("The repository of this build was deleted, and its token with it")
    await _begin_again(tx, build_id, new, actor="slipway", message="Build retried")


async def _begin_again(tx: AsyncConnection, build_id: int, job: LiveJob, *, actor: str, message: str) -> None:
    """Take an ended build back to its beginning. Its run stays known until another one is dispatched."""
    fresh: dict[str, Any] = {"status": BuildStatus.PENDING.value, "state_code": 0, "stage": None, "error": None}
    fresh |= {"exit_code": None, "conclusion": None, "started_at": None, "finished_at": None}
    fresh |= {"job_id": job.view.id, "updated_at": utcnow()}
    begun = update(Build).where(Build.id == build_id).values(fresh).returning(Build.__table__)
    row = (await tx.execute(begun)).one()
    await retire_failures(tx, build_id)
    await add_state(tx, build_id, job.view.id, BuildStatus.PENDING, 0, actor=actor, message=message)
    await report_build(tx, row)
