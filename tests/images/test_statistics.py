"""Statistics: how builds end, how long their stages take, where they fail. The same figures on both databases."""

from datetime import timedelta

import pytest

from libs.common.database import Database, utcnow
from services.builds.service.catalogue import BuildFilter
from services.builds.service.statistics import Figures, Stage, Statistics
from tests.images.conftest import ADA, BOB
from tests.images.stored import CELL, Entry, store_build

pytestmark = pytest.mark.databases("sqlite", "postgresql")


async def figures(database: Database, *, days: int = 30, **wanted: str) -> Figures:
    return await Statistics(database).of(ADA, BuildFilter(**wanted), days=days)  # type: ignore[arg-type]


def through_security(seconds: float) -> list[Entry]:
    """A build that waited a minute, took 10 s to its first code, and was so long in stage 25."""
    return [
        ("pending", 0, 0),
        ("in_progress", 0, 60),
        ("in_progress", 25, 70),
        ("in_progress", 50, 70 + seconds),
        ("success", 100, 100 + seconds),
    ]


def of_code(found: Figures, code: int) -> Stage:
    [stage] = [stage for stage in found.stages if stage.state_code == code]
    return stage


async def test_average_and_percentile_of_a_stage(stored: Database) -> None:
    """The average of all builds, and by nearest rank the time that 95 of 100 did not exceed; waiting does not count."""
    for number in range(1, 41):  # 1 to 40 s
        await store_build(stored, history=through_security(number), **CELL)
    found = await figures(stored)
    assert (found.builds, found.succeeded, found.failed, found.measured) == (40, 40, 0, 40)
    assert [stage.state_code for stage in found.stages] == [0, 25, 50]
    stage = of_code(found, 25)
    assert (stage.count, stage.failures) == (40, 0)
    assert stage.average_s == pytest.approx(20.5, abs=0.01)
    assert stage.p95_s == pytest.approx(38, abs=0.01)
    assert of_code(found, 0).average_s == pytest.approx(10, abs=0.01)
    assert found.most_failing is None


async def test_visits_of_a_stage_are_added_up_and_failing_is_no_stage(stored: Database) -> None:
    """A build that failed at 25 and was reset an hour later spent in stage 25 what it worked there."""
    history: list[Entry] = [
        ("in_progress", 25, 0),
        ("failure", 25, 30),
        ("in_progress", 25, 3630),
        ("in_progress", 27, 3640),  # another provider's step inside the same stage
        ("in_progress", 50, 3650),
        ("failure", 50, 3655),
        ("failure", 50, 3656),
    ]
    await store_build(stored, status="failure", history=history, **CELL)
    await store_build(stored, status="failure", history=[("in_progress", 50, 0), ("failure", 50, 9)], **CELL)
    found = await figures(stored)
    assert (found.builds, found.succeeded, found.failed) == (2, 0, 2)
    stage = of_code(found, 25)
    assert (stage.count, stage.failures) == (1, 1)
    assert stage.average_s == stage.p95_s == pytest.approx(50, abs=0.01)
    assert of_code(found, 50).failures == 2
    assert found.most_failing is not None
    assert (found.most_failing.state_code, found.most_failing.failures) == (50, 2)


async def test_a_stage_that_nobody_left_has_no_times(stored: Database) -> None:
    """A build that runs, or that failed at once, is counted where it stands, without a time."""
    await store_build(stored, status="in_progress", history=[("in_progress", 25, 0)], **CELL)
    await store_build(stored, status="failure", history=[("failure", 0, 0)], **CELL)
    [stage] = (await figures(stored)).stages
    assert (stage.state_code, stage.count, stage.average_s, stage.p95_s, stage.failures) == (0, 0, None, None, 1)


async def test_only_builds_of_the_time_and_filter_that_the_caller_sees(stored: Database) -> None:
    """Days, filters and owners narrow all figures alike."""
    old = utcnow() - timedelta(days=8)
    await store_build(stored, created_at=old, history=through_security(1), **CELL)
    await store_build(stored, owner=2, history=through_security(1), **CELL)
    await store_build(stored, history=through_security(5), **CELL | {"platform": "azure"})
    assert [(await figures(stored, days=days)).builds for days in (7, 9)] == [1, 2]
    found = await figures(stored, platform="aws")
    assert (found.builds, of_code(found, 25).count) == (1, 1)
    assert (await Statistics(stored).of(BOB, BuildFilter(), days=30)).builds == 3
