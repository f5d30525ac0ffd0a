"""Deliveries as values and as rows: what comes in, what becomes of it, what is kept."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import Select, bindparam, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.database import now_sql, utcnow
from libs.common.jobs import store
from libs.common.jobs.view import LiveJob
from services.builds.forges import Filters, ForgeEvent, Ignore, judge
from services.builds.jobs import RunBuild
from services.builds.models import Delivery

# The same event under a new delivery id within this time is the same delivery (spec: webhooks, decisions).
_REPEAT_WINDOW: Final = timedelta(minutes=10)
# Refused deliveries cost anybody nothing to send, so only the newest are kept.
REFUSED_KEPT: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """One request to a webhook address.

    `address` is a repository's uid, or "" for the forge's global one. `headers` and `body` (zlib) are what is kept of
    it, without secrets; `body_bytes` is how long the body was.
    """

    forge: str
    address: str
    headers: Mapping[str, str]
    body: bytes
    body_bytes: int
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


# Statements of the accept path are made once: for SQLAlchemy building and recognising one costs more than running it.
_INSERT = insert(Delivery)


@cache
def _earlier(dialect_name: str) -> Select[int | None, uuid.UUID | None]:
    recent = now_sql(dialect_name, -_REPEAT_WINDOW.total_seconds())
    same_content = (Delivery.fingerprint == bindparam("fingerprint")) & (Delivery.received_at >= recent)
    same = same_content | (Delivery.seen_as == bindparam("seen_as"))
    query = select(Delivery.build_id, Delivery.job_id).where(Delivery.verdict == "accepted", same)
    return query.order_by(Delivery.id).limit(1)


async def keep(
    tx: AsyncConnection,
    incoming: Incoming,
    verdict: Literal["accepted", "ignored", "refused"],
    *,
    code: str | None = None,
    reason: str | None = None,
    event: ForgeEvent | None = None,
    **more: Any,
) -> None:
    """Insert a delivery's row; `more` are further columns."""
    values = {
        "forge": incoming.forge,
        "address": incoming.address,
        "delivery_id": incoming.delivery_id,
        "event_name": incoming.event_name,
        "verdict": verdict,
        "reason_code": code,
        "reason": reason,
        "headers": dict(incoming.headers),
        "event": None if event is None else msgspec.to_builtins(event),
        "body": incoming.body,
        "body_bytes": incoming.body_bytes,
        "request_id": incoming.request_id,
        "received_at": utcnow(),
    }
    await tx.execute(_INSERT, values | more)


async def forget_old_refusals(tx: AsyncConnection) -> None:
    """Delete all refused deliveries but the newest 1,000: a walk over as many index entries, 0.2 ms."""
    kept = select(Delivery.id).where(Delivery.verdict == "refused").order_by(Delivery.id.desc())
    oldest = kept.offset(REFUSED_KEPT).limit(1).scalar_subquery()
    await tx.execute(delete(Delivery).where(Delivery.verdict == "refused", Delivery.id <= oldest))


async def seen(tx: AsyncConnection, incoming: Incoming, fingerprint: str) -> Accepted | None:
    """The build of the same delivery, by its id or, within ten minutes, by what it says."""
    asked = {"fingerprint": fingerprint, "seen_as": seen_as(incoming)}  # no id: NULL equals nothing
    row = (await tx.execute(_earlier(tx.dialect.name), asked)).one_or_none()
    if row is None:
        return None
    return Accepted(build_id=row.build_id, job_id=row.job_id, duplicate=True)


def seen_as(incoming: Incoming) -> str | None:
    """The unique name of an accepted delivery; None when its forge gave it no id."""
    if incoming.delivery_id is None:
        return None
    return f"{incoming.forge}:{incoming.address}:{incoming.delivery_id}"


def objection(event: ForgeEvent, repository: Any | None) -> Ignore | None:
    """Why a verified delivery starts nothing, None when it does. `repository` is the row it would build, if any."""
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
    if str(event.repository).casefold() != repository.full_name.casefold():  # forges ignore case in names
        return Ignore(
            "REPOSITORY_DIFFERS",
            f"This is the webhook address of {repository.full_name}, and the delivery is about {event.repository}",
        )
    return None


def job_of(job_id: uuid.UUID, build_id: int, repository: Any, event: ForgeEvent, incoming: Incoming) -> store.NewJob:
    """The job that runs a build; builds of one branch run one after the other."""
    return store.NewJob(
        id=job_id,
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
