"""Tables of the runtime: jobs, their archived logs, and the switch of each domain."""

import uuid
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ColumnElement,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    Uuid,
    literal_column,
    text,
)
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, mapped_column

from libs.common.database import Base, JSONBytes, UTCDateTime
from libs.common.jobs.states import JobStatus

# The words stand in the statement itself, here and wherever such rows are asked for: with bound values SQLite never
# uses an index of some rows only, and PostgreSQL only while it plans every execution anew.
ACTIVE_WORDS: Final[tuple[ColumnElement[str], ...]] = (literal_column("'pending'"), literal_column("'running'"))
PENDING_WORD: Final[ColumnElement[str]] = literal_column("'pending'")
RUNNING_WORD: Final[ColumnElement[str]] = literal_column("'running'")
_ACTIVE = text("status IN ('pending', 'running')")
_PENDING = text("status = 'pending'")
_HOLDS_A_LANE = text("lane IS NOT NULL AND lease_owner IS NOT NULL")


def sharer(owner: int | None, repository: str | None) -> str:
    """Who takes turns with a job: its owner; for a shared one, which has none, its repository."""
    if owner is not None:
        return f"user:{owner}"
    return f"repo:{repository}" if repository else ""


def _sharer(context: DefaultExecutionContext) -> str:
    job = context.get_current_parameters()  # type: ignore[no-untyped-call]
    return sharer(job.get("owner"), job.get("repository"))


class Job(Base):
    """One asynchronous unit of work; the truth about it (design: jobs-and-events)."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint("status IN ('pending', 'running', 'success', 'failed', 'cancelled')", name="status"),
        CheckConstraint("progress BETWEEN 0 AND 100", name="progress"),
        # The publisher's question: what is due and not published? Only active rows are in it, so it stays small.
        Index("ix_jobs_due", "domain", "job_class", "run_at", postgresql_where=_ACTIVE, sqlite_where=_ACTIVE),
        # The queue's questions: whose turn is it, how many wait before me?
        Index(
            *("ix_jobs_waiting", "domain", "job_class", "sharer", "run_at", "id"),
            postgresql_where=_PENDING,
            sqlite_where=_PENDING,
        ),
        # The lane's questions: who is before me, who runs? The second index never holds more than all workers' slots.
        Index("ix_jobs_lane", "lane", "id", postgresql_where=_ACTIVE, sqlite_where=_ACTIVE),
        Index("ix_jobs_lane_held", "lane", postgresql_where=_HOLDS_A_LANE, sqlite_where=_HOLDS_A_LANE),
        # The repairer's cursor.
        Index("ix_jobs_updated", "updated_at"),
        # Lists: newest first for one owner, and by repository.
        Index("ix_jobs_owner", "owner", "id"),
        Index("ix_jobs_repository", "repository", "id"),
        Index("ix_jobs_subject", "subject_type", "subject_id", "id"),
        Index("ix_jobs_status", "status", "id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    domain: Mapped[str] = mapped_column(String(32))
    kind: Mapped[str] = mapped_column(String(64))
    job_class: Mapped[str] = mapped_column(String(16))
    owner: Mapped[int | None] = mapped_column(BigInteger)  # None: shared
    sharer: Mapped[str] = mapped_column(String(300), default=_sharer, server_default="")  # whose turn it takes
    subject_type: Mapped[str] = mapped_column(String(32))  # build, server, app
    subject_id: Mapped[str] = mapped_column(String(64))
    lane: Mapped[str | None] = mapped_column(String(255))  # None: may run beside anything
    lane_limit: Mapped[int] = mapped_column(Integer, default=1)  # how many of the lane may run at once
    payload: Mapped[bytes] = mapped_column(LargeBinary)  # the message as JSON
    # Where it stands
    status: Mapped[str] = mapped_column(String(16), default=JobStatus.PENDING.value)
    stage: Mapped[str | None] = mapped_column(String(64))
    progress: Mapped[int] = mapped_column(Integer, default=0)
    waiting_for: Mapped[str | None] = mapped_column(Text)
    checkpoint: Mapped[Any | None] = mapped_column(JSONBytes)  # handler's own notes: external ids, positions
    result: Mapped[Any | None] = mapped_column(JSONBytes)
    exit_code: Mapped[int | None] = mapped_column(Integer)
    error: Mapped[Any | None] = mapped_column(JSONBytes)  # {code, message, retryable}
    version: Mapped[int] = mapped_column(BigInteger, default=1)  # counts visible changes; orders events
    # When and where it may run
    run_at: Mapped[datetime] = mapped_column(UTCDateTime)
    published_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # None: not in a stream
    published_epoch: Mapped[str | None] = mapped_column(String(32))  # the Redis data set it was published into
    lease_owner: Mapped[str | None] = mapped_column(String(128))
    lease_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    lease_no: Mapped[int] = mapped_column(BigInteger, default=0)  # the fence: one per claim
    tries: Mapped[int] = mapped_column(Integer, default=0)  # handler errors
    crashes: Mapped[int] = mapped_column(Integer, default=0)  # leases that lapsed since the last clean step
    cancel_requested_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    cancel_reason: Mapped[Any | None] = mapped_column(JSONBytes)  # {code, message}; None: somebody asked
    wake_requested_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # What it is about, for filters; None where it means nothing
    repository: Mapped[str | None] = mapped_column(String(255))
    branch: Mapped[str | None] = mapped_column(String(255))
    commit_sha: Mapped[str | None] = mapped_column(String(64))
    build_id: Mapped[int | None] = mapped_column(BigInteger)
    retry_of: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    worker: Mapped[str | None] = mapped_column(String(128))  # who ran it last; kept after the end
    request_id: Mapped[str | None] = mapped_column(String(64))
    traceparent: Mapped[str | None] = mapped_column(String(64))
    log_lines: Mapped[int] = mapped_column(BigInteger, default=0)  # lines in the archive
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime)


class JobLogChunk(Base):
    """A compressed run of consecutive log lines of one job.

    `data` is zlib-compressed JSON lines, one batch a line: {"id": entry id, "lines": [...]}. The entry ids are the
    stream positions under which the batches were shown live, so that a client can resume from the archive.
    """

    __tablename__ = "job_log_chunks"

    job_id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    first_n: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    last_n: Mapped[int] = mapped_column(BigInteger)
    first_entry: Mapped[str] = mapped_column(String(40))
    last_entry: Mapped[str] = mapped_column(String(40))
    raw_bytes: Mapped[int] = mapped_column(BigInteger)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class Domain(Base):
    """One row per domain that was ever switched; absent means not paused."""

    __tablename__ = "domains"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    paused: Mapped[bool] = mapped_column(Boolean, default=False)
    paused_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # None, as the next two: not paused
    paused_by: Mapped[str | None] = mapped_column(String(255))
    reason: Mapped[str | None] = mapped_column(Text)  # None also: none was given
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime)
