"""Which repositories deliveries are about, and locks on things that have no row yet."""

import secrets
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ARRAY, Select, Text, bindparam, func, insert, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.database import among, utcnow
from services.builds.forges import ForgeEvent
from services.builds.models import Repository
from services.builds.settings import WebhookSettings

About = tuple[str, ForgeEvent]
"""The address that a delivery came to ("": the forge's global one) and what it says."""


async def concerned(tx: AsyncConnection, about: Sequence[About], settings: WebhookSettings) -> list[Any | None]:
    """Find the repository of each delivery: by its own address, by its name, or registered now.

    None stands for a delivery that is about none, or about one that may not be registered.
    """
    known = await _known(tx, about)
    new = {
        _name(event): event
        for address, event in about
        if not address and _may_be_registered(event, settings) and _name(event) not in known
    }
    if new:
        # Two first deliveries at once make one repository: the index cannot see to it, NULL owners are all different.
        await one_at_a_time(tx, [f"{forge}:{full_name}" for forge, full_name in new])
        known |= await _known(tx, [("", event) for event in new.values()])
        rows = [_registered_now(event, settings) for name, event in new.items() if name not in known]
        if rows:
            await tx.execute(insert(Repository), rows)
            known |= await _known(tx, [("", event) for event in new.values()])
    return [known.get(address or _name(event)) for address, event in about]


async def _known(tx: AsyncConnection, about: Sequence[About]) -> dict[str | tuple[str, str | None], Any]:
    """Read the repositories of these deliveries, by uid and by forge and name."""
    asked = {
        "uids": [address for address, _ in about if address],
        "names": list({event.repository for address, event in about if not address and event.repository}),
    }
    found: dict[str | tuple[str, str | None], Any] = {}
    for row in await tx.execute(_asked_for(tx.dialect.name), asked):
        found[row.uid] = row
        if row.owner is None or row.auto_registered:
            found[row.forge, row.full_name] = row
    return found


@cache
def _asked_for(dialect_name: str) -> Select[Any]:
    # Shared ones, and those that a superuser gave to somebody after they had registered themselves. Never one that a
    # person registered: whoever takes another's name would be sent that one's pushes.
    by_name = or_(Repository.owner.is_(None), Repository.auto_registered)
    named = by_name & among(dialect_name, Repository.full_name, "names")
    return select(Repository.__table__).where(or_(among(dialect_name, Repository.uid, "uids"), named))


def _name(event: ForgeEvent) -> tuple[str, str | None]:
    return event.forge, event.repository


def _may_be_registered(event: ForgeEvent, settings: WebhookSettings) -> bool:
    named = event.repository is not None and event.clone_url is not None
    return settings.auto_register and event.starts_build and named


def _registered_now(event: ForgeEvent, settings: WebhookSettings) -> dict[str, Any]:
    assert event.repository is not None
    assert event.clone_url is not None
    executor = settings.default_executor
    if executor == "github" and event.forge != "github":
        executor = "local"  # GitHub runs workflows of its own repositories only
    values = new_repository(event.forge, event.repository, event.clone_url, executor=executor)
    return values | {"auto_registered": True, "html_url": event.html_url}


def new_repository(forge: str, full_name: str, clone_url: str, *, executor: str) -> dict[str, Any]:
    """The columns of a new repository that is shared (no owner) and has a fresh uid."""
    now = utcnow()
    values = {"uid": secrets.token_urlsafe(16), "owner": None, "forge": forge, "full_name": full_name}  # 22 characters
    return values | {"clone_url": clone_url, "executor": executor, "created_at": now, "updated_at": now}


async def one_at_a_time(tx: AsyncConnection, things: Iterable[str]) -> None:
    """Let a second transaction about any of these things wait until the first one has ended.

    Locks are taken in one order, so that two transactions cannot wait for each other.
    """
    if tx.dialect.name == "postgresql":  # SQLite has one writer anyway
        await tx.execute(_LOCK, {"things": list(things)})


_thing = func.unnest(bindparam("things", type_=ARRAY(Text))).column_valued("thing")
_in_order = select(func.hashtextextended(_thing, 1).label("thing")).distinct().order_by(text("thing")).subquery()
_LOCK = select(func.pg_advisory_xact_lock(_in_order.c.thing))
