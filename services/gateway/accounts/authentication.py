"""Whose credential is it? The one answer for keys, tokens and sessions.

Static keys are known by heart. Everything else is one read of SQL, and nothing is remembered: what was revoked on
another gateway a moment ago is refused here. Requests that arrive while a read is under way share the next one, so a
busy gateway reads once for many.
"""

import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Row, and_, bindparam, select

from libs.common import metrics
from libs.common.auth.keys import STATIC_USER, StaticKeys, key_digest, parse_key
from libs.common.auth.sessions import is_session, session_digest
from libs.common.auth.tokens import Claims, Tokens
from libs.common.batch import Batch
from libs.common.database import Database, utcnow
from libs.common.errors import Unauthenticated
from libs.common.http.principal import ADMIN, SCOPES, Principal
from services.gateway.accounts.account import COLUMNS, Account
from services.gateway.accounts.errors import Refused
from services.gateway.accounts.models import ApiKey, RevokedToken, User, UserSession
from services.gateway.accounts.service.logins import SessionLife
from services.gateway.accounts.service.uses import Uses

# More than one process serves at once; only there so that a statement has an end.
_MOST: Final = 200
# A turn of the event loop: nobody waits for company, but whoever is there already comes along.
_COLLECT_S: Final = 0.0


class Authenticator:
    """Checks a credential by its form: a static key, an API key, a session, else a token."""

    def __init__(
        self, database: Database, static_keys: StaticKeys, tokens: Tokens, life: SessionLife, uses: Uses
    ) -> None:
        self._database = database
        self._static_keys = static_keys
        self._tokens = tokens
        self._life = life
        self._uses = uses
        self._key_rows = Batch(self._read_keys, collect_s=_COLLECT_S, most=_MOST)
        self._token_rows = Batch(self._read_tokens, collect_s=_COLLECT_S, most=_MOST)
        self._session_rows = Batch(self._read_sessions, collect_s=_COLLECT_S, most=_MOST)

    async def __call__(self, credential: str) -> Principal:
        """Raises Unauthenticated.

        INVALID_API_KEY, API_KEY_REVOKED, API_KEY_EXPIRED, INVALID_TOKEN, TOKEN_EXPIRED, TOKEN_REVOKED, SESSION_ENDED,
        USER_INACTIVE. Which of them is told only to whoever holds the whole secret.
        """
        principal = self._static_keys.find(credential)
        if principal is not None:
            return principal
        try:
            return await self._find(credential)
        except Unauthenticated as refusal:
            metrics.AUTH_FAILURES.labels(refusal.code.lower()).inc()
            raise

    async def _find(self, credential: str) -> Principal:
        if is_session(credential):
            return await self._from_session(credential)
        if credential.count(".") == 2:  # the three parts of a JWT in compact form
            return await self._from_token(credential)
        return await self._from_key(credential)

    async def _from_key(self, credential: str) -> Principal:
        parsed = parse_key(credential)
        key = None if parsed is None else await self._key_rows.do(parsed[0])
        if key is None or not hmac.compare_digest(key.digest, key_digest(credential)):
            raise Refused("INVALID_API_KEY", "Invalid API key")
        if key.revoked_at is not None:
            raise Refused("API_KEY_REVOKED", "This API key was revoked")
        if key.expires_at is not None and key.expires_at <= utcnow():
            raise Refused("API_KEY_EXPIRED", "This API key has expired")
        if key.account is not None and not key.account.is_active:
            raise Refused("USER_INACTIVE", "The owner of this API key is switched off")
        self._uses.key(key.id, key.last_used_at)
        return key.principal()

    async def _from_session(self, credential: str) -> Principal:
        session = await self._session_rows.do(session_digest(credential))
        if session is None or self._life.ends_at(session.seen_at, session.expires_at) <= utcnow():
            raise Refused("SESSION_ENDED", "This session has ended; sign in again")
        self._uses.session(session.digest, session.seen_at)
        return session.account.principal(session=True)

    async def _from_token(self, credential: str) -> Principal:
        claims = self._tokens.read(credential)
        found = await self._token_rows.do(claims)
        if found is None:
            raise Refused("INVALID_TOKEN", "Invalid token")
        if found.revoked or found.account.token_generation != claims.generation:
            raise Refused("TOKEN_REVOKED", "This token was revoked; log in again")
        if not found.account.is_active:
            raise Refused("USER_INACTIVE", "This user is switched off")
        return found.account.principal()

    async def _read_keys(self, ids: Sequence[str]) -> list["_Key | None"]:
        found = {row.id: _Key.of(row) for row in await self._read(_KEYS, ids=ids)}
        return [found.get(one) for one in ids]

    async def _read_sessions(self, digests: Sequence[bytes]) -> list["_Session | None"]:
        found = {row.digest: _Session.of(row) for row in await self._read(_SESSIONS, digests=digests)}
        return [found.get(one) for one in digests]

    async def _read_tokens(self, claims: Sequence[Claims]) -> list["_Token | None"]:
        rows = await self._read(_TOKENS, ids=[one.user_id for one in claims], jtis=[one.jti for one in claims])
        accounts = {row.id: Account.of(row[1:]) for row in rows}
        revoked = {row.jti for row in rows}
        return [
            _Token(accounts[one.user_id], one.jti in revoked) if one.user_id in accounts else None for one in claims
        ]

    async def _read(self, query: Any, **parameters: Sequence[Any]) -> Sequence[Row[Any]]:
        """Run one of the statements below, naming each value once."""
        async with self._database.reading() as tx:
            return (await tx.execute(query, {name: list(set(given)) for name, given in parameters.items()})).all()


class _Key(NamedTuple):
    """An API key's row with its owner, None for one that a static key made."""

    id: str
    digest: bytes
    scopes: frozenset[str]
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    account: Account | None

    @classmethod
    def of(cls, row: Row[Any]) -> "_Key":
        return cls(
            id=row.id,
            digest=row.digest,
            scopes=frozenset(row.scopes.split()),
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
            revoked_at=row.revoked_at,
            account=None if row.user_id is None else Account.of(row[-len(COLUMNS) :]),
        )

    def principal(self) -> Principal:
        """What the key may do: its scopes, as far as its owner still has them."""
        owner = self.account
        scopes = self.scopes & (SCOPES if owner is None else owner.scopes)
        return Principal(
            user_id=None if owner is None else owner.id,
            name=STATIC_USER if owner is None else owner.username,
            scopes=scopes,
            is_superuser=ADMIN in scopes,
            key_id=self.id,
            may_run_local=ADMIN in scopes if owner is None else owner.may_run_local,
        )


class _Session(NamedTuple):
    digest: bytes
    seen_at: datetime
    expires_at: datetime
    account: Account

    @classmethod
    def of(cls, row: Row[Any]) -> "_Session":
        return cls(row.digest, row.seen_at, row.expires_at, Account.of(row[-len(COLUMNS) :]))


class _Token(NamedTuple):
    account: Account
    revoked: bool


_KEYS: Final = (
    select(
        *(ApiKey.id, ApiKey.digest, ApiKey.user_id, ApiKey.scopes),
        *(ApiKey.expires_at, ApiKey.last_used_at, ApiKey.revoked_at),
        *COLUMNS,
    )
    .outerjoin(User, User.id == ApiKey.user_id)
    .where(ApiKey.id.in_(bindparam("ids", expanding=True)))
)
_SESSIONS: Final = (
    select(UserSession.digest, UserSession.seen_at, UserSession.expires_at, *COLUMNS)
    .join(User, and_(User.id == UserSession.user_id, User.token_generation == UserSession.token_generation))
    .where(UserSession.digest.in_(bindparam("digests", expanding=True)), User.is_active)
)
# One row for each user, or for each of their revoked tokens among these.
_TOKENS: Final = (
    select(RevokedToken.jti, *COLUMNS)
    .outerjoin(
        RevokedToken,
        and_(RevokedToken.user_id == User.id, RevokedToken.jti.in_(bindparam("jtis", expanding=True))),
    )
    .select_from(User)
    .where(User.id.in_(bindparam("ids", expanding=True)), User.deleted_at.is_(None))
)
