"""What pipelines report of builds besides their states: failures, artifacts, variables."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from libs.common.database import Base, JSONBytes, RowId, UTCDateTime


class BuildFailure(Base):
    """A failure that was reported; a reset retires it, and it stays in the history."""

    __tablename__ = "build_failures"
    __table_args__ = (Index("ix_build_failures_build", "build_id", "id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    build_id: Mapped[int] = mapped_column(ForeignKey("builds.id", ondelete="CASCADE"))
    state_code: Mapped[int] = mapped_column(Integer)  # where the build stood
    error_message: Mapped[str] = mapped_column(Text)
    error_code: Mapped[str | None] = mapped_column(String(255))
    component: Mapped[str | None] = mapped_column(String(255))
    details: Mapped[Any | None] = mapped_column(JSONBytes)  # an object of the pipeline's own
    actor: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    retired_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # None: the build stands failed because of it


class BuildArtifact(Base):
    """Something that a stage of a build left behind, so that a later run can go on from there."""

    __tablename__ = "build_artifacts"
    __table_args__ = (Index("ix_build_artifacts_build", "build_id", "id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    build_id: Mapped[int] = mapped_column(ForeignKey("builds.id", ondelete="CASCADE"))
    state_code: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(String(255))
    type: Mapped[str] = mapped_column(String(64))
    path: Mapped[str] = mapped_column(Text)
    storage_backend: Mapped[str] = mapped_column(String(64))
    checksum: Mapped[str | None] = mapped_column(String(64))  # SHA-256, hex
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    is_resumable: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))
    is_final: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    deleted_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)


class BuildVariable(Base):
    """A value that a pipeline keeps with its build; sealed when it is sensitive."""

    __tablename__ = "build_variables"
    __table_args__ = (Index("uq_build_variables", "build_id", "key", unique=True),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    build_id: Mapped[int] = mapped_column(ForeignKey("builds.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(255))
    value: Mapped[str | None] = mapped_column(Text)  # None: sealed_value has it
    sealed_value: Mapped[bytes | None] = mapped_column(LargeBinary)
    state_code: Mapped[int] = mapped_column(Integer)  # where the build stood when it was set
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime)
