"""GitHub's own ways of saying no, as faults to inject."""

import time
from typing import Final

from tests.fakeforge.faults import (
    EVERY,
    LOST_ANSWER,
    LOST_REQUEST,
    Answer,
    Fault,
    delayed,
    failed,
    instead,
    refused,
    trickling,
    truncated,
    unavailable,
)

__all__ = [
    "BAD_CREDENTIALS",
    "EVERY",
    "LOST_ANSWER",
    "LOST_REQUEST",
    "NOT_ACCESSIBLE",
    "NOT_FOUND",
    "Answer",
    "Fault",
    "delayed",
    "failed",
    "instead",
    "primary_limit",
    "refused",
    "secondary_limit",
    "trickling",
    "truncated",
    "unavailable",
]

BAD_CREDENTIALS: Final = refused(401, {"message": "Bad credentials"})
NOT_ACCESSIBLE: Final = refused(403, {"message": "Resource not accessible by personal access token"})
NOT_FOUND: Final = refused(404, {"message": "Not Found"})


def primary_limit(reset_after_s: float, *, status: int = 403) -> Fault:
    """All requests of the hour are used up; GitHub answers 403 or 429."""
    headers = {
        "X-RateLimit-Limit": "5000",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Used": "5000",
        "X-RateLimit-Reset": str(int(time.time() + reset_after_s)),
        "X-RateLimit-Resource": "core",
    }
    return refused(status, {"message": "API rate limit exceeded for user ID 1."}, headers)


def secondary_limit(retry_after_s: int | None, *, status: int = 403) -> Fault:
    """Too much at once; None: without the header that says how long to wait."""
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return refused(status, {"message": "You have exceeded a secondary rate limit."}, headers)
