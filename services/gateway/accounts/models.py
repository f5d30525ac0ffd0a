"""Tables of the accounts."""

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Integer, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from libs.common.database import Base, RowId, UTCDateTime


class User(Base):
    """A person who may log in. E-mail and user name are kept in lower case: they are the same in any case.

    A deleted user's row stays, without anything personal: SQLite gives the highest id away a second time, and the new
    owner would inherit whatever still bears it.
    """

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    username: Mapped[str] = mapped_column(String(64), unique=True)
    email: Mapped[str | None] = mapped_column(String(254), unique=True)  # RFC 5321: longest address; None: not given
    # --- what Build State's clients tell of people; nothing here depends on it
    first_name: Mapped[str | None] = mapped_column(String(100))
    last_name: Mapped[str | None] = mapped_column(String(100))
    employee_id: Mapped[str | None] = mapped_column(String(64))
    password_hash: Mapped[str] = mapped_column(String(255))  # argon2id, with its parameters; "" fits no password
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)
    is_superuser: Mapped[bool] = mapped_column(Boolean, default=False)
    is_verified: Mapped[bool] = mapped_column(Boolean, default=False)
    may_run_local: Mapped[bool] = mapped_column(Boolean, default=False, server_default=text("(false)"))
    # Tokens and sessions carry it; a new password raises it and so ends all from before.
    token_generation: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime)
    deleted_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class UserSession(Base):
    """A browser that is logged in."""

    __tablename__ = "user_sessions"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)  # SHA-256 of the cookie's token
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    # As the user's was when the password was checked: a login that crosses a change of password opens nothing.
    token_generation: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    seen_at: Mapped[datetime] = mapped_column(UTCDateTime)  # within a minute
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)  # however much it is used


class RevokedToken(Base):
    """A login token that was logged out; forgotten when the token would have expired anyway."""

    __tablename__ = "revoked_tokens"

    jti: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


class ApiKey(Base):
    """A key for machines, `slp_<id>_<secret>`. Its row stays when it has ended, so that the audit log's ids mean
    something.
    """

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(8), primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))  # SHA-256 of the whole key
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)  # None: made by a static key
    name: Mapped[str] = mapped_column(String(100))
    scopes: Mapped[str] = mapped_column(String(255))  # by spaces; all of ours take 100 characters
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # None: never
    last_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # within a minute; None: never
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    replaced_by: Mapped[str | None] = mapped_column(String(8))  # the key that a rotation made
