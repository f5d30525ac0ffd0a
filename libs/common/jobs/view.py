"""The public picture of a job: what `/jobs/{id}` answers, what the live hash holds, what a status event carries."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row

from libs.common.jobs.states import TERMINAL, JobStatus


class Subject(msgspec.Struct, frozen=True):
    """What a job is about: `type` is build, server or app, `id` that row's id as text."""

    type: str
    id: str


class JobError(msgspec.Struct, frozen=True):
    """Why a job did not succeed: a stable code, words for a person, whether a retry may help."""

    code: str
    message: str
    retryable: bool = False


class JobView(msgspec.Struct, frozen=True):
    """A job as clients see it.

    The first ten fields keep the names that raibid documented; `agent_id` is the worker that ran it last,
    `duration` is in seconds, None before the start and up to now while it runs. `position` is the place in its queue
    (1: next), an estimate; None when it does not wait for its first start, and in events, which nobody computes it for.
    """

    id: UUID
    repo: str | None
    branch: str | None
    commit: str | None
    status: JobStatus
    started_at: datetime | None
    finished_at: datetime | None
    duration: float | None
    agent_id: str | None
    exit_code: int | None
    domain: str
    kind: str
    subject: Subject
    stage: str | None
    progress: int
    waiting_for: str | None
    error: JobError | None
    build_id: int | None
    retry_of: UUID | None
    cancel_requested: bool
    tries: int
    created_at: datetime
    version: int
    position: int | None = None


class LiveJob(msgspec.Struct, frozen=True):
    """A JobView with what only the machinery needs: whose it is and which claim wrote it."""

    view: JobView
    owner: int | None
    lease_no: int
    request_id: str | None
    job_class: str

    @property
    def is_terminal(self) -> bool:
        return self.view.status in TERMINAL


def live_job(row: Row[Any]) -> LiveJob:
    """Make the public picture from a row with all columns of the jobs table."""
    m = row._mapping
    started, finished = m["started_at"], m["finished_at"]
    error = m["error"]
    view = JobView(
        id=m["id"],
        repo=m["repository"],
        branch=m["branch"],
        commit=m["commit_sha"],
        status=JobStatus(m["status"]),
        started_at=started,
        finished_at=finished,
        duration=round((finished - started).total_seconds(), 3) if started and finished else None,
        agent_id=m["worker"],
        exit_code=m["exit_code"],
        domain=m["domain"],
        kind=m["kind"],
        subject=Subject(type=m["subject_type"], id=m["subject_id"]),
        stage=m["stage"],
        progress=m["progress"],
        waiting_for=m["waiting_for"],
        error=JobError(**error) if error else None,
        build_id=m["build_id"],
        retry_of=m["retry_of"],
        cancel_requested=m["cancel_requested_at"] is not None,
        tries=m["tries"],
        created_at=m["created_at"],
        version=m["version"],
    )
    return LiveJob(
        view=view, owner=m["owner"], lease_no=m["lease_no"], request_id=m["request_id"], job_class=m["job_class"]
    )


def to_hash(job: LiveJob) -> dict[str, bytes]:
    """Encode for the Redis hash: one field per member of the view, JSON for what is not text, None left out."""
    fields: dict[str, Any] = {**msgspec.structs.asdict(job.view), "owner": job.owner, "lease_no": job.lease_no}
    return {name: msgspec.json.encode(value) for name, value in fields.items() if value is not None}


def from_hash(fields: dict[bytes, bytes]) -> LiveJob:
    """Decode `to_hash`; raises msgspec.ValidationError or KeyError for a hash that is not whole (read SQL then)."""
    raw = {name.decode(): msgspec.Raw(value) for name, value in fields.items()}
    owner = msgspec.json.decode(raw.pop("owner"), type=int) if "owner" in raw else None
    lease_no = msgspec.json.decode(raw.pop("lease_no"), type=int)
    nothing = {name: None for name in JobView.__struct_fields__ if name not in raw}
    view = msgspec.json.decode(msgspec.json.encode({**raw, **nothing}), type=JobView)
    return LiveJob(view=view, owner=owner, lease_no=lease_no, request_id=None, job_class="")
