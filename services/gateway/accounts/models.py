"""Tables of the accounts."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from libs.common.database import Base, UTCDateTime

# SQLite numbers rows by itself only for a column of type INTEGER.
_Identity = BigInteger().with_variant(Integer, "sqlite")


class User(Base):
    """A person who may log in. E-mail and user name are kept in lower case: they are the same in any case."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(_Identity, primary_key=True, autoincrement=True)
    username: Mapped[str] = mapped_column(String(64), unique=True)
    email: Mapped[str | None] = mapped_column(String(254), unique=True)  # RFC 5321: longest address; None: not given
    password_hash: Mapped[str] = mapped_column(String(255))  # argon2id, with its parameters
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)
    is_superuser: Mapped[bool] = mapped_column(Boolean, default=False)
    is_verified: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime)
