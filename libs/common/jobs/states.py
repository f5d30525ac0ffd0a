"""The five words for a job's status and the only ways between them.

pending    made; no worker has ever claimed it            <- insert
running    claimed at least once, also between two steps  <- pending
success    its handler returned Done                      <- running
failed     gave up: permanent error, budget, timeout, poison  <- running
cancelled  somebody asked, and the outside work is undone <- pending, running
"""

from enum import StrEnum
from typing import Final


class JobStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"


ALLOWED: Final[dict[JobStatus, frozenset[JobStatus]]] = {
    JobStatus.PENDING: frozenset({JobStatus.RUNNING, JobStatus.CANCELLED}),
    JobStatus.RUNNING: frozenset({JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.CANCELLED}),
    JobStatus.SUCCESS: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELLED: frozenset(),
}
TERMINAL: Final = frozenset(status for status, following in ALLOWED.items() if not following)
ACTIVE: Final = frozenset(JobStatus) - TERMINAL
