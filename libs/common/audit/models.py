"""Table of the audit log."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from libs.common.database import Base, JSONBytes, RowId, UTCDateTime


class AuditEntry(Base):
    """One change; never changed itself, deleted only when it is older than the retention says."""

    __tablename__ = "audit_log"
    __table_args__ = (
        Index("ix_audit_log_at", "at"),
        Index("ix_audit_log_actor", "actor", "id"),
        Index("ix_audit_log_action", "action", "id"),
        Index("ix_audit_log_subject", "subject_type", "subject_id", "id"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    actor: Mapped[str] = mapped_column(String(255))  # the name at that time; the user may be gone
    actor_id: Mapped[int | None] = mapped_column(BigInteger)  # None: a static key, or nobody who is known
    key_id: Mapped[str | None] = mapped_column(String(64))  # None: not by an API key
    address: Mapped[str | None] = mapped_column(String(64))  # IPv6 with a zone takes 60; None: a Unix socket
    request_id: Mapped[str | None] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(64))  # "job.cancelled"
    subject_type: Mapped[str] = mapped_column(String(32))
    subject_id: Mapped[str] = mapped_column(String(255))
    details: Mapped[Any | None] = mapped_column(JSONBytes)  # object; None: nothing more to say
