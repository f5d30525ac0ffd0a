"""Browser sessions: the cookie, what forged requests come to, and how a session ends."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from libs.common.auth.sessions import COOKIE
from libs.common.database import utcnow
from libs.common.settings import CoreSettings, ListenSettings, Loaded
from services.gateway.accounts.models import UserSession
from services.gateway.app import create_app
from tests.gateway.accounts.town import PASSWORD, Town, error
from tests.gateway.serving import ADMIN_EMAIL, ADMIN_PASSWORD, KEY, served, settings
from tests.world import eventually


async def test_a_browser_signs_in_and_works(town: Town) -> None:
    """The login's cookie alone reads everything, says who is signed in, and changes things with the CSRF header."""
    bob = await town.newcomer("bob")
    session = await town.ask("GET", "/api/auth/session", bob.cookie)
    assert session.status_code == 200
    assert session.headers["cache-control"] == "no-store"
    assert session.json()["user"]["username"] == "bob"
    assert session.json()["expires_at"] > utcnow().isoformat()
    assert await town.code(bob.cookie, "/jobs") == "ok"
    body = {"name": "mine", "scopes": ["jobs:read"]}
    headers = await town.csrf(bob)
    assert (await town.ask("POST", "/api/v1/api-keys", headers, json=body)).status_code == 201


async def test_the_cookie(town: Town) -> None:
    """Scripts of a page cannot read it, other sites' forms do not send it, and SQL holds only its digest."""
    answer = await town.login(ADMIN_EMAIL, ADMIN_PASSWORD)
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith(f"{COOKIE}=sls_")
    assert {"httponly", "samesite=lax", "path=/", "max-age=1209600"} <= set(cookie.split("; "))
    assert "secure" not in cookie
    assert answer.cookies[COOKIE].encode() not in {row.digest for row in await town.rows(UserSession)}


async def test_forged_requests(town: Town) -> None:
    """A change with the cookie and without the right header is 403 CSRF_REQUIRED, which names the header."""
    bob, eve = await town.newcomer("bob"), await town.newcomer("eve")
    foreign = (await town.csrf(eve))["X-CSRF-Token"]
    for headers in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "x" * 64}, {"X-CSRF-Token": foreign}):
        for method, path in (("POST", "/api/v1/api-keys"), ("PATCH", "/api/users/me"), ("POST", "/api/auth/logout")):
            answer = await town.ask(method, path, {**bob.cookie, **headers}, json={})
            assert error(answer) == (403, "CSRF_REQUIRED")
            assert answer.json()["error"]["details"] == {"header": "X-CSRF-Token"}
    assert await town.code(bob.cookie) == "ok"


async def test_headers_beat_the_cookie(town: Town) -> None:
    """With a key or token beside the cookie, that one counts: alone when it is right, alone when it is wrong."""
    bob = await town.newcomer("bob")
    with_key = {**bob.cookie, "X-API-Key": KEY}
    assert (await town.ask("GET", "/api/users/me", with_key)).json()["username"] == "pipeline"
    assert error(await town.ask("POST", "/api/auth/logout", with_key)) == (403, "LOGIN_REQUIRED")
    assert await town.code({**bob.cookie, "Authorization": "Bearer nonsense"}) == "INVALID_API_KEY"
    assert await town.code({**bob.cookie, "Authorization": "Basic Ym9iOmJvYg=="}) == "ok"
    ada = await town.admin()
    both = {**bob.cookie, **ada.bearer}
    changed = await town.ask("PATCH", "/api/users/me", both, json={"email": "new@example.org"})
    assert changed.json()["username"] == "ada", "a request by token needs no CSRF header"


async def test_nobody_is_signed_in(town: Town) -> None:
    """Without a session the page learns that nobody is signed in: 401, also with a token or a foreign cookie."""
    bob = await town.newcomer("bob")
    assert await town.code({}, "/api/auth/session") == "UNAUTHENTICATED"
    assert await town.code(bob.bearer, "/api/auth/session") == "NO_SESSION"
    for value in ("sls_" + "x" * 43, "nonsense", "x" * 5000):
        assert (await town.ask("GET", "/api/auth/session", {"Cookie": f"{COOKIE}={value}"})).status_code == 401


async def test_logout_ends_the_session(town: Town) -> None:
    """After a logout the cookie opens nothing and is taken back; the same person's other browser stays signed in."""
    bob = await town.newcomer("bob")
    other = await town.signed_in("bob")
    answer = await town.ask("POST", "/api/auth/logout", await town.csrf(bob))
    assert answer.status_code == 204
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    assert await town.code(bob.cookie) == "SESSION_ENDED"
    assert await town.code(other.cookie) == "ok"
    (entry,) = await town.audited("session.ended")
    assert (entry.actor, entry.actor_id) == ("bob", bob.id)


@pytest.mark.parametrize(
    ("column", "age", "expected"),
    [
        ("seen_at", timedelta(hours=23), "ok"),
        ("seen_at", timedelta(hours=25), "SESSION_ENDED"),
        ("expires_at", -timedelta(minutes=1), "ok"),
        ("expires_at", timedelta(seconds=1), "SESSION_ENDED"),
    ],
)
@pytest.mark.slow
async def test_sessions_have_an_end(town: Town, column: str, age: timedelta, expected: str) -> None:
    """A session ends a day after its last use, and after two weeks however much it is used."""
    bob = await town.newcomer("bob")
    async with town.database.transaction() as tx:
        await tx.execute(update(UserSession).values({column: utcnow() - age}))
    assert await town.code(bob.cookie) == expected


async def test_use_keeps_a_session_alive(town: Town) -> None:
    """What a session is used for is written down beside the request, at most once a minute."""
    bob = await town.newcomer("bob")
    long_ago = utcnow() - timedelta(hours=20)
    async with town.database.transaction() as tx:
        await tx.execute(update(UserSession).values(seen_at=long_ago))
    assert await town.code(bob.cookie) == "ok"

    async def written() -> bool:
        return all(row.seen_at > long_ago or row.user_id != bob.id for row in await town.rows(UserSession))

    await eventually(written, "the use was not written")
    before = await town.rows(UserSession)
    assert await town.code(bob.cookie) == "ok"
    assert await town.rows(UserSession) == before


@pytest.mark.databases("sqlite")
async def test_ended_sessions_are_forgotten(town: Town) -> None:
    """A login takes away what has expired."""
    await town.newcomer("bob")
    async with town.database.transaction() as tx:
        await tx.execute(update(UserSession).values(expires_at=utcnow() - timedelta(seconds=1)))
    await town.newcomer("eve")
    assert len(await town.rows(UserSession)) == 1


async def test_streams_and_downloads_by_cookie(town: Town) -> None:
    """An EventSource and a download link send nothing but the cookie, which is enough."""
    bob = await town.newcomer("bob")
    async with town.client.stream("GET", "/events", headers=bob.cookie) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
    # no such job, but allowed to ask
    assert await town.code({**bob.cookie, "Accept": "text/plain"}, "/jobs/x/logs") == "JOB_NOT_FOUND"


SENDERS: list[tuple[dict[str, str], bool]] = [
    ({}, True),
    ({"Sec-Fetch-Site": "same-origin", "Origin": "https://elsewhere.example"}, True),
    ({"Sec-Fetch-Site": "cross-site"}, False),
    ({"Sec-Fetch-Site": "same-site"}, False),
    ({"Origin": "https://elsewhere.example"}, False),
    ({"Origin": "null"}, False),
    ({"Origin": "http://["}, False),
    ({"Origin": "http://slipway.example", "Host": "slipway.example"}, True),
    ({"Origin": "https://slipway.example", "Host": "slipway.example"}, True),
]


@pytest.mark.databases("sqlite")
async def test_other_sites_sign_nobody_in(town: Town) -> None:
    """A page elsewhere that sends its visitor's browser to our login leaves no session behind."""
    for headers, has_cookie in SENDERS:
        answer = await town.login(ADMIN_EMAIL, ADMIN_PASSWORD, **headers)
        assert answer.status_code == 200
        assert ("set-cookie" in answer.headers) is has_cookie, headers


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("env", "host", "hops", "forwarded", "secure"),
    [
        ("production", "127.0.0.1", 0, None, False),
        ("production", "0.0.0.0", 0, None, True),
        ("development", "0.0.0.0", 0, None, False),
        ("production", "127.0.0.1", 0, "https", False),
        ("production", "127.0.0.1", 1, "https", True),
        ("production", "127.0.0.1", 1, "HTTPS, http", True),
        ("production", "127.0.0.1", 1, "http", False),
        ("production", "127.0.0.1", 1, None, False),
    ],
)
@pytest.mark.slow
async def test_secure_cookies(
    database: str, redis: str, env: str, host: str, hops: int, forwarded: str | None, secure: bool
) -> None:
    """The cookie is for HTTPS only when the request came so, as a trusted proxy tells, or in production elsewhere
    than on this machine.
    """
    chosen = Loaded(
        [
            *settings(database, redis, trusted_proxies=hops, allow_signups=True),
            CoreSettings(env=env),  # type: ignore[arg-type] # a literal
            ListenSettings(host=host),
        ]
    )
    bob = {"username": "bob", "password": PASSWORD}
    async with served(create_app(chosen)) as client:
        await client.post("/api/auth/register", json=bob)
        headers = {} if forwarded is None else {"X-Forwarded-Proto": forwarded}
        answer = await client.post("/api/auth/login", json=bob, headers=headers)
        assert ("secure" in answer.headers["set-cookie"].lower().split("; ")) is secure
