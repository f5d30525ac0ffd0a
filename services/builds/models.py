"""Tables of the builds slice. An owner is a plain user id; None is shared."""

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
    LargeBinary,
    String,
    Text,
    Uuid,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from libs.common.database import Base, JSONBytes, UTCDateTime

# SQLite numbers only a column of exactly this type by itself.
RowId = BigInteger().with_variant(Integer(), "sqlite")


class Repository(Base):
    """A repository that may build: registered by a person, or by its first verified delivery."""

    __tablename__ = "repositories"
    __table_args__ = (Index("uq_repositories_owner_name", "forge", "full_name", "owner", unique=True),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    uid: Mapped[str] = mapped_column(String(22), unique=True)  # part of its webhook address; says nothing
    owner: Mapped[int | None] = mapped_column(BigInteger)
    forge: Mapped[str] = mapped_column(String(16))
    full_name: Mapped[str] = mapped_column(String(255))
    clone_url: Mapped[str] = mapped_column(Text)
    html_url: Mapped[str | None] = mapped_column(Text)
    executor: Mapped[str] = mapped_column(String(16))
    pipeline_path: Mapped[str] = mapped_column(String(255), default=".slipway.yml")
    filters: Mapped[Any | None] = mapped_column(JSONBytes)  # forges.Filters; None: the defaults
    env: Mapped[Any | None] = mapped_column(JSONBytes)  # name -> value, given to every step
    sealed_webhook_secrets: Mapped[bytes | None] = mapped_column(LargeBinary)  # JSON list, see service/sealed.py
    sealed_secrets: Mapped[bytes | None] = mapped_column(LargeBinary)  # JSON object, name -> value
    sealed_credentials: Mapped[bytes | None] = mapped_column(LargeBinary)  # JSON object, see BuildSpec
    auto_registered: Mapped[bool] = mapped_column(Boolean, default=False)
    # False: deliveries are written down and start nothing
    active: Mapped[bool] = mapped_column(Boolean, default=True, server_default=text("true"))
    lane_limit: Mapped[int] = mapped_column(Integer, default=1, server_default="1")  # builds of a branch at once
    newest_wins: Mapped[bool] = mapped_column(Boolean, default=False, server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime)


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


class Delivery(Base):
    """One request of a forge: what it was and what became of it.

    `seen_as` is set (and unique) only for accepted deliveries: a redelivery after a mended secret or a failed
    transaction is processed. Bodies of verified deliveries are kept up to 1 MB, of refused ones only 4 KB.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        CheckConstraint("verdict IN ('accepted', 'ignored', 'refused')", name="verdict"),
        Index("ix_deliveries_fingerprint", "fingerprint", "received_at"),
        Index("ix_deliveries_repository", "repository_id", "id"),
        Index("ix_deliveries_verdict", "verdict", "id"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    forge: Mapped[str] = mapped_column(String(16))
    address: Mapped[str] = mapped_column(String(22))  # the repository's uid; "" for the forge's global address
    delivery_id: Mapped[str | None] = mapped_column(String(160))
    seen_as: Mapped[str | None] = mapped_column(String(220), unique=True)
    fingerprint: Mapped[str | None] = mapped_column(String(64))
    event_name: Mapped[str | None] = mapped_column(String(128))
    verdict: Mapped[str] = mapped_column(String(16))
    reason_code: Mapped[str | None] = mapped_column(String(64))
    reason: Mapped[str | None] = mapped_column(Text)
    headers: Mapped[Any] = mapped_column(JSONBytes)  # without secrets
    event: Mapped[Any | None] = mapped_column(JSONBytes)  # the normalised event
    body: Mapped[bytes | None] = mapped_column(LargeBinary)  # zlib
    body_bytes: Mapped[int] = mapped_column(BigInteger)
    repository_id: Mapped[int | None] = mapped_column(ForeignKey("repositories.id", ondelete="SET NULL"))
    build_id: Mapped[int | None] = mapped_column(BigInteger)
    job_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    replay_of: Mapped[int | None] = mapped_column(BigInteger)  # the delivery that a person sent again; may be gone
    request_id: Mapped[str | None] = mapped_column(String(64))
    received_at: Mapped[datetime] = mapped_column(UTCDateTime)
