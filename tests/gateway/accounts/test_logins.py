"""Logging in on a real database, and who a credential belongs to."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import func, select, update

from libs.common.auth.hashing import Passwords
from libs.common.database import Database
from services.gateway.accounts.models import User
from services.gateway.accounts.service.users import Users
from tests.gateway.serving import ADMIN_EMAIL, ADMIN_KEY, ADMIN_PASSWORD, KEY, with_driver


async def login(gateway: httpx.AsyncClient, name: str = ADMIN_EMAIL, password: str = ADMIN_PASSWORD) -> httpx.Response:
    return await gateway.post("/api/auth/login", json={"username": name, "password": password})


@pytest_asyncio.fixture
async def admin(gateway: httpx.AsyncClient) -> httpx.AsyncClient:
    """The gateway, once its first administrator is there (made beside the start)."""
    async with asyncio.timeout(10):
        while (await login(gateway)).status_code != 200:
            pass
    return gateway


@pytest.mark.parametrize("path", ["/api/auth/login", "/token"])
@pytest.mark.parametrize("content_type", [None, "application/json", "application/x-www-form-urlencoded", "text/plain"])
@pytest.mark.databases("sqlite")
async def test_json_login(admin: httpx.AsyncClient, path: str, content_type: str | None) -> None:
    """The JSON logins read JSON whatever the content type says and answer a bearer token that works."""
    headers = {"content-type": content_type} if content_type else {}
    body = f'{{"username": "{ADMIN_EMAIL}", "password": "{ADMIN_PASSWORD}"}}'
    answer = await admin.post(path, content=body, headers=headers)
    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "token_type"}
    assert answer.json()["token_type"] == "bearer"
    me = await admin.get("/api/auth/me", headers={"Authorization": f"Bearer {answer.json()['access_token']}"})
    assert (me.json()["email"], me.json()["is_superuser"]) == (ADMIN_EMAIL, True)


async def test_form_login(admin: httpx.AsyncClient) -> None:
    """The form login takes an e-mail address or a user name, in any case."""
    for name in (ADMIN_EMAIL, "ada", "ADA", " Ada@Example.org "):
        answer = await admin.post("/api/auth/jwt/login", data={"username": name, "password": ADMIN_PASSWORD})
        assert answer.status_code == 200
        token = answer.json()["access_token"]
        assert (await admin.get("/api/users/me", headers={"X-API-Key": token})).json()["username"] == "ada"


@pytest.mark.databases("sqlite")
async def test_bad_credentials(admin: httpx.AsyncClient) -> None:
    """Wrong credentials are 400 LOGIN_BAD_CREDENTIALS on the form, 401 elsewhere; nothing tells which part is wrong."""
    messages = set()
    for name, password in ((ADMIN_EMAIL, "wrong"), ("nobody", ADMIN_PASSWORD), ("", ""), ("a\tb", "x" * 1000)):
        answer = await admin.post("/api/auth/jwt/login", data={"username": name, "password": password})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "LOGIN_BAD_CREDENTIALS")
        answer = await login(admin, name, password)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "LOGIN_BAD_CREDENTIALS")
        assert answer.headers["www-authenticate"] == "Bearer"
        messages.add(answer.json()["error"]["message"])
    assert len(messages) == 1


async def test_logins_that_cannot_be_stored(admin: httpx.AsyncClient) -> None:
    """NUL and overlong values are a 422, on both databases and both kinds of body, and never reach SQL."""
    assert (await login(admin, "a\0b")).status_code == 422
    assert (await login(admin, "x" * 2000)).status_code == 422
    for name in ("a\0b", "x" * 2000):
        answer = await admin.post("/api/auth/jwt/login", data={"username": name, "password": "x"})
        assert answer.status_code == 422


async def test_keys_and_who_they_are(gateway: httpx.AsyncClient) -> None:
    """A static key is the built-in user `pipeline` with its scopes, with either header."""
    for headers in ({"X-API-Key": KEY}, {"Authorization": f"Bearer {KEY}"}):
        me = (await gateway.get("/api/auth/me", headers=headers)).json()
        assert (me["id"], me["username"], me["is_superuser"]) == (None, "pipeline", False)
        assert me["scopes"] == ["builds:read", "builds:write", "jobs:read"]
    assert (await gateway.get("/api/auth/me", headers={"X-API-Key": ADMIN_KEY})).json()["is_superuser"]


@pytest.mark.databases("sqlite")
async def test_foreign_credentials(gateway: httpx.AsyncClient) -> None:
    """An unknown key and a token that is not ours are 401, each with its code."""
    unknown_key = "slp_unknown1_0123456789abcdef0123456789abcdef"
    expected = {unknown_key: "INVALID_API_KEY", "dev-key-12345": "INVALID_API_KEY", "a.b.c": "INVALID_TOKEN"}
    for credential, code in expected.items():
        answer = await gateway.get("/api/auth/me", headers={"Authorization": f"Bearer {credential}"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)


@pytest.mark.databases("sqlite")
async def test_token_ends_with_its_user(admin: httpx.AsyncClient, database: str) -> None:
    """The token of a user who was switched off is refused at once, and so is the login."""
    token = (await login(admin)).json()["access_token"]
    store = Database(with_driver(database))
    async with store.transaction() as tx:
        await tx.execute(update(User).values(is_active=False))
    await store.close()
    assert (await admin.get("/api/auth/me", headers={"Authorization": f"Bearer {token}"})).status_code == 401
    assert (await login(admin)).status_code == 401


@pytest_asyncio.fixture
async def store(database: str) -> AsyncIterator[Database]:
    opened = Database(with_driver(database))
    yield opened
    await opened.close()


async def test_only_one_first_admin(store: Database) -> None:
    """Gateways that start together make one administrator; where users exist, none is made."""
    passwords = Passwords()
    accounts = [Users(store, passwords) for _ in range(4)]
    made = await asyncio.gather(*(one.ensure_first_admin("Ada@Example.org", "correct horse") for one in accounts))
    assert made.count(True) == 1
    assert not await accounts[0].ensure_first_admin("other@example.org", "correct horse")
    async with store.reading() as tx:
        assert await tx.scalar(select(func.count()).select_from(User)) == 1
        assert await tx.scalar(select(User.email)) == "ada@example.org"
    passwords.close()
