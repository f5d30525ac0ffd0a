"""API keys that people (and keys with the scope `admin`) make for machines."""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Row, func, insert, literal, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common import audit
from libs.common.audit import Actor
from libs.common.auth.keys import key_digest, make_key, parse_key
from libs.common.database import Database, utcnow
from libs.common.errors import Forbidden
from libs.common.http.paging import Window
from libs.common.http.principal import Principal
from services.gateway.accounts.errors import KeyEnded, NoSuchKey
from services.gateway.accounts.models import ApiKey
from services.gateway.accounts.schemas import KeyView, NewKey


class ApiKeys:
    """Makes, shows and ends keys. Their secrets pass through here once and are stored as digests only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, principal: Principal, window: Window) -> tuple[list[KeyView], int]:
        """List the caller's keys newest first, ended ones included, with their number; a superuser's list has all."""
        # SQL's NULL is equal to nothing: a caller who is no person has no keys.
        mine = true() if principal.is_superuser else ApiKey.user_id == literal(principal.user_id, BigInteger)
        return await self._list(mine, window)

    async def of_user(self, user_id: int, window: Window) -> tuple[list[KeyView], int]:
        """List a user's keys newest first, ended ones included, with their number."""
        return await self._list(ApiKey.user_id == user_id, window)

    async def _list(self, mine: ColumnElement[bool], window: Window) -> tuple[list[KeyView], int]:
        page = select(*_COLUMNS).where(mine).order_by(ApiKey.created_at.desc(), ApiKey.id)
        async with self._database.reading() as tx:
            total = (await tx.execute(select(func.count()).select_from(ApiKey).where(mine))).scalar_one()
            rows = await tx.execute(page.limit(window.limit).offset(window.offset))
            return [_view(row) for row in rows], total

    async def get(self, principal: Principal, key_id: str) -> KeyView:
        """Read a key that the caller may see; raises NoSuchKey."""
        async with self._database.reading() as tx:
            return await _visible(tx, principal, key_id)

    async def make(self, principal: Principal, new: NewKey, actor: Actor) -> tuple[KeyView, str]:
        """Make a key; answers it and its secret form, which nobody can read again. Raises Forbidden.

        A scope that the maker has not got is refused and named.
        """
        for scope in new.scopes:
            if not principal.may(scope):
                raise Forbidden(
                    f"Nobody gives away a scope of which they have none: {scope}",
                    code="MISSING_SCOPE",
                    details={"scope": scope},
                )
        async with self._database.transaction() as tx:
            view, key = await _insert(tx, new.name, new.scopes, principal.user_id, new.expires_at)
            await audit.record(tx, actor, "api_key.created", ("api_key", view.id), name=view.name, scopes=view.scopes)
        return view, key

    async def rotate(self, principal: Principal, key_id: str, overlap: timedelta, actor: Actor) -> tuple[KeyView, str]:
        """Make a key like this one, which itself ends after `overlap`; answers the new one and its secret form.

        The new key lives as long as the old one was made for. Raises NoSuchKey, KeyEnded for one that has ended or was
        rotated already, and Forbidden for somebody else's: to see a person's key is to be that person.
        """
        now = utcnow()
        async with self._database.transaction() as tx:
            old = await _visible(tx, principal, key_id, lock=True)
            if old.owner != principal.user_id:
                raise Forbidden("Only its owner can rotate a key; you can revoke it", code="API_KEY_NOT_YOURS")
            if old.revoked_at or old.replaced_by or (old.expires_at and old.expires_at <= now):
                raise KeyEnded("This key was revoked, has expired or was rotated already")
            lives_until = None if old.expires_at is None else now + (old.expires_at - old.created_at)
            view, key = await _insert(tx, old.name, old.scopes, old.owner, lives_until)
            ends_at = now + overlap if old.expires_at is None else min(old.expires_at, now + overlap)
            replaced = update(ApiKey).where(ApiKey.id == old.id)
            await tx.execute(replaced.values(replaced_by=view.id, expires_at=ends_at))
            await audit.record(tx, actor, "api_key.rotated", ("api_key", old.id), replaced_by=view.id)
        return view, key

    async def revoke(self, principal: Principal, key_id: str, actor: Actor) -> None:
        """End a key now; one that was revoked before stays as it is. Raises NoSuchKey."""
        async with self._database.transaction() as tx:
            key = await _visible(tx, principal, key_id, lock=True)
            if key.revoked_at is None:
                await tx.execute(update(ApiKey).where(ApiKey.id == key.id).values(revoked_at=utcnow()))
                await audit.record(tx, actor, "api_key.revoked", ("api_key", key.id), name=key.name)


async def end_all(tx: AsyncConnection, user_id: int) -> None:
    """Revoke all keys of a user, in the caller's transaction."""
    living = update(ApiKey).where(ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
    await tx.execute(living.values(revoked_at=utcnow()))


_COLUMNS: Final = tuple(
    ApiKey.__table__.c["user_id" if name == "owner" else name] for name in KeyView.__struct_fields__
)


async def _visible(tx: AsyncConnection, principal: Principal, key_id: str, *, lock: bool = False) -> KeyView:
    """Read a key of the caller, or any for a superuser. A key without an owner is a superuser's business."""
    query = select(*_COLUMNS).where(ApiKey.id == key_id)
    row = (await tx.execute(query.with_for_update() if lock else query)).one_or_none()
    view = None if row is None else _view(row)
    if view is None or not (principal.is_superuser or (view.owner is not None and view.owner == principal.user_id)):
        raise NoSuchKey(f"API key not found: {key_id}")
    return view


async def _insert(
    tx: AsyncConnection, name: str, scopes: list[Any], owner: int | None, expires_at: datetime | None
) -> tuple[KeyView, str]:
    key = make_key()
    parsed = parse_key(key)
    assert parsed is not None
    values = {"id": parsed[0], "digest": key_digest(key), "user_id": owner, "name": name, "created_at": utcnow()}
    values |= {"scopes": " ".join(sorted(set(scopes))), "expires_at": expires_at}
    row = await tx.execute(insert(ApiKey).values(values).returning(*_COLUMNS))
    return _view(row.one()), key


def _view(row: Row[Any]) -> KeyView:
    values = dict(zip(KeyView.__struct_fields__, row, strict=True))
    return KeyView(**values | {"scopes": row.scopes.split()})
