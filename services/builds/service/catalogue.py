"""Builds as they are looked at: which ones somebody may see, found, listed, with their histories."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.database import Database, UTCDateTime
from libs.common.http.principal import Principal
from services.builds.errors import UnknownBuild
from services.builds.models import Build, BuildState, Promotion, Repository
from services.builds.service.channels import CELL, HAS_CELL, channels_of
from services.builds.service.visible import visible_to
from services.builds.states import ENDED, BuildStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFilter:
    """Which builds are meant; None means "any".

    `repository` is a uid or a full name. `since` is included, `until` is not; both are about the time of making.
    `images` leaves out builds that make no image.
    """

    executor: str | None = None
    status: str | None = None
    repository: str | None = None
    branch: str | None = None
    platform: str | None = None
    os_version: str | None = None
    image_type: str | None = None
    config_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    images: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A build's row (COLUMNS, with its repository's uid and name) and the channels that offer it to the caller."""

    row: Any
    channels: list[str]


class Catalogue:
    """The builds that somebody may see: their own and shared ones (owner None); superusers see all."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(
        self, principal: Principal, wanted: BuildFilter, *, limit: int, offset: int
    ) -> tuple[list[Found], int]:
        """List builds newest first, with the total of the filter."""
        async with self._database.reading() as tx:
            return await find_builds(tx, principal, wanted, limit=limit, offset=offset)

    async def get(self, principal: Principal, ref: str) -> Found:
        """Read a build by its uid or the caller's name for it; raises UnknownBuild."""
        async with self._database.reading() as tx:
            return await _found(tx, principal, await visible_build(tx, principal, ref))

    async def numbered(self, principal: Principal, number: int) -> Found:
        """Read a build by its number (`id`); raises UnknownBuild."""
        async with self._database.reading() as tx:
            return await numbered_build(tx, principal, number)

    async def states(self, principal: Principal, ref: str, *, limit: int, offset: int) -> tuple[list[Any], int]:
        """Read a build's history oldest first, with how many entries it has; raises UnknownBuild.

        Each row has the time of the entry after it as `left_at`, None for the last one.
        """
        async with self._database.reading() as tx:
            build = await visible_build(tx, principal, ref)
            of_build = BuildState.build_id == build.id
            total = (await tx.execute(select(func.count()).select_from(BuildState).where(of_build))).scalar_one()
            page = select(BuildState.__table__, _LEFT_AT).where(of_build).order_by(BuildState.id)
            return list(await tx.execute(page.limit(limit).offset(offset))), total


async def find_builds(
    tx: AsyncConnection, principal: Principal, wanted: BuildFilter, *, limit: int, offset: int
) -> tuple[list[Found], int]:
    """List the builds that the caller may see newest first, with the total of the filter."""
    seen = builds_seen_by(principal)
    conditions = [seen, *conditions_of(wanted)]
    total = (await tx.execute(select(func.count()).select_from(Build).where(*conditions))).scalar_one()
    page = _rows().where(*conditions).order_by(Build.id.desc()).limit(limit).offset(offset)
    rows = (await tx.execute(page)).all()
    offered = await channels_of(tx, [row.id for row in rows], seen=seen)
    return [Found(row, offered.get(row.id, [])) for row in rows], total


def builds_seen_by(principal: Principal) -> ColumnElement[bool]:
    """The condition for builds that exist for the caller."""
    return visible_to(principal, Build.owner)


async def numbered_build(tx: AsyncConnection, principal: Principal, number: int) -> Found:
    """Read a build that the caller may see by its number (`id`); raises UnknownBuild."""
    row = (await tx.execute(_rows().where(Build.id == number, builds_seen_by(principal)))).one_or_none()
    if row is None:
        raise UnknownBuild(f"Build {number} not found")
    return await _found(tx, principal, row)


async def visible_build(tx: AsyncConnection, principal: Principal, ref: str) -> Any:
    """Read the build that `ref` means to the caller; raises UnknownBuild. For a change: refs.py.

    A uid goes first, then the caller's own name for a build, then the name of a shared one.
    """
    by_uid = [Build.uid == ref, builds_seen_by(principal)]
    shared = [Build.build_id == ref, Build.owner.is_(None)]
    own = [Build.build_id == ref, Build.owner == principal.user_id]
    for conditions in (by_uid, own, shared) if principal.user_id is not None else (by_uid, shared):
        row = (await tx.execute(_rows().where(*conditions).limit(1))).one_or_none()
        if row is not None:
            return row
    raise UnknownBuild(f"Build not found: {ref}")


async def _found(tx: AsyncConnection, principal: Principal, row: Any) -> Found:
    offered = await channels_of(tx, [row.id], seen=builds_seen_by(principal))
    return Found(row, offered.get(row.id, []))


def conditions_of(wanted: BuildFilter) -> list[ColumnElement[bool]]:
    """The conditions on builds that a filter means."""
    equal = (
        (Build.executor, wanted.executor),
        (Build.status, wanted.status),
        (Build.branch, wanted.branch),
        (Build.platform, wanted.platform),
        (Build.os_version, wanted.os_version),
        (Build.image_type, wanted.image_type),
        (Build.config_id, wanted.config_id),
    )
    found: list[ColumnElement[bool]] = [column == value for column, value in equal if value is not None]
    if wanted.repository is not None:
        named = or_(Repository.uid == wanted.repository, Repository.full_name == wanted.repository)
        found.append(Build.repository_id.in_(select(Repository.id).where(named)))
    if wanted.since is not None:
        found.append(Build.created_at >= wanted.since)
    if wanted.until is not None:
        found.append(Build.created_at < wanted.until)
    if wanted.images:
        found.append(Build.image_type.is_not(None))
    return found


async def forget(tx: AsyncConnection, before: datetime, *, most: int) -> int:
    """Delete builds that ended before a time, among the `most` oldest that nobody needs; answers how many it were.

    What a channel offers or would fall back to is needed, and the newest good build of each cell of the matrix, each
    owner's for itself. Histories, failures, artifacts and variables go with their builds; jobs and logs stay. Ids are
    in the order of time, near enough, so no index by time is needed, which every accept would pay for.
    """
    promoted = select(Promotion.id).where(Promotion.build_id == Build.id, Promotion.revoked_at.is_(None)).exists()
    oldest = select(Build.id, Build.finished_at).where(Build.status.in_(sorted(ENDED)), ~promoted, ~_newest_good())
    oldest = oldest.order_by(Build.id).limit(most).with_for_update(of=Build, skip_locked=True)
    due = [row.id for row in await tx.execute(oldest) if row.finished_at is not None and row.finished_at < before]
    if due:
        await tx.execute(delete(Build).where(Build.id.in_(due)))
    return len(due)


def _newest_good() -> ColumnElement[bool]:
    """Whether a build is the newest good one of its cell and owner."""
    later = Build.__table__.alias("later")
    same_cell = [later.c[column.key] == column for column in CELL]
    same_owner = later.c.owner.is_not_distinct_from(Build.owner)
    good = BuildStatus.SUCCESS.value
    newer = select(later.c.id).where(*same_cell, same_owner, later.c.id > Build.id, later.c.status == good).exists()
    return (Build.status == good) & HAS_CELL & ~newer


COLUMNS = tuple(
    getattr(Build, name)
    for name in (
        *("id", "uid", "build_id", "executor", "status", "state_code", "stage", "event", "branch", "tag"),
        *("commit_sha", "message", "author", "platform", "os_version", "image_type", "enable_plymouth", "config_id"),
        *("ref", "run_id", "run_url", "pipeline_url", "conclusion", "error", "exit_code", "job_id", "owner"),
        *("created_at", "started_at", "finished_at", "updated_at"),
    )
)
"""What is shown of a build; its inputs and changed files are long and shown nowhere."""

_LEFT_AT = (
    func.lead(BuildState.created_at, type_=UTCDateTime)
    .over(partition_by=BuildState.build_id, order_by=BuildState.id)
    .label("left_at")
)


def _rows() -> Select[Any]:
    joined = Build.__table__.outerjoin(Repository.__table__, Build.repository_id == Repository.id)
    repository = (Repository.uid.label("repository_uid"), Repository.full_name.label("repository_name"))
    return select(*COLUMNS, *repository).select_from(joined)
