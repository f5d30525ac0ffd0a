"""Platforms, OS versions and image types: known from their first use on, with an id that dashboards count by."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import and_, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.database import utcnow
from services.builds.models import AxisValue

AXES: Final = ("platform", "os_version", "image_type")


async def remember(tx: AsyncConnection, **named: str | None) -> None:
    """Make what a build names (`platform`, `os_version`, `image_type`; None: nothing) known, unless it is.

    Two transactions that name a new one at once make one row: the second waits for the first. They insert in the order
    of the axes, so that they cannot wait for each other.
    """
    wanted = [(axis, named[axis]) for axis in AXES if named.get(axis) is not None]
    if not wanted:
        return
    known = await _known(tx, [(axis, name) for axis, name in wanted if name is not None])
    new = [{"axis": axis, "name": name, "created_at": utcnow()} for axis, name in wanted if (axis, name) not in known]
    insert = sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert
    for row in new:
        await tx.execute(insert(AxisValue).values(row).on_conflict_do_nothing(index_elements=["axis", "name"]))


async def ids_of(tx: AsyncConnection, builds: Sequence[Any]) -> Mapping[tuple[str, str], int]:
    """The ids of all values that these builds' rows name, by axis and name."""
    return await _known(tx, {(axis, getattr(row, axis)) for row in builds for axis in AXES} - _NOTHING)


_NOTHING: Final = {(axis, None) for axis in AXES}


async def _known(tx: AsyncConnection, names: Any) -> dict[tuple[str, str], int]:
    if not names:
        return {}
    by_axis = {axis: [name for of, name in names if of == axis] for axis in AXES}
    wanted = [and_(AxisValue.axis == axis, AxisValue.name.in_(some)) for axis, some in by_axis.items() if some]
    rows = await tx.execute(select(AxisValue.axis, AxisValue.name, AxisValue.id).where(or_(*wanted)))
    return {(row.axis, row.name): row.id for row in rows}
