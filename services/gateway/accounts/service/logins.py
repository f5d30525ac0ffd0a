"""Logins: a name and its password open a token and a browser session; logging out ends them."""

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common import audit, metrics
from libs.common.audit import Actor
from libs.common.auth.hashing import Passwords
from libs.common.auth.sessions import csrf_token, make_session, session_digest
from libs.common.auth.tokens import Claims, Tokens
from libs.common.database import Database, utcnow
from services.gateway.accounts.account import COLUMNS, Account
from services.gateway.accounts.errors import Refused
from services.gateway.accounts.models import RevokedToken, User, UserSession

_THERE: Final = User.deleted_at.is_(None)


class SessionLife(msgspec.Struct, frozen=True):
    """How long a session lasts: without being used, and at all."""

    idle: timedelta
    whole: timedelta

    def ends_at(self, seen_at: datetime, expires_at: datetime) -> datetime:
        """When a session ends unless it is used before."""
        return min(seen_at + self.idle, expires_at)


class Opened(msgspec.Struct, frozen=True):
    """What a login hands out. `session` is None where the request's page is not ours (see Logins.open)."""

    account: Account
    token: str
    session: str | None


class Logins:
    """Opens and ends what people are logged in by."""

    def __init__(self, database: Database, passwords: Passwords, tokens: Tokens, life: SessionLife) -> None:
        self._database = database
        self._passwords = passwords
        self._tokens = tokens
        self.life = life

    async def open(self, name: str, password: str, stranger: Actor, *, with_session: bool) -> Opened | None:
        """Check an e-mail address or user name with its password; None when they do not fit or the user is inactive.

        Takes the same time whether or not there is such a user. `stranger` is who asks, as far as is known;
        `with_session` is False for a page of another site, which must not log its visitor in here under a name of its
        own choice. Raises TooManyRequests.
        """
        wanted = name.strip().lower()
        query = select(User.password_hash, *COLUMNS).where(or_(User.username == wanted, User.email == wanted), _THERE)
        async with self._database.reading() as tx:
            row = (await tx.execute(query.limit(1))).one_or_none()
        fits = await self._passwords.verify(password, None if row is None else row.password_hash)
        account = None if row is None else Account.of(row[1:])
        if account is None or not fits or not account.is_active:
            metrics.AUTH_FAILURES.labels("password").inc()
            await self._refuse(account, stranger)
            return None
        session = make_session() if with_session else None
        await self._begin(account, session, stranger)
        return Opened(account, self._tokens.issue(account.id, account.token_generation), session)

    async def _refuse(self, account: Account | None, stranger: Actor) -> None:
        """Tell the audit log of a login that was refused; what a stranger typed as a name may be a password."""
        subject = "unknown" if account is None else str(account.id)
        name = "unknown" if account is None else account.username
        actor = Actor(None, name, None, stranger.address, stranger.request_id)
        async with self._database.transaction() as tx:
            await audit.record(tx, actor, "login.refused", ("user", subject))

    async def _begin(self, account: Account, session: str | None, stranger: Actor) -> None:
        now = utcnow()
        actor = Actor(account.id, account.username, None, stranger.address, stranger.request_id)
        async with self._database.transaction() as tx:
            await audit.record(tx, actor, "session.started", ("user", str(account.id)), browser=session is not None)
            if session is None:
                return
            await tx.execute(delete(UserSession).where(UserSession.expires_at < now))
            values = {"digest": session_digest(session), "user_id": account.id, "created_at": now, "seen_at": now}
            values |= {"token_generation": account.token_generation, "expires_at": now + self.life.whole}
            await tx.execute(insert(UserSession).values(values))

    async def csrf_and_end(self, session: str) -> tuple[str, datetime]:
        """The CSRF token that belongs to a session, and when it ends unless it is used before. Raises Refused."""
        query = select(UserSession.seen_at, UserSession.expires_at).where(UserSession.digest == session_digest(session))
        async with self._database.reading() as tx:
            row = (await tx.execute(query)).one_or_none()
        if row is None:
            raise Refused("SESSION_ENDED", "This session has ended; sign in again")
        return csrf_token(session), self.life.ends_at(row.seen_at, row.expires_at)

    async def end_session(self, session: str, actor: Actor) -> None:
        """Log a browser out; one that is logged out already stays so."""
        async with self._database.transaction() as tx:
            await tx.execute(delete(UserSession).where(UserSession.digest == session_digest(session)))
            await audit.record(tx, actor, "session.ended", ("user", str(actor.user_id)))

    async def end_token(self, token: str, actor: Actor) -> None:
        """Revoke a token for the rest of its life. Raises Unauthenticated for what is none."""
        claims: Claims = self._tokens.read(token)
        values = {"jti": claims.jti, "user_id": claims.user_id}
        try:
            async with self._database.transaction() as tx:
                await tx.execute(delete(RevokedToken).where(RevokedToken.expires_at < utcnow()))
                expires_at = datetime.fromtimestamp(claims.expires_at, UTC)
                await tx.execute(insert(RevokedToken).values(values | {"expires_at": expires_at}))
                await audit.record(tx, actor, "session.ended", ("user", str(actor.user_id)))
        except IntegrityError:
            return  # logged out twice at the same moment


async def end_all(tx: AsyncConnection, user_id: int) -> None:
    """End all sessions and tokens of a user, in the caller's transaction."""
    await tx.execute(delete(UserSession).where(UserSession.user_id == user_id))
    await tx.execute(update(User).where(User.id == user_id).values(token_generation=User.token_generation + 1))
