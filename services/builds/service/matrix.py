"""The matrix of images: platform by OS version by image type, and the values that its axes have."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.database import Database
from libs.common.http.principal import Principal
from services.builds.models import AxisValue, Build
from services.builds.service.catalogue import builds_seen_by
from services.builds.service.channels import CELL, HAS_CELL, offers
from services.builds.states import BuildStatus

# Build State's own matrix has 5 x 4 x 4. A cell is 400 bytes of answer, so this is 400 KB: whoever has more has names
# that no person reads, and asks for one platform at a time.
_CELLS_MAX: Final = 1000

Axis = Literal["platform", "os_version", "image_type"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of image. `latest` and `good` (None: none yet) are rows with uid, build_id, status, state_code,
    created_at and finished_at; `channels` has the uid of what each channel offers that offers something."""

    platform: str
    os_version: str
    image_type: str
    latest: Any
    good: Any | None
    channels: Mapping[str, str]


class Matrix:
    """The images among the builds that somebody may see."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def cells(
        self, principal: Principal, *, platform: str | None, os_version: str | None, image_type: str | None
    ) -> list[Cell]:
        """List the cells that some build was for, by their names; None stands for all of an axis.

        When there are more than 1,000, those are listed whose latest build is newest.
        """
        seen = builds_seen_by(principal)
        chosen = [
            column == value
            for column, value in zip(CELL, (platform, os_version, image_type), strict=True)
            if value is not None
        ]
        async with self._database.reading() as tx:
            newest = (await tx.execute(_newest(seen, *chosen))).all()
            builds = await _builds(tx, [row.latest for row in newest] + [row.good for row in newest if row.good])
            offered = await _offered(tx, seen)
        cells = [
            Cell(
                *_cell(row),
                latest=builds[row.latest],
                good=None if row.good is None else builds[row.good],
                channels=offered.get(_cell(row), {}),
            )
            for row in newest
        ]
        return sorted(cells, key=lambda cell: (cell.platform, cell.os_version, cell.image_type))

    async def axis(self, axis: Axis, *, limit: int, offset: int) -> tuple[list[Any], int]:
        """List the values of one axis by name, with how many there are; they are everybody's."""
        of_axis = AxisValue.axis == axis
        page = select(AxisValue.__table__).where(of_axis).order_by(AxisValue.name).limit(limit).offset(offset)
        async with self._database.reading() as tx:
            total = (await tx.execute(select(func.count()).select_from(AxisValue).where(of_axis))).scalar_one()
            return list(await tx.execute(page)), total


def _newest(*conditions: ColumnElement[bool]) -> Any:
    """The ids of the latest and of the latest good build of each cell; both are the highest, because ids count up."""
    good = func.max(Build.id).filter(Build.status == BuildStatus.SUCCESS.value)
    query = select(*CELL, func.max(Build.id).label("latest"), good.label("good")).where(HAS_CELL, *conditions)
    return query.group_by(*CELL).order_by(func.max(Build.id).desc()).limit(_CELLS_MAX)


async def _builds(tx: AsyncConnection, ids: list[int]) -> dict[int, Any]:
    names = ("id", "uid", "build_id", "status", "state_code", "created_at", "finished_at")
    query = select(*(getattr(Build, name) for name in names)).where(Build.id.in_(ids))
    return {row.id: row for row in await tx.execute(query)}


async def _offered(tx: AsyncConnection, seen: ColumnElement[bool]) -> dict[tuple[str, str, str], dict[str, str]]:
    """What the channels offer for each cell: channel -> uid."""
    offered = offers(seen)
    query = select(offered, Build.uid).join(Build, Build.id == offered.c.build_id)
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    for row in await tx.execute(query):
        found.setdefault(_cell(row), {})[row.channel] = row.uid
    return found


def _cell(row: Any) -> tuple[str, str, str]:
    return row.platform, row.os_version, row.image_type
