"""Builds that a person asks for: a run of a ref, and a delivery once more."""

import re
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common import audit
from libs.common.audit import Actor
from libs.common.database import Database, utcnow
from libs.common.errors import Invalid
from libs.common.http.errors import Detail, invalid
from libs.common.http.principal import Principal
from libs.common.jobs.service import Jobs
from libs.common.jobs.view import LiveJob
from services.builds.errors import (
    AmbiguousRepository,
    NotReplayable,
    RepositoryInactive,
    RunFiltered,
    UnknownDelivery,
    UnknownRepository,
)
from services.builds.forges import EventKind, ForgeEvent
from services.builds.globs import matches
from services.builds.models import Delivery, Repository
from services.builds.service import deliveries
from services.builds.service.delivery_log import visible_delivery
from services.builds.service.lookup import concerned
from services.builds.service.repositories import may_run_on
from services.builds.service.starts import Start, start_builds
from services.builds.service.visible import visible_to
from services.builds.settings import WebhookSettings
from services.builds.states import Executor

_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.IGNORECASE)
_NO_REF: Final = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[/.-]|[/.]$|\.lock$")  # git-check-ref-format(1)
_SHOWN: Final = 10  # of the repositories that a name may mean; whoever has more knows their uids


class Ref(NamedTuple):
    """What to build: one of a branch, a tag, a commit id."""

    branch: str | None = None
    tag: str | None = None
    sha: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Ref":
        """Read `main`, `refs/heads/main`, `refs/tags/v1` or a whole commit id; raises ValueError with what is allowed.

        A short name is always a branch: what is built must not change when somebody makes a tag of that name.
        """
        if _COMMIT.fullmatch(text):
            return cls(sha=text.lower())
        kind, name = "heads", text
        if text.startswith("refs/"):
            _, kind, name = (*text.split("/", 2), "", "")[:3]
        if kind not in ("heads", "tags") or not name or len(name) > 255 or _NO_REF.search(name):
            raise ValueError("Must be a branch, refs/heads/<branch>, refs/tags/<tag> or a whole commit id")
        return cls(branch=name) if kind == "heads" else cls(tag=name)


@dataclass(frozen=True, slots=True)
class Replay:
    """A delivery that was done again: the new delivery's id, and its job or why there is none."""

    delivery_id: int
    job: LiveJob | None
    ignored: deliveries.Ignored | None


class Runs:
    """Starts builds for people, by the rules of the builds that pushes start."""

    def __init__(self, database: Database, jobs: Jobs, settings: WebhookSettings) -> None:
        self._database = database
        self._jobs = jobs
        self._settings = settings

    async def start(self, principal: Principal, actor: Actor, name: str, ref: str) -> LiveJob:
        """Run a repository's pipeline; `name` is its uid or full name, `ref` as Ref.parse reads it.

        The repository's filter of branches counts, its list of events does not: this event is "manual". Which commit a
        branch or tag is, the worker finds out when the build runs. Raises UnknownRepository, AmbiguousRepository,
        LocalNotAllowed, RepositoryInactive, RunFiltered and Invalid.
        """
        wanted = _parsed(ref)
        async with self._database.transaction() as tx:
            repository = await _named(tx, principal, name)
            may_run_on(repository.executor, principal)
            _may_run(repository, wanted)
            if repository.executor == Executor.GITHUB and wanted.sha is not None:
                raise _unfit("GitHub runs workflows on branches and tags, not on bare commits")
            event = ForgeEvent(
                forge=repository.forge,
                kind=EventKind.MANUAL,
                name="manual",
                starts_build=True,
                repository=repository.full_name,
                branch=wanted.branch,
                tag=wanted.tag,
                sha=wanted.sha,
                sender=principal.name,
            )
            [job] = await start_builds(tx, [Start(repository=repository, event=event, request_id=actor.request_id)])
            subject = ("repository", repository.uid)
            await audit.record(tx, actor, "build.requested", subject, ref=ref, job_id=str(job.view.id))
        await self._jobs.announce([job])
        return job

    async def replay(self, principal: Principal, actor: Actor, delivery_id: int) -> Replay:
        """Do again what a delivery asked for, judged by the repository and the filters of today.

        It becomes a delivery of its own. Raises UnknownDelivery, NotReplayable and LocalNotAllowed.
        """
        async with self._database.transaction() as tx:
            old = await visible_delivery(tx, principal, delivery_id)
            if old.verdict == "refused" or old.event is None:
                raise NotReplayable(f"This delivery was refused and proved nothing: {old.reason}")
            event = msgspec.convert(old.event, ForgeEvent)
            [repository] = await concerned(tx, [(old.address, event)], self._settings)
            if repository is not None:
                _may_replay(repository, principal)
            objection = deliveries.objection(event, repository)
            ignored = deliveries.Ignored(objection.code, objection.message) if objection is not None else None
            job = None
            if ignored is None:
                [job] = await start_builds(tx, [Start(repository=repository, event=event, request_id=actor.request_id)])
            new_id = await _insert_again(tx, old, repository, job, ignored, actor.request_id)
            job_id = None if job is None else str(job.view.id)
            subject = ("delivery", str(delivery_id))
            await audit.record(tx, actor, "delivery.replayed", subject, delivery=new_id, job_id=job_id)
        if job is not None:
            await self._jobs.announce([job])
        return Replay(new_id, job, ignored)


def _parsed(ref: str) -> Ref:
    try:
        return Ref.parse(ref)
    except ValueError as error:
        raise _unfit(str(error)) from None


def _unfit(problem: str) -> Invalid:
    return invalid([Detail(["body", "ref"], problem, "value_error")])


async def _named(tx: AsyncConnection, principal: Principal, name: str) -> Any:
    """Find a repository by its uid, or by its full name: one's own goes before shared ones."""
    named = or_(Repository.uid == name, Repository.full_name == name)
    query = (
        select(Repository.__table__)
        .where(named, visible_to(principal, Repository.owner))
        .order_by(Repository.id)
        .limit(_SHOWN)
    )
    found = (await tx.execute(query)).all()
    by_uid = [row for row in found if row.uid == name]
    own = [row for row in found if row.owner is not None and row.owner == principal.user_id]
    candidates = by_uid or own or found
    if not candidates:
        raise UnknownRepository(f"Repository not found: {name}")
    if len(candidates) > 1:
        choice = [{"uid": row.uid, "forge": row.forge, "owner": row.owner} for row in candidates]
        raise AmbiguousRepository(f"Several repositories are called {name}; name one by its uid", details=choice)
    return candidates[0]


def _may_run(repository: Any, ref: Ref) -> None:
    if not repository.active:
        raise RepositoryInactive("This repository is switched off")
    branches = (repository.filters or {}).get("branches", ())
    if ref.branch is not None and not matches(branches, ref.branch):
        raise RunFiltered(
            f"The branch {ref.branch} is filtered out by this repository's settings; a tag is written refs/tags/<tag>"
        )


def _may_replay(repository: Any, principal: Principal) -> None:
    if not principal.may_see(repository.owner):  # it was given away since
        raise UnknownDelivery("The repository of this delivery is somebody else's now")
    may_run_on(repository.executor, principal)


async def _insert_again(
    tx: AsyncConnection,
    old: Any,
    repository: Any | None,
    job: LiveJob | None,
    ignored: deliveries.Ignored | None,
    request_id: str | None,
) -> int:
    """Write the replay down; it is not what a later delivery of the forge would repeat, so it has no fingerprint."""
    same = ("forge", "address", "delivery_id", "event_name", "headers", "event", "body", "body_bytes")
    values = {name: getattr(old, name) for name in same}
    values |= {
        "verdict": "accepted" if ignored is None else "ignored",
        "reason_code": None if ignored is None else ignored.code,
        "reason": None if ignored is None else ignored.message,
        "repository_id": None if repository is None else repository.id,
        "build_id": None if job is None else job.view.build_id,
        "job_id": None if job is None else job.view.id,
        "replay_of": old.id,
        "request_id": request_id,
        "received_at": utcnow(),
    }
    new_id: int = (await tx.execute(insert(Delivery).values(values).returning(Delivery.id))).scalar_one()
    return new_id
