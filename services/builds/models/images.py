"""The matrix of images that builds make: its axes, and which build is the one to use."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from libs.common.database import Base, RowId, UTCDateTime


class AxisValue(Base):
    """A platform, OS version or image type that some build named; made at its first use."""

    __tablename__ = "axis_values"
    __table_args__ = (Index("uq_axis_values", "axis", "name", unique=True),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    axis: Mapped[str] = mapped_column(String(16))  # platform, os_version, image_type
    name: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)


class Promotion(Base):
    """A build that was put into a channel; the newest one that was not revoked is what the channel offers."""

    __tablename__ = "promotions"
    __table_args__ = (
        Index("ix_promotions_build", "build_id", "id"),
        Index("ix_promotions_channel", "channel", "id"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    build_id: Mapped[int] = mapped_column(ForeignKey("builds.id", ondelete="CASCADE"))
    channel: Mapped[str] = mapped_column(String(32))
    promoted_by: Mapped[str] = mapped_column(String(255))
    promoted_at: Mapped[datetime] = mapped_column(UTCDateTime)
    revoked_by: Mapped[str | None] = mapped_column(String(255))
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
