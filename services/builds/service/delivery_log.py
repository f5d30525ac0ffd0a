"""Deliveries as they are looked at later: listed, read, forgotten."""

import uuid
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.database import Database
from libs.common.http.principal import Principal
from services.builds.errors import UnknownDelivery
from services.builds.forges import kept
from services.builds.models import Delivery, Repository
from services.builds.service.visible import visible_to


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries a list shows; None means "any".

    `repository` is a uid or a full name, `event` the forge's own word. `since` is included, `until` is not.
    """

    repository: str | None = None
    verdict: str | None = None
    forge: str | None = None
    event: str | None = None
    job_id: uuid.UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


class DeliveryLog:
    """The deliveries that somebody may see.

    They go with their repository: its owner sees all that came to it, refused ones at its own address too. Of shared
    ones everybody sees what was verified. What was refused at a global address, or is about no repository that is
    known, only superusers see: strangers sent it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(
        self, principal: Principal, wanted: DeliveryFilter, *, limit: int, offset: int
    ) -> tuple[list[Any], int]:
        """List rows newest first, without headers, event and body, with the total of the filter."""
        conditions = [_seen_by(principal), *_conditions(wanted)]
        joined = Delivery.__table__.outerjoin(Repository.__table__, Delivery.repository_id == Repository.id)
        page = select(*_SUMMARY).select_from(joined).where(*conditions).order_by(Delivery.id.desc())
        async with self._database.reading() as tx:
            count = select(func.count()).select_from(joined).where(*conditions)
            total = (await tx.execute(count)).scalar_one()
            return list(await tx.execute(page.limit(limit).offset(offset))), total

    async def get(self, principal: Principal, delivery_id: int) -> Any:
        """Read a whole row with its repository's uid, full_name and owner; raises UnknownDelivery."""
        async with self._database.reading() as tx:
            return await visible_delivery(tx, principal, delivery_id)


async def visible_delivery(tx: AsyncConnection, principal: Principal, delivery_id: int) -> Any:
    """Read a delivery that the caller may see, whole; raises UnknownDelivery."""
    row = (await tx.execute(_whole().where(Delivery.id == delivery_id, _seen_by(principal)))).one_or_none()
    if row is None:
        raise UnknownDelivery(f"Delivery not found: {delivery_id}")
    return row


async def forget(tx: AsyncConnection, before: datetime, *, most: int) -> int:
    """Delete verified deliveries from before a time, among the `most` oldest; answers how many it were.

    Refused ones are not counted in days: the newest 1,000 are kept. Whoever sends a forgotten delivery again builds it
    again. Ids are in the order of time, near enough, so no index by time is needed, which every accept would pay for.
    """
    verified = Delivery.verdict != "refused"
    oldest = select(Delivery.id, Delivery.received_at).where(verified).order_by(Delivery.id).limit(most)
    due = [row.id for row in await tx.execute(oldest.with_for_update(skip_locked=True)) if row.received_at < before]
    if due:
        await tx.execute(delete(Delivery).where(Delivery.id.in_(due)))
    return len(due)


def body_of(row: Any) -> tuple[bytes | None, bool]:
    """The kept body of a delivery's row (None: nothing was kept), and whether it is only the beginning."""
    if row.body is None:
        return None, False
    most = kept.REFUSED_BYTES if row.verdict == "refused" else kept.VERIFIED_BYTES
    return zlib.decompress(row.body), row.body_bytes > most


_NAMES = (
    *("id", "forge", "delivery_id", "event_name", "verdict", "reason_code", "reason"),
    *("job_id", "build_id", "received_at", "body_bytes", "replay_of"),
)
_SUMMARY = (*(getattr(Delivery, name) for name in _NAMES), Repository.uid, Repository.full_name)


def _whole() -> Select[Any]:
    joined = Delivery.__table__.outerjoin(Repository.__table__, Delivery.repository_id == Repository.id)
    columns = (Delivery.__table__, Repository.uid, Repository.full_name, Repository.owner)
    return select(*columns).select_from(joined)


def _seen_by(principal: Principal) -> ColumnElement[bool]:
    if principal.is_superuser:
        return visible_to(principal, Repository.owner)
    theirs = or_(Repository.owner.is_not(None), Delivery.verdict != "refused")
    return Repository.id.is_not(None) & visible_to(principal, Repository.owner) & theirs


def _conditions(wanted: DeliveryFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.repository is not None:
        found.append(or_(Repository.uid == wanted.repository, Repository.full_name == wanted.repository))
    if wanted.verdict is not None:
        found.append(Delivery.verdict == wanted.verdict)
    if wanted.forge is not None:
        found.append(Delivery.forge == wanted.forge)
    if wanted.event is not None:
        found.append(Delivery.event_name == wanted.event)
    if wanted.job_id is not None:
        found.append(Delivery.job_id == wanted.job_id)
    if wanted.since is not None:
        found.append(Delivery.received_at >= wanted.since)
    if wanted.until is not None:
        found.append(Delivery.received_at < wanted.until)
    return found
