"""The matrix of images: what each cell shows to whom."""

import pytest

from libs.common.database import Database
from libs.common.http.principal import Principal
from services.builds.service.matrix import Cell, Matrix
from services.builds.service.promotions import Promotions
from tests.images.conftest import ADA, BOB, PIPELINE, ROOT, acting
from tests.images.stored import CELL, store_build

pytestmark = pytest.mark.databases("sqlite", "postgresql")


async def cells(database: Database, principal: Principal, **chosen: str) -> list[Cell]:
    asked = dict.fromkeys(("platform", "os_version", "image_type")) | chosen
    return await Matrix(database).cells(principal, **asked)


async def test_a_cell_has_its_latest_and_its_good_build(stored: Database) -> None:
    """The latest build may have failed or run; the good one is the newest that was successful, if there is one."""
    _, old = await store_build(stored, **CELL)
    _, good = await store_build(stored, build_id="night-2", **CELL)
    _, running = await store_build(stored, status="in_progress", state_code=25, finished_at=None, **CELL)
    _, failed = await store_build(stored, status="failure", **CELL | {"image_type": "hana"})
    await store_build(stored)  # makes no image: it is in no cell
    for uid in (old, good):
        await Promotions(stored).promote(PIPELINE, acting(PIPELINE), uid, "testing")
    base, hana = await cells(stored, ADA)
    assert (base.platform, base.os_version, base.image_type) == tuple(CELL.values())
    assert (base.latest.uid, base.latest.status, base.latest.state_code) == (running, "in_progress", 25)
    assert base.good is not None
    assert (base.good.uid, base.good.build_id) == (good, "night-2")
    assert base.channels == {"testing": good}
    assert (hana.latest.uid, hana.good, hana.channels) == (failed, None, {})


async def test_cells_are_of_builds_that_the_caller_sees(stored: Database) -> None:
    """Another's build neither makes a cell nor is the latest of a shared one."""
    _, shared = await store_build(stored, owner=None, **CELL)
    _, private = await store_build(stored, owner=1, **CELL)
    await store_build(stored, owner=1, **CELL | {"platform": "private-cloud"})
    assert [cell.latest.uid for cell in await cells(stored, BOB)] == [shared]
    assert [cell.platform for cell in await cells(stored, ADA)] == ["aws", "private-cloud"]
    assert [cell.latest.uid for cell in await cells(stored, ADA, platform="aws")] == [private]
    assert len(await cells(stored, ROOT)) == 2


async def test_cells_by_axis(stored: Database) -> None:
    """Each axis narrows the matrix; the cells come in the order of their names."""
    for platform in ("azure", "aws"):
        for image_type in ("hana", "base"):
            await store_build(stored, **CELL | {"platform": platform, "image_type": image_type})
    found = await cells(stored, ADA)
    assert [(cell.platform, cell.image_type) for cell in found] == [
        ("aws", "base"),
        ("aws", "hana"),
        ("azure", "base"),
        ("azure", "hana"),
    ]
    assert [cell.platform for cell in await cells(stored, ADA, image_type="hana")] == ["aws", "azure"]
    assert len(await cells(stored, ADA, platform="aws", os_version="rhel-9.2", image_type="base")) == 1
    assert await cells(stored, ADA, os_version="none") == []
