"""States that pipelines post, all that arrive at the same time in one transaction.

As deliveries (accept.py): while one transaction is under way, the posts that come meanwhile wait and share the next
one, so that a commit and its round trips are paid once for dozens of them. A build's row is locked before its history
is written, so the ids of its entries are in the order in which its posts were taken, whichever gateway took them.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common import metrics
from libs.common.batch import Batch
from libs.common.database import Database, utcnow
from libs.common.errors import RequestError
from libs.common.http.principal import Principal
from libs.common.jobs.service import Jobs
from services.builds.errors import BuildCancelled, BuildCompleted, BuildStandsFailed, WrongStateCode
from services.builds.models import Build, BuildState
from services.builds.service.history import add_states, state
from services.builds.service.live import build_changed
from services.builds.service.refs import Named, builds_to_change
from services.builds.stages import DELIVERED, STEP, stage_of
from services.builds.states import BuildStatus, Executor

# As for deliveries: larger transactions gain nothing and let the first post wait longer.
_MOST: Final = 64


@dataclass(frozen=True, slots=True)
class StatePost:
    """What a pipeline says: its build has reached this code. `message` None: nothing more to say."""

    principal: Principal
    ref: str
    state_code: int
    message: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a build stands, of its row what a post looks at and changes."""

    id: int
    uid: str
    owner: int | None
    executor: str
    status: BuildStatus
    state_code: int
    stage: str | None
    has_error: bool
    started_at: datetime | None
    finished_at: datetime | None
    updated_at: datetime

    @classmethod
    def of(cls, row: Any) -> "Standing":
        """Make it of a row of refs.py."""
        return cls(
            id=row.id,
            uid=row.uid,
            owner=row.owner,
            executor=row.executor,
            status=BuildStatus(row.status),
            state_code=row.state_code,
            stage=row.stage,
            has_error=row.error is not None,
            started_at=row.started_at,
            finished_at=row.finished_at,
            updated_at=row.updated_at,
        )

    @property
    def is_completed(self) -> bool:
        return self.status is BuildStatus.SUCCESS or self.state_code == DELIVERED

    @property
    def stands_failed(self) -> bool:
        """Failed for good, or told so by its workflow while its job goes on."""
        return self.status is BuildStatus.FAILURE or self.has_error


def check_open(build: Standing) -> None:
    """Raise BuildCancelled and BuildCompleted for a build that takes neither states nor failures any more."""
    if build.status is BuildStatus.CANCELLED:
        raise BuildCancelled("This build was cancelled; retry its job to build it again")
    if build.is_completed and build.status is not BuildStatus.FAILURE:
        raise BuildCompleted("This build is complete; make another one to build again")


def reach(build: Standing, state_code: int, now: datetime) -> Standing:
    """The build after it reached a state code, which may lie below the one before.

    The first state begins a build. At 100 a build that only reports is done; any other ends with its job. Raises
    BuildStandsFailed, BuildCancelled and BuildCompleted.
    """
    check_open(build)
    if build.stands_failed:
        raise BuildStandsFailed(
            f"This build failed in state {build.state_code}; POST /builds/{build.uid}/reset before it goes on"
        )
    reached = replace(build, state_code=state_code, stage=stage_of(state_code), updated_at=now)
    if build.status in (BuildStatus.PENDING, BuildStatus.QUEUED):
        reached = replace(reached, status=BuildStatus.IN_PROGRESS, started_at=build.started_at or now)
    if state_code == DELIVERED and build.executor == Executor.EXTERNAL:
        reached = replace(reached, status=BuildStatus.SUCCESS, finished_at=now)
    return reached


class StatePosts:
    """Takes posted states; one per process."""

    def __init__(self, database: Database, jobs: Jobs) -> None:
        self._database = database
        self._jobs = jobs
        self._batch: Batch[StatePost, Standing] = Batch(self._together, collect_s=0, most=_MOST)

    async def take(self, post: StatePost) -> Standing:
        """Write a state into its build and the build's history; returns after the commit.

        What was said just before, code and message, may be said again: a pipeline that never got its answer repeats
        its request, and nothing changes. Raises WrongStateCode, UnknownBuild, SharedIsReadOnly, BuildStandsFailed,
        BuildCancelled and BuildCompleted.
        """
        if post.state_code % STEP:
            raise WrongStateCode(f"State code must be multiple of {STEP}")
        return await self._batch.do(post)

    async def _together(self, posts: Sequence[StatePost]) -> Sequence[Standing | Exception]:
        try:
            answers, changed = await self._in_one_transaction(posts)
        except Exception:  # noqa: BLE001 - the trial of each one alone says whose it was
            # One that cannot be stored, or a deadlock with somebody else's transaction, must not fail its neighbours.
            return await asyncio.gather(*(self._alone(post) for post in posts))
        await self._tell(changed)
        return answers

    async def _alone(self, post: StatePost) -> Standing | Exception:
        try:
            [answer], changed = await self._in_one_transaction([post])
        except Exception as error:  # noqa: BLE001 - the batch raises it for whoever waits for this one
            return error
        await self._tell(changed)
        return answer

    async def _in_one_transaction(
        self, posts: Sequence[StatePost]
    ) -> tuple[list[Standing | RequestError], list[Standing]]:
        """Take the posts in their order; answers how each one's build stands, and the builds that changed."""
        async with self._database.transaction() as tx:
            found = await builds_to_change(tx, [Named(post.principal, post.ref) for post in posts])
            taking = _Taking(await _repeatable(tx, posts, found))
            answers = [
                row if isinstance(row, RequestError) else taking.take(post, row)
                for post, row in zip(posts, found, strict=True)
            ]
            changed = list(taking.changed.values())
            if changed:
                await tx.execute(_UPDATE, [_columns(build) for build in changed])
                await add_states(tx, taking.entries)
        return answers, changed

    async def _tell(self, changed: Sequence[Standing]) -> None:
        for build in changed:
            if build.status is BuildStatus.SUCCESS:
                metrics.BUILDS.labels(build.executor, build.status.value).inc()
        if changed:
            await self._jobs.tell([build_changed(build) for build in changed])


_Said = tuple[str, int, str | None]
"""The newest entry of a history: status, state code, message."""


class _Taking:
    """Posts as they are taken one after the other: how each build stands by then, and what is to be written."""

    def __init__(self, newest: Mapping[int, _Said]) -> None:
        self.changed: dict[int, Standing] = {}
        self.entries: list[dict[str, Any]] = []
        self._newest = dict(newest)

    def take(self, post: StatePost, row: Any) -> Standing | RequestError:
        build = self.changed.get(row.id) or Standing.of(row)
        said = (build.status.value, post.state_code, post.message)
        if build.status is not BuildStatus.PENDING and self._newest.get(build.id) == said:
            return build
        try:
            reached = reach(build, post.state_code, utcnow())
        except RequestError as error:
            return error
        self.changed[build.id] = reached
        self._newest[build.id] = (reached.status.value, reached.state_code, post.message)
        actor = post.principal.name
        self.entries.append(
            state(
                reached.id,
                row.job_id,
                reached.status,
                reached.state_code,
                actor=actor,
                stage=reached.stage,
                message=post.message,
            )
        )
        return reached


async def _repeatable(
    tx: AsyncConnection, posts: Sequence[StatePost], found: Sequence[Any | RequestError]
) -> dict[int, _Said]:
    """Read the newest entries of the builds of which a post says the code that they have; mostly there is none."""
    ids = {
        row.id
        for post, row in zip(posts, found, strict=True)
        if not isinstance(row, RequestError) and row.state_code == post.state_code
    }
    if not ids:
        return {}
    newest = select(func.max(BuildState.id)).where(BuildState.build_id.in_(ids)).group_by(BuildState.build_id)
    columns = (BuildState.build_id, BuildState.status, BuildState.state_code, BuildState.message)
    rows = await tx.execute(select(*columns).where(BuildState.id.in_(newest)))
    return {row.build_id: (row.status, row.state_code, row.message) for row in rows}


_CHANGED: Final = ("status", "state_code", "stage", "started_at", "finished_at", "updated_at")
_UPDATE = (
    update(Build).where(Build.id == bindparam("of_id")).values({name: bindparam(f"to_{name}") for name in _CHANGED})
)


def _columns(build: Standing) -> dict[str, Any]:
    values = {f"to_{name}": getattr(build, name) for name in _CHANGED}
    return values | {"of_id": build.id, "to_status": build.status.value}
