"""Saved recipes, and every version that they ever had."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from libs.common.database import Base, RowId, UTCDateTime


class Configuration(Base):
    """A recipe under a name that is unique per owner. Its newest version; all versions are in the other table."""

    __tablename__ = "configurations"
    __table_args__ = (
        Index("uq_configurations_owner_name", "owner", "name", unique=True),
        Index("ix_configurations_updated", "updated_at", "id"),
        # SQLite would give the id of a deleted one to the next, which a pipeline that still names it would then build.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    owner: Mapped[int | None] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(String(100))
    description: Mapped[str | None] = mapped_column(String(500))
    yaml_content: Mapped[str] = mapped_column(Text)
    image_type: Mapped[str] = mapped_column(String(64))
    fedora_version: Mapped[str] = mapped_column(String(64))
    enable_plymouth: Mapped[bool] = mapped_column(Boolean)
    version: Mapped[int] = mapped_column(Integer)  # counts saves from 1; its ETag
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime)


class ConfigurationVersion(Base):
    """One save of a configuration; never changed."""

    __tablename__ = "configuration_versions"
    __table_args__ = (Index("uq_configuration_versions", "configuration_id", "version", unique=True),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    configuration_id: Mapped[int] = mapped_column(ForeignKey("configurations.id", ondelete="CASCADE"))
    version: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(String(100))
    description: Mapped[str | None] = mapped_column(String(500))
    yaml_content: Mapped[str] = mapped_column(Text)
    image_type: Mapped[str] = mapped_column(String(64))
    fedora_version: Mapped[str] = mapped_column(String(64))
    enable_plymouth: Mapped[bool] = mapped_column(Boolean)
    actor: Mapped[str] = mapped_column(String(255))  # who saved it
    rolled_back_to: Mapped[int | None] = mapped_column(Integer)  # the version whose content this is again
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
