"""The builds slice's rows and their rules: the only writer of its tables."""

import secrets
import uuid
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import msgspec
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.crypto import Sealer
from libs.common.database import Database, now_sql, utcnow
from libs.common.jobs import store
from libs.common.jobs.kinds import JobRules, Outcome
from libs.common.jobs.view import LiveJob
from services.builds.errors import BuildNotEnded, UnknownRepository
from services.builds.forges import Filters, ForgeEvent, Ignore, judge
from services.builds.jobs import RunBuild
from services.builds.models import Build, BuildState, Delivery, Repository
from services.builds.providers.base import BuildSpec
from services.builds.settings import WebhookSettings
from services.builds.states import ENDED, OF_JOB, BuildStatus

# The same event under a new delivery id within this time is the same delivery (spec: webhooks, decisions).
_REPEAT_WINDOW = timedelta(minutes=10)
# Kept of a verified body: every real push has room; of a refused one: enough to see what it was.
_BODY_KEPT_BYTES = 1024 * 1024
_REFUSED_BODY_KEPT_BYTES = 4096
# Refused deliveries cost anybody nothing to send, so only the newest are kept.
_REFUSED_KEPT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """One request to a webhook address.

    `address` is a repository's uid, or "" for the forge's global one; `headers_all` are as they came (for the
    signature), `headers` those that are kept, without secrets.
    """

    forge: str
    address: str
    headers_all: Mapping[str, str]
    headers: Mapping[str, str]
    raw: bytes
    delivery_id: str | None
    event_name: str | None
    request_id: str | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """A build was made, or had been by the same delivery before (`duplicate`); announce `job` when it is not None."""

    build_id: int
    job_id: uuid.UUID
    duplicate: bool = False
    job: LiveJob | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """Understood, and nothing to do: a stable code and the reason in words."""

    code: str
    message: str


class Builds:
    """Deliveries, repositories and builds."""

    def __init__(self, database: Database, sealer: Sealer, settings: WebhookSettings) -> None:
        self._database = database
        self._sealer = sealer
        self._settings = settings

    # --- deliveries -------------------------------------------------------------------------------------------------

    async def webhook_secrets(self, forge: str, address: str) -> list[str]:
        """The secrets that prove a delivery to this address, newest first; empty when none is configured.

        Raises UnknownRepository for an address that nobody was given.
        """
        if not address:
            return self._settings.secrets_of(forge)
        async with self._database.reading() as tx:
            query = select(Repository.sealed_webhook_secrets).where(
                Repository.uid == address, Repository.forge == forge
            )
            row = (await tx.execute(query)).one_or_none()
        if row is None:
            raise UnknownRepository("No repository has this webhook address")
        return self._open_list(row.sealed_webhook_secrets, f"webhook:{address}")

    async def refuse(self, incoming: Incoming, code: str, reason: str) -> None:
        """Keep what a delivery that proved nothing looked like; the newest 1,000 of them."""
        async with self._database.transaction() as tx:
            values = _delivery(incoming, "refused", code, reason, keep=_REFUSED_BODY_KEPT_BYTES)
            row_id = (await tx.execute(insert(Delivery).values(values).returning(Delivery.id))).scalar_one()
            # Every hundredth clears away: cheap enough to do here, and the bound holds within ten per cent.
            if row_id % 100 == 0:
                kept = select(Delivery.id).where(Delivery.verdict == "refused").order_by(Delivery.id.desc())
                oldest = kept.offset(_REFUSED_KEPT).limit(1).scalar_subquery()
                await tx.execute(delete(Delivery).where(Delivery.verdict == "refused", Delivery.id <= oldest))

    async def accept(self, incoming: Incoming, event: ForgeEvent, fingerprint: str) -> Accepted | Ignored:
        """Take a verified delivery: one transaction writes it down and, when it is to be built, build and job.

        The caller announces `job` after this returns. Two requests of one delivery at the same time make one build.
        """
        try:
            return await self._accept(incoming, event, fingerprint)
        except IntegrityError:
            # Its twin committed first; now it is found and answered with.
            return await self._accept(incoming, event, fingerprint)

    async def _accept(self, incoming: Incoming, event: ForgeEvent, fingerprint: str) -> Accepted | Ignored:
        async with self._database.transaction() as tx:
            await _one_at_a_time(tx, fingerprint)
            if (earlier := await self._seen(tx, incoming, fingerprint)) is not None:
                return earlier
            repository = await self._repository(tx, incoming.address, event)
            ignore = _objection(event, repository)
            if ignore is not None:
                values = _delivery(incoming, "ignored", ignore.code, ignore.message, event=event)
                values |= {"fingerprint": fingerprint, "repository_id": repository.id if repository else None}
                await tx.execute(insert(Delivery).values(values))
                return Ignored(ignore.code, ignore.message)
            assert repository is not None
            build_id = await _insert_build(tx, repository, event)
            [job] = await store.insert_jobs(tx, [_job(build_id, repository, event, incoming)])
            await tx.execute(update(Build).where(Build.id == build_id).values(job_id=job.view.id))
            values = _delivery(incoming, "accepted", None, None, event=event)
            values |= {"fingerprint": fingerprint, "repository_id": repository.id}
            values |= {"build_id": build_id, "job_id": job.view.id, "seen_as": _seen_as(incoming)}
            await tx.execute(insert(Delivery).values(values))
        return Accepted(build_id=build_id, job_id=job.view.id, job=job)

    @staticmethod
    async def _seen(tx: AsyncConnection, incoming: Incoming, fingerprint: str) -> Accepted | None:
        """The build of the same delivery, by its id or, within ten minutes, by what it says."""
        seen_as = _seen_as(incoming)
        recent = now_sql(tx.dialect, -_REPEAT_WINDOW.total_seconds())
        same_content = (Delivery.fingerprint == fingerprint) & (Delivery.received_at >= recent)
        same = same_content if seen_as is None else same_content | (Delivery.seen_as == seen_as)
        query = select(Delivery.build_id, Delivery.job_id).where(Delivery.verdict == "accepted", same)
        row = (await tx.execute(query.order_by(Delivery.id).limit(1))).one_or_none()
        if row is None:
            return None
        return Accepted(build_id=row.build_id, job_id=row.job_id, duplicate=True)

    async def _repository(self, tx: AsyncConnection, address: str, event: ForgeEvent) -> Any | None:
        """The repository that a delivery is about: by its own address, by its name, or registered now.

        None when it is about none, or may not be registered.
        """
        if address:
            return (await tx.execute(select(Repository.__table__).where(Repository.uid == address))).one_or_none()
        if event.repository is None:
            return None
        shared = (Repository.owner.is_(None)) & (Repository.forge == event.forge)
        query = select(Repository.__table__).where(shared, Repository.full_name == event.repository)
        row = (await tx.execute(query)).one_or_none()
        if row is not None or not self._settings.auto_register or not event.starts_build or event.clone_url is None:
            return row
        now = utcnow()
        values = {
            "uid": secrets.token_urlsafe(16),
            "owner": None,
            "forge": event.forge,
            "full_name": event.repository,
            "clone_url": event.clone_url,
            "html_url": event.html_url,
            "executor": self._settings.default_executor,
            "auto_registered": True,
            "created_at": now,
            "updated_at": now,
        }
        return (await tx.execute(insert(Repository).values(values).returning(Repository.__table__))).one()

    # --- builds -----------------------------------------------------------------------------------------------------

    async def begin(self, tx: AsyncConnection, build_id: int, job_id: uuid.UUID, worker: str) -> tuple[str, BuildSpec]:
        """Mark a build as running and answer its executor and all that a provider needs (secrets included)."""
        build = (await tx.execute(select(Build.__table__).where(Build.id == build_id))).one()
        repository = (await tx.execute(select(Repository.__table__).where(Repository.id == build.repository_id))).one()
        if build.status != BuildStatus.IN_PROGRESS:
            now = utcnow()
            running: dict[str, Any] = {"status": BuildStatus.IN_PROGRESS.value, "updated_at": now}
            if build.started_at is None:
                running["started_at"] = now
            await tx.execute(update(Build).where(Build.id == build_id).values(running))
            await _add_state(
                tx, build_id, job_id, BuildStatus.IN_PROGRESS, build.state_code, actor=worker, message="Build started"
            )
        credentials = self._open_object(repository.sealed_credentials, f"credentials:{repository.uid}")
        spec = BuildSpec(
            job_id=str(job_id),
            build_id=str(build_id),
            repository=repository.full_name,
            clone_url=repository.clone_url,
            commit=build.commit_sha,
            event=build.event,
            branch=build.branch,
            tag=build.tag,
            changed_files=None if build.changed_files is None else tuple(build.changed_files),
            pipeline_path=repository.pipeline_path,
            env=repository.env or {},
            secrets=self._open_object(repository.sealed_secrets, f"secrets:{repository.uid}"),
            **credentials,
        )
        return build.executor, spec

    # --- sealed values ----------------------------------------------------------------------------------------------

    def seal(self, value: Any, purpose: str) -> bytes:
        """Seal a list or object of secrets for a repository's column; `purpose` is "<column>:<repository uid>"."""
        return self._sealer.seal(msgspec.json.encode(value), purpose)

    def _open_list(self, sealed: bytes | None, purpose: str) -> list[str]:
        return [] if sealed is None else msgspec.json.decode(self._sealer.open(sealed, purpose), type=list[str])

    def _open_object(self, sealed: bytes | None, purpose: str) -> dict[str, str]:
        return {} if sealed is None else msgspec.json.decode(self._sealer.open(sealed, purpose), type=dict[str, str])


async def record_progress(
    tx: AsyncConnection, build_id: int, job_id: uuid.UUID, worker: str, *, stage: str | None, percent: int | None
) -> None:
    """Write what a provider tells: the stage that runs now, or the state code that was reached."""
    values: dict[str, Any] = {"updated_at": utcnow()}
    if stage is not None:
        values["stage"] = stage
    if percent is not None:
        values["state_code"] = percent
    row = (await tx.execute(update(Build).where(Build.id == build_id).values(values).returning(Build.__table__))).one()
    if percent is not None:
        await _add_state(tx, build_id, job_id, BuildStatus(row.status), percent, actor=worker, stage=row.stage)


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
    await _add_state(
        tx,
        build_id,
        job.view.id,
        status,
        row.state_code,
        actor=job.view.agent_id or "slipway",
        stage=row.stage,
        message=message,
    )


async def retry_build(tx: AsyncConnection, old: LiveJob, new: LiveJob) -> None:
    """Begin the build again under a new job; its history goes on. Raises BuildNotEnded."""
    build_id = int(old.view.subject.id)
    row = (await tx.execute(select(Build.status).where(Build.id == build_id).with_for_update())).one()
    if BuildStatus(row.status) not in ENDED:
        raise BuildNotEnded(f"Build {build_id} is {row.status}; another job runs it")
    fresh: dict[str, Any] = {"status": BuildStatus.PENDING.value, "state_code": 0, "stage": None, "error": None}
    fresh |= {"exit_code": None, "started_at": None, "finished_at": None, "job_id": new.view.id, "updated_at": utcnow()}
    await tx.execute(update(Build).where(Build.id == build_id).values(fresh))
    await _add_state(tx, build_id, new.view.id, BuildStatus.PENDING, 0, actor="slipway", message="Build retried")


RULES = (JobRules(RunBuild, on_end=end_build, on_retry=retry_build),)
"""What builds do when their jobs end or are retried, for every process."""


async def _insert_build(tx: AsyncConnection, repository: Any, event: ForgeEvent) -> int:
    now = utcnow()
    values = {
        "uid": secrets.token_urlsafe(16),
        "owner": repository.owner,
        "executor": repository.executor,
        "repository_id": repository.id,
        "event": event.kind.value,
        "branch": event.branch,
        "tag": event.tag,
        "commit_sha": event.sha,
        "message": event.message,
        "author": event.author,
        "changed_files": None if event.changed_files is None else list(event.changed_files),
        "status": BuildStatus.PENDING.value,
        "created_at": now,
        "updated_at": now,
    }
    build_id = (await tx.execute(insert(Build).values(values).returning(Build.id))).scalar_one()
    actor = event.sender or event.forge
    await _add_state(tx, build_id, None, BuildStatus.PENDING, 0, actor=actor, message="Build initialized")
    return build_id


async def _add_state(
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
    values: dict[str, Any] = {"build_id": build_id, "job_id": job_id, "status": status.value, "state_code": state_code}
    values |= {"actor": actor, "stage": stage, "message": message, "created_at": utcnow()}
    await tx.execute(insert(BuildState).values(values))


def _job(build_id: int, repository: Any, event: ForgeEvent, incoming: Incoming) -> store.NewJob:
    return store.NewJob(
        message=RunBuild(build_id=build_id),
        subject=("build", str(build_id)),
        owner=repository.owner,
        lane=f"repo:{repository.id}:{event.branch or event.tag}"[:255],
        repository=repository.full_name,
        branch=event.branch or event.tag,
        commit_sha=event.sha,
        build_id=build_id,
        request_id=incoming.request_id,
        traceparent=incoming.traceparent,
    )


def _objection(event: ForgeEvent, repository: Any | None) -> Ignore | None:
    """Why a verified delivery starts nothing, None when it does."""
    filters = Filters()
    if repository is not None and repository.filters is not None:
        filters = msgspec.convert(repository.filters, Filters)
    verdict = judge(event, filters)
    if isinstance(verdict, Ignore):
        return verdict
    if event.sha is None:
        return Ignore("NO_COMMIT", "The delivery names no commit; the push of its tag is what builds")
    if repository is None:
        return Ignore(
            "REPOSITORY_UNKNOWN", "The repository is not registered here, and AUTO_REGISTER is off or it has no address"
        )
    return None


def _seen_as(incoming: Incoming) -> str | None:
    if incoming.delivery_id is None:
        return None
    return f"{incoming.forge}:{incoming.address}:{incoming.delivery_id}"


def _delivery(
    incoming: Incoming,
    verdict: Literal["accepted", "ignored", "refused"],
    code: str | None,
    reason: str | None,
    *,
    event: ForgeEvent | None = None,
    keep: int = _BODY_KEPT_BYTES,
) -> dict[str, Any]:
    return {
        "forge": incoming.forge,
        "address": incoming.address,
        "delivery_id": incoming.delivery_id,
        "event_name": incoming.event_name,
        "verdict": verdict,
        "reason_code": code,
        "reason": reason,
        "headers": dict(incoming.headers),
        "event": None if event is None else msgspec.to_builtins(event),
        "body": zlib.compress(incoming.raw[:keep], 1),
        "body_bytes": len(incoming.raw),
        "request_id": incoming.request_id,
        "received_at": utcnow(),
    }


async def _one_at_a_time(tx: AsyncConnection, fingerprint: str) -> None:
    """Let a second request with the same content wait until the first one's transaction ends."""
    if tx.dialect.name == "postgresql":  # SQLite has one writer anyway
        await tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(fingerprint, 1))))
