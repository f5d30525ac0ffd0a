"""Bodies of the queue routes."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from libs.common.jobs.heartbeats import Heartbeat, SlotUse
from libs.common.jobs.view import JobView, Subject
from services.gateway.jobs.schemas import JOB_EXAMPLE

# A sentence or two; it is shown beside every waiting job.
_REASON_MAX_CHARS = 500


class WorkerJob(msgspec.Struct, frozen=True):
    """A job whose step a worker runs now; `started_at` is when the job was started first."""

    id: UUID
    kind: str
    subject: Subject
    started_at: datetime | None


class WorkerView(msgspec.Struct, frozen=True):
    """A worker process that lives; of its `jobs` those that the caller may see, so `slots` may show more in use."""

    domain: str
    name: str
    host: str
    version: str
    started_at: datetime
    heartbeat_at: datetime
    slots: dict[str, SlotUse]
    jobs: list[WorkerJob]

    @classmethod
    def of(cls, worker: Heartbeat, jobs: list[WorkerJob]) -> "WorkerView":
        return cls(
            domain=worker.domain,
            name=worker.name,
            host=worker.host,
            version=worker.version,
            started_at=worker.started_at,
            heartbeat_at=worker.seen_at,
            slots=worker.slots,
            jobs=jobs,
        )


class DomainView(msgspec.Struct, frozen=True):
    """The queue of one domain.

    `waiting` and `running` count everybody's jobs: those that are due and were never started, and those that were and
    have not ended. `oldest_wait_s` is null when nothing waits. The two rates are per minute over the last five minutes.
    `next` are the first 20 waiting jobs that the caller may see. While Redis is away, `workers` and the rates are null
    and `note` says so.
    """

    domain: str
    paused: bool
    paused_at: datetime | None
    paused_by: str | None
    reason: str | None
    waiting: int
    running: int
    oldest_wait_s: float | None
    started_per_minute: float | None
    ended_per_minute: float | None
    workers: list[WorkerView] | None
    next: list[JobView]
    note: str | None = None


class QueueView(msgspec.Struct, frozen=True):
    """All queues."""

    domains: list[DomainView]


class AgentsView(msgspec.Struct, frozen=True):
    """All workers; null while Redis is away, as `note` then says."""

    agents: list[WorkerView] | None
    note: str | None = None


class Pause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a domain is paused, for those who wait; null: no reason is given."""

    reason: Annotated[str, msgspec.Meta(max_length=_REASON_MAX_CHARS)] | None = None


WORKER_EXAMPLE = {
    "domain": "builds",
    "name": "builds-host1-3f2b8f6e",
    "host": "host1",
    "version": "0.2.0",
    "started_at": "2026-11-20T08:00:00Z",
    "heartbeat_at": "2026-11-20T18:00:12Z",
    "slots": {"light": {"used": 0, "total": 50}, "heavy": {"used": 1, "total": 2}},
    "jobs": [
        {
            "id": "0199f3a2-6c1e-7b60-9d0a-3f2b8f6e7a11",
            "kind": "builds.run_build",
            "subject": {"type": "build", "id": "12"},
            "started_at": "2026-11-20T18:00:02.120000Z",
        }
    ],
}
WAITING_EXAMPLE = {
    **JOB_EXAMPLE,
    "id": "0199f3a2-7d2f-7c71-8e1b-4a3c9a7f8b22",
    "status": "pending",
    "started_at": None,
    "duration": None,
    "agent_id": None,
    "stage": None,
    "progress": 0,
    "waiting_for": "queue position 1",
    "position": 1,
}
DOMAIN_EXAMPLE = {
    "domain": "builds",
    "paused": False,
    "paused_at": None,
    "paused_by": None,
    "reason": None,
    "waiting": 1,
    "running": 1,
    "oldest_wait_s": 4.2,
    "started_per_minute": 1.4,
    "ended_per_minute": 1.2,
    "workers": [WORKER_EXAMPLE],
    "next": [WAITING_EXAMPLE],
    "note": None,
}
PAUSED_EXAMPLE = {
    **DOMAIN_EXAMPLE,
    "paused": True,
    "paused_at": "2026-11-20T18:00:00Z",
    "paused_by": "ada",
    "reason": "The registry is being moved",
}
