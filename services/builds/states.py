"""A build's status words and how they follow from its job (spec: platform).

pending      made; its job waits                          <- insert, retry
queued       handed to an outside system that has a queue of its own
in_progress  a provider runs it                           <- pending, queued
success      <- in_progress
failure      <- pending, queued, in_progress
cancelled    <- pending, queued, in_progress
"""

from enum import StrEnum
from typing import Final


class BuildStatus(StrEnum):
    PENDING = "pending"
    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    SUCCESS = "success"
    FAILURE = "failure"
    CANCELLED = "cancelled"


ENDED: Final = frozenset({BuildStatus.SUCCESS, BuildStatus.FAILURE, BuildStatus.CANCELLED})

OF_JOB: Final = {
    "success": BuildStatus.SUCCESS,
    "failed": BuildStatus.FAILURE,
    "cancelled": BuildStatus.CANCELLED,
}
"""How a build ends when its job ends so."""


class Executor(StrEnum):
    """Who runs a build."""

    LOCAL = "local"
    GITHUB = "github"
    KUBERNETES = "kubernetes"
    EXTERNAL = "external"
