"""Builds that callers want to change, by what they call them: many at once, and locked.

A ref is a build's uid, or else the caller's own name for it (`build_id`), or else the name of a shared build.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.database import among
from libs.common.errors import RequestError
from libs.common.http.principal import Principal
from services.builds.errors import SharedIsReadOnly, UnknownBuild
from services.builds.models import Build


class Named(NamedTuple):
    """A build as somebody calls it."""

    principal: Principal
    ref: str


async def builds_to_change(tx: AsyncConnection, names: Sequence[Named]) -> list[Any | RequestError]:
    """Lock the builds that are named and answer their rows in the order of the names; nobody else changes them before
    the commit.

    In place of a row stands UnknownBuild, or SharedIsReadOnly: what is shared is changed by keys that belong to
    nobody, as pipelines have, and by superusers. Locks are taken in the order of ids, so that two transactions cannot
    wait for each other.
    """
    asked = {
        "refs": list({name.ref for name in names}),
        "owners": list({name.principal.user_id for name in names if name.principal.user_id is not None}),
    }
    rows = (await tx.execute(_named(tx.dialect.name), asked)).all()
    by_uid = {row.uid: row for row in rows}
    by_name = {(row.owner, row.build_id): row for row in rows if row.build_id is not None}
    return [_meant(name, by_uid, by_name) for name in names]


async def build_to_change(tx: AsyncConnection, principal: Principal, ref: str) -> Any:
    """Lock one build and answer its row; raises UnknownBuild and SharedIsReadOnly."""
    [found] = await builds_to_change(tx, [Named(principal, ref)])
    if isinstance(found, RequestError):
        raise found
    return found


def _meant(
    name: Named, by_uid: dict[str, Any], by_name: dict[tuple[int | None, str], Any]
) -> Any | UnknownBuild | SharedIsReadOnly:
    principal, ref = name
    row = by_uid.get(ref)
    if row is None or not principal.may_see(row.owner):
        row = by_name.get((principal.user_id, ref)) or by_name.get((None, ref))
    if row is None:
        return UnknownBuild(f"Build not found: {ref}")
    if row.owner is None and principal.user_id is not None and not principal.is_superuser:
        return SharedIsReadOnly("This build is shared: pipelines' keys and superusers change it")
    return row


# What the rules of reported builds look at; files and inputs of large builds are not read for each state.
_COLUMNS = (
    *(Build.id, Build.uid, Build.build_id, Build.owner, Build.executor, Build.status, Build.state_code, Build.stage),
    *(Build.error, Build.job_id, Build.started_at, Build.finished_at, Build.updated_at),
    *(Build.platform, Build.os_version, Build.image_type, Build.pipeline_url, Build.commit_sha),
)


@cache
def _named(dialect_name: str) -> Select[Any]:
    by_uid = among(dialect_name, Build.uid, "refs")
    named = among(dialect_name, Build.build_id, "refs")
    own, shared = and_(among(dialect_name, Build.owner, "owners"), named), and_(Build.owner.is_(None), named)
    return select(*_COLUMNS).where(or_(by_uid, own, shared)).order_by(Build.id).with_for_update()
