"""Deliveries as values and as rows: what comes in, what becomes of it, what is kept."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import CompoundSelect, delete, insert, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute

from libs.common.database import among, now_sql, utcnow
from libs.common.jobs.view import LiveJob
from services.builds.forges import EventKind, Filters, ForgeEvent, Ignore, judge
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
    """A build was made, had been by the same delivery before (`duplicate`), or its job was `woken`.

    After the commit announce `job` when it is not None, and tell the `superseded` jobs that they are cancelled.
    """

    build_id: int
    job_id: uuid.UUID
    duplicate: bool = False
    woken: bool = False
    job: LiveJob | None = None
    superseded: Sequence[LiveJob] = ()


@dataclass(frozen=True, slots=True)
class Ignored:
    """Understood, and nothing to do: a stable code and the reason in words."""

    code: str
    message: str


def row(
    incoming: Incoming,
    verdict: Literal["accepted", "ignored", "refused"],
    *,
    code: str | None = None,
    reason: str | None = None,
    event: ForgeEvent | None = None,
    fingerprint: str | None = None,
    repository_id: int | None = None,
    build_id: int | None = None,
    job_id: uuid.UUID | None = None,
) -> dict[str, Any]:
    """The row of a delivery, for `keep`."""
    return {
        "forge": incoming.forge,
        "address": incoming.address,
        "delivery_id": incoming.delivery_id,
        "seen_as": seen_as(incoming) if verdict == "accepted" else None,
        "fingerprint": fingerprint,
        "event_name": incoming.event_name,
        "verdict": verdict,
        "reason_code": code,
        "reason": reason,
        "headers": dict(incoming.headers),
        "event": event,
        "body": incoming.body,
        "body_bytes": incoming.body_bytes,
        "repository_id": repository_id,
        "build_id": build_id,
        "job_id": job_id,
        "request_id": incoming.request_id,
        "received_at": utcnow(),
    }


async def keep(tx: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows of deliveries."""
    if rows:
        await tx.execute(_INSERT, rows)


# Statements of the accept path are made once: for SQLAlchemy building and recognising one costs more than running it.
_INSERT = insert(Delivery)


async def seen(tx: AsyncConnection, names: Sequence[str]) -> dict[str, Accepted]:
    """The builds of deliveries that were accepted before, by what these are known by.

    `names` are fingerprints, which count for ten minutes, and `seen_as`, which count for ever.
    """
    rows = await tx.execute(_earlier(tx.dialect.name), {"names": names})
    found: dict[str, Accepted] = {}
    for earlier in sorted(rows, key=lambda row: row.id):  # the oldest is the one to point to
        if earlier.verdict != "accepted":
            continue
        answer = Accepted(build_id=earlier.build_id, job_id=earlier.job_id, duplicate=True)
        found.setdefault(earlier.name, answer)
    return found


@cache
def _earlier(dialect_name: str) -> CompoundSelect[Any]:
    """Two questions in one statement, each answered by the index of its name.

    An OR, or the verdict as a condition, makes planners that have no statistics yet read all accepted deliveries.
    """
    recent = Delivery.received_at >= now_sql(dialect_name, -_REPEAT_WINDOW.total_seconds())

    def known_by(name: InstrumentedAttribute[str | None]) -> Any:
        known = select(name.label("name"), Delivery.build_id, Delivery.job_id, Delivery.id, Delivery.verdict)
        return known.where(among(dialect_name, name, "names"))

    return union_all(known_by(Delivery.fingerprint).where(recent), known_by(Delivery.seen_as))


async def forget_old_refusals(tx: AsyncConnection) -> None:
    """Delete all refused deliveries but the newest 1,000: a walk over as many index entries, 0.2 ms."""
    kept = select(Delivery.id).where(Delivery.verdict == "refused").order_by(Delivery.id.desc())
    oldest = kept.offset(REFUSED_KEPT).limit(1).scalar_subquery()
    await tx.execute(delete(Delivery).where(Delivery.verdict == "refused", Delivery.id <= oldest))


def seen_as(incoming: Incoming) -> str | None:
    """The unique name of an accepted delivery; None when its forge gave it no id."""
    if incoming.delivery_id is None:
        return None
    return f"{incoming.forge}:{incoming.address}:{incoming.delivery_id}"


def objection(event: ForgeEvent, repository: Any | None) -> Ignore | None:
    """Why a verified delivery starts nothing, None when it does. `repository` is the row it would build, if any."""
    if repository is not None and event.kind is EventKind.WORKFLOW and (other := of_another(event, repository)):
        return other
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
    if (other := of_another(event, repository)) is not None:
        return other
    if not repository.active:
        return Ignore("REPOSITORY_INACTIVE", "The repository is switched off in Slipway")
    return None


def of_another(event: ForgeEvent, repository: Any) -> Ignore | None:
    """Why a delivery to the address of `repository` is not about it, None when it is."""
    if str(event.repository).casefold() == repository.full_name.casefold():  # forges ignore case in names
        return None
    return Ignore(
        "REPOSITORY_DIFFERS",
        f"This is the webhook address of {repository.full_name}, and the delivery is about {event.repository}",
    )
