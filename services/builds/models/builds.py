"""Builds and their histories."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    Uuid,
)
from sqlalchemy.orm import Mapped, mapped_column

from libs.common.database import Base, JSONBytes, RowId, UTCDateTime


class Build(Base):
    """The record of producing something, whoever runs it."""

    __tablename__ = "builds"
    __table_args__ = (
        CheckConstraint(
            "status IN ('pending', 'queued', 'in_progress', 'success', 'failure', 'cancelled')", name="status"
        ),
        CheckConstraint("state_code BETWEEN 0 AND 100", name="state_code"),
        Index("ix_builds_repository", "repository_id", "id"),
        Index("ix_builds_owner", "owner", "id"),
        Index("uq_builds_owner_build_id", "owner", "build_id", unique=True),
        Index("ix_builds_run", "run_id"),
        Index("ix_builds_image", "platform", "os_version", "image_type", "id"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    uid: Mapped[str] = mapped_column(String(22), unique=True)
    build_id: Mapped[str | None] = mapped_column(String(255))  # the caller's own name for it
    owner: Mapped[int | None] = mapped_column(BigInteger)
    executor: Mapped[str] = mapped_column(String(16))
    repository_id: Mapped[int | None] = mapped_column(ForeignKey("repositories.id"))
    event: Mapped[str | None] = mapped_column(String(16))  # push, tag, pull_request, release
    branch: Mapped[str | None] = mapped_column(String(255))
    tag: Mapped[str | None] = mapped_column(String(255))
    commit_sha: Mapped[str | None] = mapped_column(String(64))
    message: Mapped[str | None] = mapped_column(Text)
    author: Mapped[str | None] = mapped_column(String(255))
    changed_files: Mapped[Any | None] = mapped_column(JSONBytes)  # None: unknown
    status: Mapped[str] = mapped_column(String(16))
    state_code: Mapped[int] = mapped_column(Integer, default=0)
    stage: Mapped[str | None] = mapped_column(String(255))
    error: Mapped[Any | None] = mapped_column(JSONBytes)  # {code, message}
    exit_code: Mapped[int | None] = mapped_column(Integer)
    job_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)  # the latest job
    # --- images: which cell of the matrix, made from what
    platform: Mapped[str | None] = mapped_column(String(64))
    os_version: Mapped[str | None] = mapped_column(String(64))  # Exousia's fedora_version
    image_type: Mapped[str | None] = mapped_column(String(64))
    enable_plymouth: Mapped[bool | None] = mapped_column(Boolean)
    config_id: Mapped[int | None] = mapped_column(ForeignKey("configurations.id", ondelete="SET NULL"))
    # --- the run in another system
    ref: Mapped[str | None] = mapped_column(String(255))  # the git ref that a workflow is dispatched on
    timeout_s: Mapped[int | None] = mapped_column(Integer)  # of the whole run; None: the setting's
    inputs: Mapped[Any | None] = mapped_column(JSONBytes)  # of the workflow: name -> text
    pipeline_url: Mapped[str | None] = mapped_column(Text)  # as the reporting pipeline gave it
    run_repository: Mapped[str | None] = mapped_column(String(255))  # owner/name on GitHub
    run_id: Mapped[int | None] = mapped_column(BigInteger)  # GitHub's workflow run; None: not dispatched yet, or no run
    run_url: Mapped[str | None] = mapped_column(Text)
    conclusion: Mapped[str | None] = mapped_column(String(32))  # the run's, in GitHub's words
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime)


class BuildState(Base):
    """One step of a build's history; ordered by id, never changed."""

    __tablename__ = "build_states"
    __table_args__ = (Index("ix_build_states_build", "build_id", "id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    build_id: Mapped[int] = mapped_column(ForeignKey("builds.id", ondelete="CASCADE"))
    status: Mapped[str] = mapped_column(String(16))
    state_code: Mapped[int] = mapped_column(Integer)
    stage: Mapped[str | None] = mapped_column(String(255))
    message: Mapped[str | None] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(String(255))  # who said so: a worker, a user, a forge
    job_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
