"""What the state codes of an image build mean, and what its history tells about the stages. Pure.

A pipeline reports codes from 0 to 100 in steps of five as it goes (Build State's documentation). A code is where the
build stands: the stage of that code has begun, and all below it are done.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from types import MappingProxyType
from typing import Final, NamedTuple

STEP: Final = 5
DELIVERED: Final = 100

STAGES: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "initialized",
        5: "kickstart",
        10: "green image",
        15: "base configuration",
        20: "cloud-specific configuration",
        25: "security",
        30: "monitoring",
        35: "runtimes",
        40: "network",
        45: "storage",
        50: "users and authentication",
        55: "services",
        60: "application deployment",
        65: "configuration management",
        70: "integration tests",
        75: "performance",
        80: "backup",
        85: "documentation and metadata",
        90: "final validation",
        95: "sealing",
        DELIVERED: "delivered",
    }
)
"""The name of each code that a pipeline may report. A provider's own progress may lie in between (`stage_of`)."""

# Build State's rule: only an installer that hangs is worth trying again without a person looking at it.
_AUTO_RETRIES: Final[Mapping[int, int]] = {5: 3}


class Resume(NamedTuple):
    """From where a build goes on. None: it never got past a stage, stands failed nowhere, has nothing left to do."""

    last_successful: int | None
    failed: int | None
    resume_from: int | None


def stage_of(state_code: int) -> str:
    """The name of the stage in which a build stands at a code from 0 to 100."""
    return STAGES[state_code - state_code % STEP]


def resume_point(state_code: int, passed: int | None, *, failed: bool, completed: bool) -> Resume:
    """Say from which code a build goes on: the one where it stands, for a retry enters the failed stage again.

    `passed` is the highest code below `state_code` that its history has, None when there is none.
    """
    if completed:
        return Resume(state_code, None, None)
    return Resume(passed, state_code if failed else None, state_code)


def auto_retries(state_code: int) -> int:
    """How often a pipeline may try this stage again by itself; after that, a person looks at it."""
    return _AUTO_RETRIES.get(state_code - state_code % STEP, 0)


def durations_s(entered: Sequence[datetime]) -> list[float | None]:
    """How long each entry of a history (oldest first) was the newest one, in seconds; None for the last."""
    lasted: list[float | None] = [(after - before).total_seconds() for before, after in pairwise(entered)]
    return lasted + [None] * bool(entered)


def seconds_by_code(history: Iterable[tuple[int, datetime]]) -> dict[int, float]:
    """Add up how long a build stood at each code, in seconds, from its history: (code, entered at), oldest first.

    A stage that was entered again after a failure counts each time; the last entry has not ended and counts nothing.
    """
    spent: dict[int, float] = {}
    for (code, since), (_, until) in pairwise(history):
        spent[code] = spent.get(code, 0.0) + (until - since).total_seconds()
    return spent
