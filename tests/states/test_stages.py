"""What state codes mean and what a history tells, without any database."""

from datetime import UTC, datetime, timedelta

import pytest

from services.builds.service.dashboard import COUNTED_AS
from services.builds.stages import DELIVERED, STAGES, STEP, Resume, durations_s, resume_point, seconds_by_code, stage_of
from services.builds.states import BuildStatus

START = datetime(2026, 11, 20, 18, tzinfo=UTC)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def test_every_code_has_a_name() -> None:
    """The codes are those of the documentation, and any progress in between belongs to the one below."""
    assert list(STAGES) == list(range(0, DELIVERED + 1, STEP))
    assert [stage_of(code) for code in (0, 4, 5, 29, 99, 100)] == [
        *("initialized", "initialized", "kickstart", "security", "sealing", "delivered")
    ]


def test_every_status_is_counted() -> None:
    """The dashboards' three words cover each status of a build."""
    assert set(COUNTED_AS) == set(BuildStatus)


def test_durations() -> None:
    """An entry lasts until the next one; the last has not ended."""
    assert durations_s([]) == []
    assert durations_s([at(0)]) == [None]
    assert durations_s([at(0), at(1.5), at(1.5), at(60)]) == [1.5, 0.0, 58.5, None]


def test_stages_that_are_entered_again_add_up() -> None:
    """A failed stage that is tried again takes the time of all its tries."""
    history = [(0, at(0)), (10, at(2)), (25, at(10)), (25, at(12)), (10, at(20)), (25, at(21)), (100, at(30))]
    assert seconds_by_code(history) == {0: 2.0, 10: 9.0, 25: 19.0}
    assert seconds_by_code([]) == {}


@pytest.mark.parametrize(
    ("state_code", "passed", "failed", "completed", "point"),
    [
        (0, None, False, False, Resume(None, None, 0)),
        (25, 10, True, False, Resume(10, 25, 25)),
        (25, 10, False, False, Resume(10, None, 25)),
        (100, 90, False, True, Resume(100, None, None)),
    ],
)
def test_where_a_build_goes_on(
    state_code: int, passed: int | None, failed: bool, completed: bool, point: Resume
) -> None:
    """A retry enters the failed stage again; a complete build has nothing left to do."""
    assert resume_point(state_code, passed, failed=failed, completed=completed) == point
