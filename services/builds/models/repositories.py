"""Repositories that may build."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from libs.common.database import Base, JSONBytes, RowId, UTCDateTime


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
    # --- for the executor `github`, and for telling the forge how builds go
    workflow_file: Mapped[str | None] = mapped_column(String(255))  # None: the setting's
    sealed_api_token: Mapped[bytes | None] = mapped_column(LargeBinary)  # of the forge's REST API
    # superusers allow it: the operator's own GitHub token or App acts for this repository
    uses_operator_token: Mapped[bool] = mapped_column(Boolean, default=False, server_default=text("false"))
    report_status: Mapped[bool] = mapped_column(Boolean, default=True, server_default=text("true"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime)
