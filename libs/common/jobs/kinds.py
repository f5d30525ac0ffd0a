"""What a slice may ask of its worker: the message, its policy, and what a handler answers.

A kind is declared once in the slice's `jobs.py`:

    class RunBuild(Message, frozen=True):
        kind = "builds.run_build"
        policy = Policy(timeout_s=..., job_class="heavy")
        build_id: int

and given a handler in `tasks.py`. The kind string is stored with every job and outlives renames of the class.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Literal

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.jobs.view import LiveJob

JobClass = Literal["light", "heavy"]


@dataclass(frozen=True, slots=True)
class Policy:
    """How the runtime treats a kind.

    `timeout_s`: longest run of one step (from claim to Done, Again or error). `max_tries`: handler errors that are
    retried before the job fails; the back-off is 2^n seconds with jitter up to `backoff_max_s`. `deadline`: total
    age at which a job that keeps answering Again fails as TIMEOUT (None: never). `job_class`: which slots it takes;
    `heavy` keeps long local work from blocking short steps. `cancel_timeout_s` bounds the cancel step.
    """

    timeout_s: float = 300.0
    max_tries: int = 8
    backoff_max_s: float = 300.0
    deadline: timedelta | None = None
    job_class: JobClass = "light"
    cancel_timeout_s: float = 30.0


class Message(msgspec.Struct, frozen=True):
    """Base of all job messages; unknown fields are ignored when decoding, so that replicas of two versions can meet."""

    kind: ClassVar[str]
    policy: ClassVar[Policy]

    @classmethod
    def domain(cls) -> str:
        """The slice that owns this kind: the word before the dot."""
        return cls.kind.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Done:
    """The handler is finished; `result` is kept with the job (a small JSON object or None)."""

    result: dict[str, Any] | None = None
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """Come back in `after_s` seconds, or as soon as somebody calls `wake`. The wait holds no slot.

    `checkpoint` replaces the stored one when given; `waiting_for` is shown to people.
    """

    after_s: float
    waiting_for: str | None = None
    checkpoint: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The handler ended its own work as cancelled (a pipeline whose `when` does not match): `code` says why."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class JobFailure:
    """Why a job failed: stable code, words for a person, whether trying again may help."""

    code: str
    message: str
    retryable: bool = False

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "retryable": self.retryable}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended; given to the kind's `on_end` inside the terminal transaction."""

    status: Literal["success", "failed", "cancelled"]
    failure: JobFailure | None = None
    result: dict[str, Any] | None = field(default=None)
    exit_code: int | None = None


OnEnd = Callable[[AsyncConnection, LiveJob, Outcome], Awaitable[None]]
OnRetry = Callable[[AsyncConnection, LiveJob, LiveJob], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class JobRules:
    """What a slice's own rows do when a job of this kind ends or is retried: pure SQL in the caller's transaction.

    `on_end(tx, job, outcome)` runs in the terminal transaction, also for poison, timeout and cancel, in whichever
    process ends the job. `on_retry(tx, old, new)` runs where a person retries; it raises Conflict when the subject
    does not allow it. None: nothing to do, or not retryable.
    """

    message: type[Message]
    on_end: OnEnd | None = None
    on_retry: OnRetry | None = None
