"""Users: who there is, and how one comes, changes and goes."""

import re
import secrets
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import structlog
from msgspec import UNSET, UnsetType
from sqlalchemy import and_, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common import audit
from libs.common.audit import Actor
from libs.common.auth.hashing import Passwords
from libs.common.auth.keys import STATIC_USER
from libs.common.database import Database, utcnow
from libs.common.errors import BadRequest
from libs.common.http.paging import Window
from services.gateway.accounts.account import COLUMNS, Account
from services.gateway.accounts.errors import LastSuperuser, NoSuchUser, UserExists, WrongPassword
from services.gateway.accounts.models import User
from services.gateway.accounts.schemas import NewPerson, NewUser, OwnChange, PersonChange, UserChange
from services.gateway.accounts.service import api_keys, logins

log = structlog.get_logger()

_THERE: Final = User.deleted_at.is_(None)
# What the built-in user of static keys is called: in the audit log nobody else may look like it.
_RESERVED: Final = frozenset({STATIC_USER})
_NAME_CHARS: Final = 50  # of 64, so that a number fits behind
_NUMBERED: Final = 5  # info, info-2, ... info-5; more namesakes get a random end instead of a longer search


class Users:
    """Reads and changes users. What changes one is told to the audit log in the same transaction."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        self._database = database
        self._passwords = passwords

    async def get(self, user_id: int) -> Account:
        """Read a user; raises NoSuchUser, also for a deleted one."""
        async with self._database.reading() as tx:
            row = (await tx.execute(select(*COLUMNS).where(User.id == user_id, _THERE))).one_or_none()
        if row is None:
            raise NoSuchUser(f"User not found: {user_id}")
        return Account.of(row)

    async def find(self, search: str | None, window: Window) -> tuple[list[Account], int]:
        """List users newest first, with their number; `search` is a part of the user name or the e-mail address."""
        wanted = (search or "").strip().lower()
        named = or_(User.username.contains(wanted, autoescape=True), User.email.contains(wanted, autoescape=True))
        condition = and_(_THERE, named) if wanted else _THERE
        page = select(*COLUMNS).where(condition).order_by(User.id.desc()).limit(window.limit).offset(window.offset)
        async with self._database.reading() as tx:
            total = (await tx.execute(select(func.count()).select_from(User).where(condition))).scalar_one()
            return [Account.of(row) for row in await tx.execute(page)], total

    async def add(self, new: NewUser, actor: Actor) -> Account:
        """Make an ordinary user. Raises BadRequest (REGISTER_USER_ALREADY_EXISTS, as documented) and TooManyRequests.

        Without a user name it is the local part of the e-mail address, with something behind it when that is taken. A
        person may be made with their names, and as a superuser.
        """
        hashed = await self._passwords.hash(new.password)
        further = new.further if isinstance(new, NewPerson) else {}
        for username in _names(new):
            try:
                async with self._database.transaction() as tx:
                    account = await _insert(tx, username, new.email, hashed, **further)
                    subject = ("user", str(account.id))
                    superuser = account.is_superuser
                    await audit.record(tx, actor, "user.created", subject, username=username, is_superuser=superuser)
            except IntegrityError:
                continue
            else:
                return account
        raise BadRequest("Username or email already exists", code="REGISTER_USER_ALREADY_EXISTS")

    async def change_own(self, user_id: int, change: OwnChange, actor: Actor) -> Account:
        """Change what people may change of themselves. Raises WrongPassword, UserExists, NoSuchUser."""
        if not isinstance(change.password, UnsetType):
            await self.check_password(user_id, str(change.current_password))
        wanted = UserChange(email=change.email, username=change.username, password=change.password)
        return await self.change(user_id, wanted, actor)

    async def check_password(self, user_id: int, password: str) -> None:
        """Raise WrongPassword when this is not the user's password."""
        async with self._database.reading() as tx:
            stored = await tx.scalar(select(User.password_hash).where(User.id == user_id, _THERE))
        if not await self._passwords.verify(password, stored):
            raise WrongPassword("current_password is not your password")

    async def change(self, user_id: int, change: UserChange | PersonChange, actor: Actor) -> Account:
        """Change a user. A new password, and being switched off, end their sessions and tokens.

        Raises NoSuchUser, UserExists and LastSuperuser.
        """
        given = _given(change)
        if not given:
            return await self.get(user_id)
        values = await self._columns(given)
        try:
            async with self._database.transaction() as tx:
                if change.is_active is False or change.is_superuser is False:
                    await _keep_a_superuser(tx, without=user_id)
                if change.password is not UNSET or change.is_active is False:
                    await logins.end_all(tx, user_id)
                row = (
                    await tx.execute(update(User).where(User.id == user_id, _THERE).values(values).returning(*COLUMNS))
                ).one_or_none()
                if row is None:
                    raise NoSuchUser(f"User not found: {user_id}")
                now = {name: value for name, value in given.items() if name != "password"}
                await audit.record(tx, actor, "user.updated", ("user", str(user_id)), changed=sorted(given), now=now)
        except IntegrityError:
            raise UserExists("Another user has this e-mail address or user name") from None
        return Account.of(row)

    async def delete(self, user_id: int, actor: Actor) -> None:
        """Delete a user: their credentials end, name and address are free again, their things stay in their place.

        Raises NoSuchUser and LastSuperuser.
        """
        gone: dict[str, Any] = {
            "username": f"deleted:{user_id}",
            "email": None,
            "password_hash": "",
            "is_active": False,
        }
        gone |= {"first_name": None, "last_name": None, "employee_id": None}
        gone |= {"is_superuser": False, "may_run_local": False, "deleted_at": utcnow(), "updated_at": utcnow()}
        async with self._database.transaction() as tx:
            await _keep_a_superuser(tx, without=user_id)
            found = await tx.execute(select(User.username).where(User.id == user_id, _THERE).with_for_update())
            username = found.scalar_one_or_none()
            if username is None:
                raise NoSuchUser(f"User not found: {user_id}")
            await logins.end_all(tx, user_id)
            await api_keys.end_all(tx, user_id)
            await tx.execute(update(User).where(User.id == user_id).values(gone))
            await audit.record(tx, actor, "user.deleted", ("user", str(user_id)), username=username)

    async def ensure_first_admin(self, email: str, password: str) -> bool:
        """Make the superuser that the settings name while there is no user at all; True when it was made.

        Gateways that start together may both try: the unique e-mail lets one win.
        """
        async with self._database.reading() as tx:
            if await tx.scalar(select(func.count()).select_from(User)):
                return False
        hashed = await self._passwords.hash(password)
        email = email.strip().lower()
        try:
            async with self._database.transaction() as tx:
                rights = {"is_superuser": True, "is_verified": True, "may_run_local": True}
                await _insert(tx, _local_part(email), email, hashed, **rights)
        except IntegrityError:
            return False
        log.info("first_admin_made", email=email)
        return True

    async def _columns(self, given: dict[str, Any]) -> dict[str, Any]:
        """What a change writes into the user's row. Raises UserExists for a name that is reserved."""
        values = {**given, "updated_at": utcnow()}
        for name in ("username", "email"):
            if name in values:
                values[name] = values[name].strip().lower()
        if values.get("username") in _RESERVED:
            raise UserExists("Another user has this e-mail address or user name")
        if "password" in values:
            values["password_hash"] = await self._passwords.hash(values.pop("password"))
        return values


async def _insert(tx: AsyncConnection, username: str, email: str | None, password_hash: str, **further: Any) -> Account:
    values = {"username": username, "email": email and email.strip().lower(), "password_hash": password_hash}
    made = {
        "is_active": True,
        "is_superuser": False,
        "is_verified": False,
        "may_run_local": False,
        "created_at": utcnow(),
    }
    row = await tx.execute(insert(User).values(values | made | {"updated_at": utcnow()} | further).returning(*COLUMNS))
    return Account.of(row.one())


async def _keep_a_superuser(tx: AsyncConnection, *, without: int) -> None:
    """Raise LastSuperuser when nobody could administer any more without this user.

    The rows are locked in one order, so that two superusers who remove each other at once wait for one another.
    """
    active = select(User.id).where(User.is_superuser, User.is_active, _THERE).order_by(User.id).with_for_update()
    if list(await tx.scalars(active)) == [without]:
        raise LastSuperuser("This is the last active superuser; make another one first")


def _given(change: UserChange | PersonChange) -> dict[str, Any]:
    """The fields that a change names."""
    return {name: value for name, value in msgspec.structs.asdict(change).items() if value is not UNSET}


def _names(new: NewUser) -> Iterator[str]:
    """The user names to try, best first: the one that was asked for, or what an e-mail address suggests."""
    if new.username is not None:
        username = new.username.strip().lower()
        if username not in _RESERVED:
            yield username
        return
    base = _local_part(new.email or "")
    if base not in _RESERVED:
        yield base
    for number in range(2, _NUMBERED + 1):
        yield f"{base}-{number}"
    yield f"{base}-{secrets.token_hex(4)}"


def _local_part(email: str) -> str:
    """Make a user name of what stands before the @: other characters become dashes."""
    local = re.sub(r"[^a-z0-9._-]+", "-", email.strip().lower().partition("@")[0]).lstrip("._-")
    return local[:_NAME_CHARS] or "user"
