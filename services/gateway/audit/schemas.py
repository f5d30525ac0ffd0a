"""Bodies of the audit routes."""

from datetime import datetime
from typing import Any

import msgspec

from libs.common.audit import Entry


class AuditActor(msgspec.Struct, frozen=True):
    """Who did it: the name at that time, `user_id` null for a static key or an unknown person, `key_id` null without
    an API key, `address` the client's.
    """

    name: str
    user_id: int | None
    key_id: str | None
    address: str | None


class AuditSubject(msgspec.Struct, frozen=True):
    """What it was done to."""

    type: str
    id: str


class AuditView(msgspec.Struct, frozen=True):
    """One change; `details` is an object that depends on the action, null when there is nothing more to say."""

    id: int
    at: datetime
    actor: AuditActor
    action: str
    subject: AuditSubject
    request_id: str | None
    details: Any


class AuditPage(msgspec.Struct, frozen=True):
    """A part of the log, newest first; `next_offset` is null on the last page."""

    items: list[AuditView]
    total: int
    limit: int
    offset: int
    next_offset: int | None


def view(entry: Entry) -> AuditView:
    return AuditView(
        id=entry.id,
        at=entry.at,
        actor=AuditActor(entry.actor, entry.actor_id, entry.key_id, entry.address),
        action=entry.action,
        subject=AuditSubject(entry.subject_type, entry.subject_id),
        request_id=entry.request_id,
        details=entry.details,
    )


ENTRY_EXAMPLE = {
    "id": 7,
    "at": "2026-11-20T18:00:02.120000Z",
    "actor": {"name": "ada", "user_id": 1, "key_id": None, "address": "192.0.2.7"},
    "action": "job.retried",
    "subject": {"type": "job", "id": "0199f3a2-6c1e-7b60-9d0a-3f2b8f6e7a11"},
    "request_id": "1f0c9f0e2c5d4a7e9f6b1f4f1f1c7a11",
    "details": {"kind": "builds.run_build", "retry_of": "0199f3a1-0000-7000-8000-000000000001"},
}
PAGE_EXAMPLE = {"items": [ENTRY_EXAMPLE], "total": 1, "limit": 20, "offset": 0, "next_offset": None}
