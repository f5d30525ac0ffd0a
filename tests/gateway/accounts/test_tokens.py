"""Login tokens: what ends them, on every gateway and whatever happens to Redis."""

import asyncio
import time

import jwt
import pytest
from sqlalchemy import update

from libs.common.auth.secret_key import derive
from libs.common.auth.tokens import AUDIENCE, ISSUER, Tokens
from libs.common.database import utcnow
from services.gateway.accounts.models import RevokedToken, User, UserSession
from services.gateway.app import create_app
from tests.gateway.accounts.town import PASSWORD, Town, error
from tests.gateway.serving import ADMIN_EMAIL, ADMIN_PASSWORD, KEY, SECRET_KEY, served, settings
from tests.servers import RedisServer


@pytest.mark.parametrize("path", ["/api/auth/logout", "/api/auth/jwt/logout"])
async def test_logout_revokes_the_token(town: Town, path: str) -> None:
    """After a logout this token is refused and no other; the revocation is forgotten when the token has expired."""
    bob = await town.newcomer("bob")
    other = await town.signed_in("bob")
    assert (await town.ask("POST", path, bob.bearer)).status_code == 204
    assert await town.code(bob.bearer) == "TOKEN_REVOKED"
    assert error(await town.ask("POST", path, bob.bearer)) == (401, "TOKEN_REVOKED")
    assert await town.code(other.bearer) == "ok"

    async with town.database.transaction() as tx:
        await tx.execute(update(RevokedToken).values(expires_at=utcnow()))
    assert (await town.ask("POST", path, other.bearer)).status_code == 204
    assert len(await town.rows(RevokedToken)) == 1


async def test_two_logouts_at_once(town: Town) -> None:
    """A token that is logged out several times at the same moment is logged out, and nobody sees a fault."""
    bob = await town.newcomer("bob")
    answers = await asyncio.gather(*(town.ask("POST", "/api/auth/logout", bob.bearer) for _ in range(5)))
    assert {answer.status_code for answer in answers} <= {204, 401}
    assert 204 in {answer.status_code for answer in answers}
    assert await town.code(bob.bearer) == "TOKEN_REVOKED"


async def test_revocations_hold_everywhere(town: Town, database: str, redis: str, redis_server: RedisServer) -> None:
    """A logout on one gateway is known to the next request on another, and losing Redis revives nothing."""
    bob = await town.newcomer("bob")
    async with served(create_app(settings(database, redis))) as elsewhere:
        for shown in (bob.bearer, bob.cookie):
            assert (await elsewhere.get("/api/users/me", headers=shown)).status_code == 200
        assert (await town.ask("POST", "/api/auth/logout", bob.bearer)).status_code == 204
        assert (await town.ask("POST", "/api/auth/logout", await town.csrf(bob))).status_code == 204
        for shown in (bob.bearer, bob.cookie):
            assert (await elsewhere.get("/api/users/me", headers=shown)).status_code == 401
        redis_server.kill()
        for shown in (bob.bearer, bob.cookie):
            assert (await elsewhere.get("/api/users/me", headers=shown)).status_code == 401


@pytest.mark.databases("sqlite")
async def test_keys_cannot_log_out(town: Town) -> None:
    """There is nothing to log out of with an API key, and it goes on working."""
    shown = {"X-API-Key": KEY}
    assert error(await town.ask("POST", "/api/auth/logout", shown)) == (403, "LOGIN_REQUIRED")
    assert await town.code(shown) == "ok"


@pytest.mark.parametrize("by", ["token", "session"])
async def test_a_new_password_ends_everything_from_before(town: Town, by: str) -> None:
    """Older tokens and sessions end with the password, the one that changed it too; keys stay."""
    bob, other = await town.newcomer("bob"), await town.signed_in("bob")
    key = await town.key(bob, "jobs:read")
    shown = bob.bearer if by == "token" else await town.csrf(bob)
    body = {"password": "another horse", "current_password": PASSWORD}
    answer = await town.ask("PATCH", "/api/users/me", shown, json=body)
    assert answer.status_code == 200
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    for old in (bob, other):
        assert await town.code(old.bearer) == "TOKEN_REVOKED"
        assert await town.code(old.cookie) == "SESSION_ENDED"
    assert await town.code({"X-API-Key": key["key"]}) == "ok"
    assert (await town.login("bob")).status_code == 401
    again = await town.signed_in("bob", "another horse")
    assert {await town.code(shown) for shown in (again.bearer, again.cookie)} == {"ok"}


async def test_a_new_password_needs_the_old_one(town: Town) -> None:
    """A stolen session cannot take the account over."""
    bob = await town.newcomer("bob")
    for path in ("/api/users/me", "/api/auth/me"):
        answer = await town.ask("PATCH", path, bob.bearer, json={"password": "another horse"})
        assert error(answer) == (422, "VALIDATION_ERROR")
        body = {"password": "another horse", "current_password": "a guess"}
        assert error(await town.ask("PATCH", path, bob.bearer, json=body)) == (403, "WRONG_PASSWORD")
    assert await town.code(bob.bearer) == "ok"
    assert (await town.login("bob")).status_code == 200


async def test_a_login_that_crosses_a_new_password_opens_nothing(town: Town) -> None:
    """Who showed the old password just before it was changed gets a session that is over already."""
    bob = await town.newcomer("bob")
    async with town.database.transaction() as tx:  # as it is when the change commits while argon2 still counts
        await tx.execute(update(User).where(User.id == bob.id).values(token_generation=7))
    assert len(await town.rows(UserSession)) > 0
    assert await town.code(bob.cookie) == "SESSION_ENDED"
    assert await town.code(bob.bearer) == "TOKEN_REVOKED"


@pytest.mark.databases("sqlite")
async def test_a_token_of_nobody(town: Town) -> None:
    """A well-signed token of a user who never was, or of a number that no row can have, is refused in order."""
    for user_id in (4711, 0, -1, 2**63 - 1):
        token = Tokens([SECRET_KEY], lifetime_s=60).issue(user_id)
        assert await town.code({"Authorization": f"Bearer {token}"}) == "INVALID_TOKEN"


@pytest.mark.databases("sqlite")
async def test_clocks_that_differ(town: Town) -> None:
    """A token from a replica whose clock is up to half a minute ahead works here at once."""
    ada = await town.admin()
    now = int(time.time())
    claims = {"sub": str(ada.id), "iss": ISSUER, "aud": AUDIENCE, "jti": "j", "exp": now + 60}
    for ahead_s, expected in ((0, "ok"), (29, "ok"), (90, "INVALID_TOKEN")):
        token = jwt.encode({**claims, "iat": now + ahead_s - 30}, derive(SECRET_KEY, "tokens"), algorithm="HS256")
        assert await town.code({"Authorization": f"Bearer {token}"}) == expected


@pytest.mark.databases("sqlite")
async def test_documented_login_routes(town: Town) -> None:
    """`/auth/password` adds the user to the token; `/auth/idm` says that it is not offered; nobody may keep either."""
    answer = await town.ask("POST", "/auth/password", json={"username": ADMIN_EMAIL, "password": ADMIN_PASSWORD})
    assert set(answer.json()) == {"access_token", "token_type", "user"}
    assert answer.json()["user"] == {"id": 1, "username": "ada", "email": ADMIN_EMAIL, "is_superuser": True}
    assert answer.headers["cache-control"] == "no-store"
    answer = await town.ask("POST", "/auth/idm", json={"username": "ada", "idm_token": "x"})
    assert error(answer) == (501, "IDM_NOT_OFFERED")


async def test_logins_are_in_the_audit_log(town: Town) -> None:
    """A login and a refused one say who and from where; what a stranger typed as a name is not kept."""
    await town.login("ada", "wrong")
    await town.login("my password by mistake", "wrong")
    known, unknown = await town.audited("login.refused")
    assert (known.actor, known.subject_id, known.address) == ("ada", "1", "127.0.0.1")
    assert (unknown.actor, unknown.subject_id) == ("unknown", "unknown")
    started = await town.audited("session.started")
    assert {(entry.actor, entry.actor_id) for entry in started} == {("ada", 1)}
