"""Telling forges how the builds of their pushes go: when, and in which words.

A job `builds.report_status` is made in the transactions in which a build begins and ends. When it acts, it tells what
the build is then; the jobs of one build run one after the other, so the last one tells the last state.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.jobs import store
from libs.common.jobs.view import LiveJob
from services.builds.commitstatus import DESCRIPTION_MAX_CHARS, CommitStatus, State
from services.builds.forges import EventKind, gitea_api
from services.builds.jobs import ReportStatus
from services.builds.models import Build, Repository
from services.builds.service.sealed import Vault
from services.builds.states import BuildStatus

_FORGES: Final = frozenset({"github", "gitea", "forgejo"})
_DEFAULT_PIPELINE: Final = ".slipway.yml"

_STATES: Final = {
    BuildStatus.PENDING: State.PENDING,
    BuildStatus.QUEUED: State.PENDING,
    BuildStatus.IN_PROGRESS: State.PENDING,
    BuildStatus.SUCCESS: State.SUCCESS,
    BuildStatus.FAILURE: State.FAILURE,
    BuildStatus.CANCELLED: State.ERROR,
}


def report(repository: Any, build: Mapping[Any, Any]) -> store.NewJob | None:
    """The job that tells a build's forge how it is, None when nobody is to be told; given a row, and columns by name.

    Told is of builds that a push (tag, pull request, release) started, where the repository wants it and there is a
    token: its own, or on GitHub the operator's where a superuser allowed that.
    """
    if not repository.report_status or repository.forge not in _FORGES:
        return None
    if build["commit_sha"] is None or build["event"] in (None, EventKind.MANUAL):
        return None
    operators = repository.uses_operator_token and repository.forge == "github"
    if repository.sealed_api_token is None and not operators:
        return None
    return store.NewJob(
        message=ReportStatus(build_id=build["id"]),
        subject=("commit_status", str(build["id"])),
        owner=build["owner"],
        lane=f"status:{build['id']}",
        repository=repository.full_name,
        branch=build["branch"] or build["tag"],
        commit_sha=build["commit_sha"],
    )


async def report_build(tx: AsyncConnection, build: Any) -> None:
    """Tell the forge of a build (a row) that changed, if it is to be told; workers hear of the job by the publisher."""
    if build.repository_id is None or build.commit_sha is None:
        return
    repository = (await tx.execute(_repository(build.repository_id))).one_or_none()
    job = None if repository is None else report(repository, build._mapping)
    if job is not None:
        await store.insert_jobs(tx, [job])


async def read_status(tx: AsyncConnection, build_id: int, vault: Vault, public_url: str | None) -> CommitStatus | None:
    """What a build's forge is to be told now; None when it is not to be told any more.

    `public_url` is where people reach Slipway, None: no link. Raises SecretsUnreadable.
    """
    build = (await tx.execute(select(Build.__table__).where(Build.id == build_id))).one_or_none()
    if build is None or build.repository_id is None:
        return None
    repository = (await tx.execute(_repository(build.repository_id))).one_or_none()
    if repository is None or report(repository, build._mapping) is None:
        return None
    state, description = _told(build)
    is_github = repository.forge == "github"
    return CommitStatus(
        forge=repository.forge,
        repository=repository.full_name,
        sha=build.commit_sha,
        api=None if is_github else gitea_api(repository.full_name, repository.html_url, repository.clone_url),
        token=vault.api_token(repository),
        state=state,
        context=_context(repository),
        description=_shortened(description),
        target_url=None if public_url is None else f"{public_url}/ui/builds/{build.uid}",
    )


async def tell_again(_tx: AsyncConnection, _old: LiveJob, _new: LiveJob) -> None:
    """Let a person retry a report, perhaps with a better token: there is no row to change, and the job reads anew."""


def _repository(repository_id: int) -> Any:
    return select(Repository.__table__).where(Repository.id == repository_id)


def _told(build: Any) -> tuple[State, str]:
    status, error = BuildStatus(build.status), build.error or {}
    match status:
        case BuildStatus.PENDING | BuildStatus.QUEUED:
            return State.PENDING, "Waiting to be built"
        case BuildStatus.IN_PROGRESS:
            return State.PENDING, "Being built"
        case BuildStatus.SUCCESS:
            return State.SUCCESS, f"Built in {_duration(build)}"
        case BuildStatus.CANCELLED if error.get("code") == "SKIPPED":  # it is no fault of the commit
            return State.SUCCESS, f"Nothing to build: {error.get('message')}"
        case BuildStatus.CANCELLED:
            return State.ERROR, error.get("message") or "Cancelled"
        case BuildStatus.FAILURE:
            return State.FAILURE, error.get("message") or "The build failed"


def _duration(build: Any) -> str:
    if build.started_at is None or build.finished_at is None:
        return "no time"
    minutes, seconds = divmod(round((build.finished_at - build.started_at).total_seconds()), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _context(repository: Any) -> str:
    """Two registrations of one repository with pipelines of their own tell of themselves side by side."""
    own = None if repository.pipeline_path == _DEFAULT_PIPELINE else repository.pipeline_path
    pipeline = repository.workflow_file if repository.executor == "github" else own
    return f"slipway/{pipeline or repository.full_name}"


def _shortened(text: str) -> str:
    first: Sequence[str] = text.splitlines() or [""]
    line = first[0]
    return line if len(line) <= DESCRIPTION_MAX_CHARS else f"{line[: DESCRIPTION_MAX_CHARS - 1]}…"
