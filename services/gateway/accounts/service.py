"""Users: their rows and the rules of logging in."""

from typing import Any

import msgspec
import structlog
from sqlalchemy import Row, func, insert, or_, select
from sqlalchemy.exc import IntegrityError

from libs.common import metrics
from libs.common.auth.hashing import Passwords
from libs.common.database import Database, utcnow
from services.gateway.accounts.models import User

log = structlog.get_logger()


class Account(msgspec.Struct, frozen=True):
    """A user's row without the password."""

    id: int
    username: str
    email: str | None
    is_active: bool
    is_superuser: bool
    is_verified: bool
    created_at: Any


class Accounts:
    """The only writer of the users table."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        self._database = database
        self._passwords = passwords

    async def get(self, user_id: int) -> Account | None:
        async with self._database.reading() as tx:
            row = (await tx.execute(select(User.__table__).where(User.id == user_id))).one_or_none()
        return None if row is None else _account(row)

    async def login(self, name: str, password: str) -> Account | None:
        """Check an e-mail address or user name with its password; None when they do not fit or the user is inactive.

        Takes the same time whether or not there is such a user. Raises TooManyRequests.
        """
        wanted = name.strip().lower()
        async with self._database.reading() as tx:
            found = await tx.execute(
                select(User.__table__).where(or_(User.username == wanted, User.email == wanted)).limit(1)
            )
            row = found.one_or_none()
        stored = None if row is None else row._mapping["password_hash"]
        if not await self._passwords.verify(password, stored) or row is None or not row._mapping["is_active"]:
            metrics.AUTH_FAILURES.labels("password").inc()
            return None
        return _account(row)

    async def ensure_first_admin(self, email: str, password: str) -> bool:
        """Make the superuser that the settings name while there is no user at all; True when it was made.

        Gateways that start together may both try: the unique e-mail lets one win.
        """
        async with self._database.reading() as tx:
            if await tx.scalar(select(func.count()).select_from(User)):
                return False
        email = email.strip().lower()
        hashed = await self._passwords.hash(password)
        values = {
            "username": email.partition("@")[0],
            "email": email,
            "password_hash": hashed,
            "is_active": True,
            "is_superuser": True,
            "is_verified": True,
            "created_at": utcnow(),
            "updated_at": utcnow(),
        }
        try:
            async with self._database.transaction() as tx:
                await tx.execute(insert(User).values(**values))
        except IntegrityError:
            return False
        log.info("first_admin_made", email=email)
        return True


def _account(row: Row[Any]) -> Account:
    values = row._mapping
    return Account(**{name: values[name] for name in Account.__struct_fields__})
