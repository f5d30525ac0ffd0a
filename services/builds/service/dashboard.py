"""Numbers of builds and the newest ones, as Build State's dashboards ask for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.database import Database
from libs.common.http.principal import Principal
from services.builds.models import Build
from services.builds.service import axes
from services.builds.service.catalogue import builds_seen_by
from services.builds.states import BuildStatus

_RECENT: Final = 10  # as documented

COUNTED_AS: Final[Mapping[BuildStatus, str]] = {
    BuildStatus.PENDING: "in_progress",
    BuildStatus.QUEUED: "in_progress",
    BuildStatus.IN_PROGRESS: "in_progress",
    BuildStatus.SUCCESS: "completed",
    BuildStatus.FAILURE: "failed",
    BuildStatus.CANCELLED: "failed",
}
"""Each status in the dashboards' three words; a build has one status, so it counts once however often it failed."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Rows of builds, newest first, and the ids of the values on their axes by axis and name."""

    rows: Sequence[Any]
    axis_ids: Mapping[tuple[str, str], int]


class Dashboard:
    """What somebody may see, counted and shown."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def counts(self, principal: Principal) -> dict[str, int]:
        """How many builds there are: completed, failed, in_progress."""
        query = select(Build.status, func.count()).where(builds_seen_by(principal)).group_by(Build.status)
        counted = dict.fromkeys(("completed", "failed", "in_progress"), 0)
        async with self._database.reading() as tx:
            for status, count in await tx.execute(query):
                counted[COUNTED_AS[BuildStatus(status)]] += count
        return counted

    async def recent(self, principal: Principal) -> Shown:
        """The ten newest builds."""
        async with self._database.reading() as tx:
            return await _shown(tx, builds_seen_by(principal), limit=_RECENT)

    async def of_platform(self, principal: Principal, platform: str, *, limit: int, offset: int) -> tuple[Shown, int]:
        """The builds of one platform, with their number; none for a platform that nobody named."""
        conditions = (builds_seen_by(principal), Build.platform == platform)
        async with self._database.reading() as tx:
            total = (await tx.execute(select(func.count()).select_from(Build).where(*conditions))).scalar_one()
            return await _shown(tx, *conditions, limit=limit, offset=offset), total


async def _shown(tx: AsyncConnection, *conditions: ColumnElement[bool], limit: int, offset: int = 0) -> Shown:
    columns = (Build.uid, Build.build_id, Build.platform, Build.os_version, Build.image_type, Build.state_code)
    query = select(*columns, Build.created_at).where(*conditions).order_by(Build.id.desc())
    rows = (await tx.execute(query.limit(limit).offset(offset))).all()
    return Shown(rows, await axes.ids_of(tx, rows))
