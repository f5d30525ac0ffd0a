"""What a build provider is: one outside world that can run a pipeline, whatever it is made of."""

from collections.abc import Iterable
from enum import StrEnum
from typing import ClassVar, Literal, Protocol

import msgspec

from services.builds.buildspec import BuildSpec

Level = Literal["stdout", "stderr", "info", "error"]


class OutcomeStatus(StrEnum):
    """How a run ended, in the words of a build's status."""

    SUCCESS = "success"
    FAILURE = "failure"
    CANCELLED = "cancelled"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a run.

    `code` is a stable word (services/builds/runner/report.py lists them; RUNNER_LOST is the providers' own), None for a
    success. `exit_code`: of the step that decided, None when none did. `retryable`: the same run may go well later.
    """

    status: OutcomeStatus
    code: str | None = None
    message: str = ""
    exit_code: int | None = None
    retryable: bool = False


class LogSink(Protocol):
    """Where a run's log goes: the job's log."""

    async def write(self, text: str, level: Level = "stdout") -> None:
        """Append whole lines; `text` holds one or more, without the end of the last."""
        ...

    def add_secrets(self, values: Iterable[str]) -> None:
        """Mask these values in whatever is written from now on."""
        ...


class Progress(Protocol):
    """Takes note of how far a run is."""

    async def __call__(
        self, *, stage: str | None = None, percent: int | None = None, commit: str | None = None
    ) -> None:
        """`stage` is the name of the step that runs now; `percent` is 0..100, a multiple of 5; `commit` is what the
        asked-for ref turned out to be. None: as it was."""
        ...


class BuildProvider(Protocol):
    """Runs builds."""

    name: ClassVar[str]

    async def run(self, build: BuildSpec, *, log: LogSink, progress: Progress) -> Outcome:
        """Run the build to its end, its log and progress on the way.

        Returns how it ended; a failed build is no exception. When the task is cancelled, the run is stopped (bounded)
        before the cancellation goes on.
        """
        ...
