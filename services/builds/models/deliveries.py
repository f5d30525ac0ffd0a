"""Deliveries of forges."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    Uuid,
)
from sqlalchemy.orm import Mapped, mapped_column

from libs.common.database import Base, JSONBytes, RowId, UTCDateTime


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
        Index("ix_deliveries_job", "job_id"),
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
