"""Table of the keys under which something was done, with the answers."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import Index, Integer, LargeBinary, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from libs.common.database import Base, JSONBytes, UTCDateTime


class IdempotentAnswer(Base):
    """What was done under a key. The row is committed with the work; status, headers and body come a moment later."""

    __tablename__ = "idempotent_answers"
    __table_args__ = (Index("ix_idempotent_answers_done_at", "done_at"),)

    owner: Mapped[str] = mapped_column(String(80), primary_key=True)  # whose key: "user:12", "key:...", "address:..."
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    attempt: Mapped[uuid.UUID] = mapped_column(Uuid)  # the request that did it
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)  # of route and body; keyed, for a body may hold a password
    action: Mapped[str] = mapped_column(String(64))  # as in the audit log
    subject_type: Mapped[str] = mapped_column(String(32))
    subject_id: Mapped[str] = mapped_column(String(255))
    request_id: Mapped[str | None] = mapped_column(String(64))
    done_at: Mapped[datetime] = mapped_column(UTCDateTime)
    answer_by: Mapped[datetime] = mapped_column(UTCDateTime)  # without an answer by then, it was lost
    status: Mapped[int | None] = mapped_column(Integer)  # None: no answer yet
    headers: Mapped[Any | None] = mapped_column(JSONBytes)  # object, those worth repeating
    body: Mapped[bytes | None] = mapped_column(LargeBinary)  # None with a status: held a secret, is never stored
