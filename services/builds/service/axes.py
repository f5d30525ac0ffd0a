"""Platforms, OS versions and image types: known from their first use on, with an id that dashboards count by."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.database import utcnow
from services.builds.models import AxisValue

AXES: Final = ("platform", "os_version", "image_type")
"""The axes of the matrix of images, as columns of a build are called."""

Value = tuple[str, str]
"""An axis and what a build names on it."""


async def remember(
    tx: AsyncConnection, *, platform: str | None, os_version: str | None, image_type: str | None
) -> None:
    """Make known what a build names on the axes (None: nothing), unless it is.

    Two transactions that name something new at once make one row: the second waits for the first. They insert in the
    order of the axes, so that they cannot wait for each other.
    """
    named = zip(AXES, (platform, os_version, image_type), strict=True)
    values = [(axis, name) for axis, name in named if name is not None]
    known = await _ids(tx, values)
    insert = sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert
    for axis, name in values:
        if (axis, name) not in known:
            row = {"axis": axis, "name": name, "created_at": utcnow()}
            await tx.execute(insert(AxisValue).values(row).on_conflict_do_nothing(index_elements=["axis", "name"]))


async def ids_of(tx: AsyncConnection, builds: Sequence[Any]) -> Mapping[Value, int]:
    """The ids of all that these builds' rows name."""
    named = {(axis, getattr(build, axis)) for build in builds for axis in AXES}
    return await _ids(tx, [(axis, name) for axis, name in named if name is not None])


async def _ids(tx: AsyncConnection, values: Collection[Value]) -> dict[Value, int]:
    if not values:
        return {}
    query = select(AxisValue.axis, AxisValue.name, AxisValue.id)
    rows = await tx.execute(query.where(tuple_(AxisValue.axis, AxisValue.name).in_(values)))
    return {(row.axis, row.name): row.id for row in rows}
