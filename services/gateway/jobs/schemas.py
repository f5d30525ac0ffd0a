"""Bodies of the job routes."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec

from libs.common.jobs.joblog.entries import Line
from libs.common.jobs.joblog.reader import Page
from libs.common.jobs.view import JobView, LiveJob


class JobPage(msgspec.Struct, frozen=True):
    """A part of the list, newest first; `next_cursor` is null on the last page."""

    jobs: list[JobView]
    total: int
    offset: int
    limit: int
    next_cursor: str | None


class LogPage(msgspec.Struct, frozen=True):
    """Lines in order; `next_after` is the number to ask behind for more, null when no more are stored now.

    `last_event_id` is what an event stream takes to go on behind these lines; null when more are stored, or no line is.
    """

    job_id: UUID
    lines: list[Line]
    next_after: int | None
    last_event_id: str | None

    @classmethod
    def of(cls, job_id: UUID, page: Page) -> "LogPage":
        if page.position is None:
            return cls(job_id, page.lines, page.lines[-1].id if page.lines else None, None)
        return cls(job_id, page.lines, None, str(page.position))


def shown(job: LiveJob) -> JobView:
    """The job as an answer: the duration of a running one counts up to now."""
    view = job.view
    if view.duration is not None or view.started_at is None:
        return view
    elapsed_s = (datetime.now(UTC) - view.started_at).total_seconds()
    return msgspec.structs.replace(view, duration=round(max(0.0, elapsed_s), 3))


def timeless(view: JobView) -> JobView:
    """The view without what follows from its other fields and the clock: what decides whether the job has changed."""
    return msgspec.structs.replace(view, duration=None)


JOB_EXAMPLE = {
    "id": "0199f3a2-6c1e-7b60-9d0a-3f2b8f6e7a11",
    "repo": "ada/engine",
    "branch": "main",
    "commit": "9f2c1a7be0d34f5b8f1f0a9be5b6a1c2d3e4f506",
    "status": "running",
    "started_at": "2026-11-20T18:00:02.120000Z",
    "finished_at": None,
    "duration": 12.5,
    "agent_id": "builds-host1-4242",
    "exit_code": None,
    "domain": "builds",
    "kind": "builds.run_build",
    "subject": {"type": "build", "id": "12"},
    "stage": "test",
    "progress": 40,
    "waiting_for": None,
    "error": None,
    "build_id": 12,
    "retry_of": None,
    "cancel_requested": False,
    "tries": 0,
    "created_at": "2026-11-20T18:00:02.101000Z",
    "version": 3,
    "position": None,
}
PAGE_EXAMPLE = {"jobs": [JOB_EXAMPLE], "total": 1, "offset": 0, "limit": 20, "next_cursor": None}
LOG_EXAMPLE = {
    "job_id": "0199f3a2-6c1e-7b60-9d0a-3f2b8f6e7a11",
    "lines": [
        {"id": 1, "timestamp": "2026-11-20T18:00:02.200000Z", "level": "info", "message": "::group::test"},
        {"id": 2, "timestamp": "2026-11-20T18:00:02.300000Z", "level": "stdout", "message": "42 passed"},
    ],
    "next_after": None,
    "last_event_id": "1795197602300-0",
}
