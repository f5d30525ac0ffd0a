"""HTTP in: who did what, for superusers."""

from collections.abc import AsyncIterator
from typing import Annotated, Final

import msgspec
from litestar import Response, Router, get
from litestar.params import QueryParameter

from libs.common import audit
from libs.common.audit import AuditFilter
from libs.common.database import Database
from libs.common.http.documentation import documented
from libs.common.http.guards import requires
from libs.common.http.moments import Since, Until, read_moment
from libs.common.http.paging import DEFAULT_SIZE, Limit, Offset, Window
from libs.common.http.principal import ADMIN
from libs.common.http.streaming import ByteStream
from services.gateway.audit.schemas import ENTRY_EXAMPLE, PAGE_EXAMPLE, AuditPage, view

JSON_LINES: Final = "application/jsonl"

ActorName = Annotated[
    str | None, QueryParameter(name="actor", description="Who: a user's name, or the id of an API key")
]
Action = Annotated[str | None, QueryParameter(description="What was done: job.retried, or job. for all about jobs")]
SubjectOf = Annotated[str | None, QueryParameter(description="To what: type:id, or a type alone, as in repository")]


def router(database: Database) -> Router:
    """The routes of the audit log."""

    @get(
        "/api/v1/audit",
        guards=[requires(ADMIN)],
        **documented("List who changed what, newest first", example=PAGE_EXAMPLE),
    )
    async def list_entries(
        actor_name: ActorName = None,
        action: Action = None,
        subject: SubjectOf = None,
        since: Since = None,
        until: Until = None,
        limit: Limit = DEFAULT_SIZE,
        offset: Offset = 0,
    ) -> AuditPage:
        wanted = _filter(actor_name, action, subject, since, until)
        async with database.reading() as tx:
            entries, total = await audit.find(tx, wanted, limit=limit, offset=offset)
        following = Window(limit, offset).next_offset(total)
        return AuditPage([view(entry) for entry in entries], total, limit, offset, following)

    @get(
        "/api/v1/audit/export",
        guards=[requires(ADMIN)],
        media_type=JSON_LINES,
        **documented("Download who changed what, oldest first, one JSON object a line", example=ENTRY_EXAMPLE),
    )
    async def export(
        actor_name: ActorName = None,
        action: Action = None,
        subject: SubjectOf = None,
        since: Since = None,
        until: Until = None,
    ) -> Response[bytes]:
        wanted = _filter(actor_name, action, subject, since, until)
        headers = {"Content-Disposition": 'attachment; filename="audit.jsonl"'}
        return ByteStream(_lines(database, wanted), media_type=JSON_LINES, headers=headers)  # type: ignore[return-value] # bytes, as they come

    return Router("/", route_handlers=[list_entries, export], tags=["Audit"])


async def _lines(database: Database, wanted: AuditFilter) -> AsyncIterator[bytes]:
    encode = msgspec.json.Encoder().encode_lines
    async for entries in audit.export(database, wanted):
        yield encode([view(entry) for entry in entries])


def _filter(
    actor: str | None, action: str | None, subject: str | None, since: str | None, until: str | None
) -> AuditFilter:
    """Raises Invalid for a time that is none."""
    kind, _, identity = (subject or "").partition(":")
    return AuditFilter(
        actor=actor,
        action=action,
        subject=(kind, identity or None) if kind else None,
        since=read_moment(since, "since"),
        until=read_moment(until, "until"),
    )
