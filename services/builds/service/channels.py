"""Channels as they are looked at: which build each of them offers for a cell of the matrix.

A cell is a platform, an OS version and an image type. For each cell a channel offers the good build that was promoted
to it last: a revoked promotion is passed over, so that the one before counts again, and so is a build that is not
good any more because it was started again. Whoever asks gets the offer among the builds that they may see.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Subquery, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.builds.models import Build, Promotion
from services.builds.states import BuildStatus

CHANNELS: Final = ("stable", "testing")

CELL: Final = (Build.platform, Build.os_version, Build.image_type)
HAS_CELL: Final = and_(*(column.is_not(None) for column in CELL))
"""The condition that a build makes an image: it has a place in the matrix."""


def offers(seen: ColumnElement[bool]) -> Subquery:
    """What each channel offers for each cell, among builds that meet `seen`: columns of the cell, channel, build_id.

    The promotions that count are few (a person made each), so they are ranked anew whenever somebody asks.
    """
    newest_first = func.row_number().over(partition_by=(*CELL, Promotion.channel), order_by=Promotion.id.desc())
    counting = (
        select(*CELL, Promotion.channel, Promotion.build_id, newest_first.label("place"))
        .join(Build, Build.id == Promotion.build_id)
        .where(Promotion.revoked_at.is_(None), Build.status == BuildStatus.SUCCESS.value, seen)
        .subquery()
    )
    chosen = [column for name, column in counting.c.items() if name != "place"]
    return select(*chosen).where(counting.c.place == 1).subquery()


async def channels_of(
    tx: AsyncConnection, build_ids: Sequence[int], *, seen: ColumnElement[bool]
) -> dict[int, list[str]]:
    """The channels that offer these builds, in the order of their names; builds that no channel offers are left out.

    `seen` is the condition for builds that exist for the caller.
    """
    promoted = await _promoted(tx, build_ids)
    if not promoted:  # nearly always: then the ranking is not needed
        return {}
    offered = offers(seen)
    query = select(offered.c.build_id, offered.c.channel).where(offered.c.build_id.in_(promoted))
    found: dict[int, list[str]] = {}
    for row in await tx.execute(query.order_by(offered.c.channel)):
        found.setdefault(row.build_id, []).append(row.channel)
    return found


async def _promoted(tx: AsyncConnection, build_ids: Sequence[int]) -> list[Any]:
    if not build_ids:
        return []
    query = select(Promotion.build_id).where(Promotion.build_id.in_(build_ids), Promotion.revoked_at.is_(None))
    return list(await tx.scalars(query.distinct()))
