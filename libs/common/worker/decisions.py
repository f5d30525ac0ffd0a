"""What becomes of a job's step: the decision that a handler's answer or error leads to.

Nothing here writes rows; `say` tells the job's log.
"""

import asyncio
import random
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from libs.common.errors import JobError, LeaseLost, RetryableJobError
from libs.common.jobs.claims import Claimed
from libs.common.jobs.joblog.entries import Level
from libs.common.jobs.joblog.writer import JobLog
from libs.common.jobs.kinds import Again, Cancelled, Done, JobFailure, Outcome
from libs.common.worker.context import Handler

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Retry:
    """A handler error inside its budget: come again after the back-off."""

    after_s: float
    tries: int
    failure: JobFailure


class NotYet(Again):
    """The runtime's own Again: no step was run, so nothing is known of whether the job kills its workers."""

    __slots__ = ()


class Release:
    """Shutdown: give the lease back."""


Decision = Outcome | Again | Retry | Release


async def say(joblog: JobLog, decision: Decision) -> None:
    """Let the job's log end with the reason, so that a reader needs nothing else; what cannot be said is left out."""
    level: Level
    match decision:
        case Outcome(status=status, failure=JobFailure(code=code, message=message)):
            line, level = f"{status.capitalize()}: {message} ({code})", "error" if status == "failed" else "info"
        case Retry(after_s=after_s, tries=tries, failure=failure):
            line, level = f"Try {tries} failed: {failure.message} ({failure.code}); again in {after_s:.0f} s", "error"
        case _:
            return
    try:
        await joblog.write(line, level)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        log.warning("end_not_written_to_the_job_log", reason=repr(error))


def finished(task: asyncio.Task[Done | Again | Cancelled]) -> bool:
    """True when the handler came to its end although it was told to stop."""
    return task.done() and not task.cancelled() and task.exception() is None and isinstance(task.result(), Done)


def read(task: asyncio.Task[Done | Again | Cancelled], handler: Handler, claimed: Claimed) -> Decision:
    """Turn what a handler answered or raised into what is written; raises LeaseLost when it did."""
    if task.cancelled():
        return retry(
            RetryableJobError("The handler was cancelled from within", code="INTERNAL_ERROR"), handler, claimed
        )
    error = task.exception()
    match error:
        case None:
            pass
        case LeaseLost():
            raise error
        case RetryableJobError():
            return retry(error, handler, claimed)
        case JobError():
            return failed(error.code, error.message, exit_code=error.exit_code)
        case SQLAlchemyError() | OSError():
            log.warning("step_failed_on_infrastructure", error=repr(error))
            return retry(RetryableJobError(f"{type(error).__name__}", code="INFRASTRUCTURE"), handler, claimed)
        case _:
            log.error("handler_raised", exc_info=error)
            return retry(
                RetryableJobError(f"Internal error ({type(error).__name__})", code="INTERNAL_ERROR"), handler, claimed
            )
    match task.result():
        case Done(result=result, exit_code=exit_code):
            return Outcome("success", None, result, exit_code)
        case Cancelled(code=code, message=message):
            return Outcome("cancelled", JobFailure(code, message))
        case again:
            return again


def retry(error: RetryableJobError, handler: Handler, claimed: Claimed) -> Decision:
    """Come again after a back-off, or fail when the kind's tries are used up."""
    policy = handler.message.policy
    tries = claimed.tries + 1
    if tries >= policy.max_tries:
        return failed(error.code, error.message, retryable=True, exit_code=error.exit_code)
    # Exponential with 20 % jitter, so that jobs that failed together do not come back together.
    backoff_s = min(2.0**tries, policy.backoff_max_s) * random.uniform(0.8, 1.2)  # noqa: S311 - not a secret
    return Retry(max(backoff_s, error.after_s or 0.0), tries, JobFailure(error.code, error.message, retryable=True))


def failed(code: str, message: str, *, retryable: bool = False, exit_code: int | None = None) -> Outcome:
    """The end of a job that failed."""
    return Outcome("failed", JobFailure(code, message, retryable), None, exit_code)
