"""Write and read the audit log; every function but `export` runs in the caller's transaction and commits nothing."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import ColumnElement, Row, and_, delete, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.audit.models import AuditEntry
from libs.common.database import Database, utcnow
from libs.common.idempotency import Intent
from libs.common.logging import masked

JSON: TypeAlias = str | int | float | bool | Sequence["JSON"] | Mapping[str, "JSON"] | None

# What a stranger calls himself in a refused login, or where a proxy says that he is, can be of any length.
_NAME_MAX_CHARS = 255
_ADDRESS_MAX_CHARS = 64
# Read at once by an export: 1,000 entries are some 300 KB, and no connection is held while a slow client reads them.
_EXPORT_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks for a change, and from where.

    `user_id` is None for a static API key and for a stranger (a refused login), whose `name` is what they claimed to
    be. `key_id` names the API key that was used, None when none was. `address` is the client's, None for a Unix
    socket. `intent` is that of the request's Idempotency-Key, None when it has none.
    """

    user_id: int | None
    name: str
    key_id: str | None
    address: str | None
    request_id: str | None
    intent: Intent | None = None


class Entry(msgspec.Struct, frozen=True):
    """One change as superusers see it; `details` is an object that depends on the action."""

    id: int
    at: datetime
    actor: str
    actor_id: int | None
    key_id: str | None
    address: str | None
    request_id: str | None
    action: str
    subject_type: str
    subject_id: str
    details: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which entries to show; None means "any".

    `actor` is a name or a key's id, `action` a whole action or its first word with a dot ("job."), `subject` (type, id)
    or (type, None) for all of a type. `since` is included, `until` is not.
    """

    actor: str | None = None
    action: str | None = None
    subject: tuple[str, str | None] | None = None
    since: datetime | None = None
    until: datetime | None = None


async def record(tx: AsyncConnection, actor: Actor, action: str, subject: tuple[str, str], **details: JSON) -> None:
    """Write one entry in the transaction of the change.

    `action` is what has happened, as thing and past tense ("api_key.created"); `subject` is (type, id). `details` are
    for a person who asks later what was changed: names and old or new values, never a secret. Should one get there all
    the same, fields of such names and texts of such shapes are masked as in the log.

    The request's Idempotency-Key is bound to the transaction here, because this is the one call that every change
    makes. Raises KeyInUse, which must roll the transaction back.
    """
    if actor.intent is not None:
        await actor.intent.fulfil(tx, action, subject)
    values = {
        "at": utcnow(),
        "actor": actor.name[:_NAME_MAX_CHARS],
        "actor_id": actor.user_id,
        "key_id": actor.key_id,
        "address": actor.address[:_ADDRESS_MAX_CHARS] if actor.address else None,
        "request_id": actor.request_id,
        "action": action,
        "subject_type": subject[0],
        "subject_id": subject[1],
        "details": masked(details) if details else None,
    }
    await tx.execute(_INSERT, values)


async def find(tx: AsyncConnection, wanted: AuditFilter, *, limit: int, offset: int = 0) -> tuple[list[Entry], int]:
    """List entries newest first, with the total of the filter."""
    condition = _condition(wanted)
    total = (await tx.execute(select(func.count()).select_from(AuditEntry).where(condition))).scalar_one()
    query = select(AuditEntry.__table__).where(condition).order_by(AuditEntry.id.desc()).limit(limit).offset(offset)
    return [_entry(row) for row in await tx.execute(query)], total


async def export(database: Database, wanted: AuditFilter) -> AsyncIterator[list[Entry]]:
    """Read all entries of a filter oldest first, in portions; a client that reads slowly holds no connection."""
    condition, last = _condition(wanted), 0
    while True:
        query = select(AuditEntry.__table__).where(condition, AuditEntry.id > last).order_by(AuditEntry.id)
        async with database.reading() as tx:
            entries = [_entry(row) for row in await tx.execute(query.limit(_EXPORT_ROWS))]
        if not entries:
            return
        yield entries
        last = entries[-1].id


async def forget(tx: AsyncConnection, before: datetime, *, most: int) -> int:
    """Delete up to `most` of the oldest entries from before a time; answers how many it were."""
    old = select(AuditEntry.id).where(AuditEntry.at < before).order_by(AuditEntry.at).limit(most)
    oldest = old.with_for_update(skip_locked=True)  # another gateway sweeps too
    result = await tx.execute(delete(AuditEntry).where(AuditEntry.id.in_(oldest)))
    return result.rowcount


_INSERT = insert(AuditEntry)


def _condition(wanted: AuditFilter) -> ColumnElement[bool]:
    parts: list[ColumnElement[bool]] = [AuditEntry.id > 0]
    if wanted.actor is not None:
        parts.append(or_(AuditEntry.actor == wanted.actor, AuditEntry.key_id == wanted.actor))
    if wanted.action is not None:
        by_word = wanted.action.endswith(".")
        parts.append(
            AuditEntry.action.startswith(wanted.action, autoescape=True)
            if by_word
            else AuditEntry.action == wanted.action
        )
    if wanted.subject is not None:
        kind, identity = wanted.subject
        parts.append(AuditEntry.subject_type == kind)
        if identity is not None:
            parts.append(AuditEntry.subject_id == identity)
    if wanted.since is not None:
        parts.append(AuditEntry.at >= wanted.since)
    if wanted.until is not None:
        parts.append(AuditEntry.at < wanted.until)
    return and_(*parts)


def _entry(row: Row[Any]) -> Entry:
    values = row._mapping
    return Entry(**{name: values[name] for name in Entry.__struct_fields__})
