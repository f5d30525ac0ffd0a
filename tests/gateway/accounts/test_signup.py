"""Signing up."""

from typing import Any, get_args

import pytest

from libs.common.http.principal import SCOPES
from libs.common.settings import ListenSettings, Loaded
from services.gateway.accounts.models import User
from services.gateway.accounts.schemas import Scope
from services.gateway.app import create_app
from tests.gateway.accounts.town import PASSWORD, Town, by_key, error
from tests.gateway.serving import ADMIN_EMAIL, ADMIN_KEY, served, settings


@pytest.mark.parametrize("path", ["/api/auth/register", "/api/auth/signup"])
async def test_both_paths_make_a_user(town: Town, path: str) -> None:
    """A sign-up answers the user, who has ordinary rights, may log in with either name, and is in the audit log."""
    body = {"email": "Bob@Example.org", "username": "Bob", "password": PASSWORD}
    made = await town.ask("POST", path, json=body)
    assert made.status_code == 201
    user = made.json()
    assert (user["username"], user["email"]) == ("bob", "bob@example.org")
    assert (user["is_active"], user["is_superuser"], user["may_run_local"]) == (True, False, False)
    assert "admin" not in user["scopes"]
    assert {(await town.login(name)).status_code for name in ("bob", "BOB@example.org")} == {200}
    (entry,) = await town.audited("user.created")
    assert (entry.subject_id, entry.address) == (str(user["id"]), "127.0.0.1")
    assert PASSWORD not in str(await town.rows(User))


async def test_a_missing_name_is_made_of_the_address(town: Town) -> None:
    """The e-mail's local part becomes the user name, with something behind it when it is taken or reserved."""
    emails = ["grace@a.example", "grace@b.example", "Grace+ci@c.example", "grace@d.example", "pipeline@a.example"]
    emails += [f"grace@{n}.example" for n in range(4)] + ["...@x.example", f"{'x' * 64}@x.example"]
    names = []
    for email in emails:
        made = await town.ask("POST", "/api/auth/register", json={"email": email, "password": PASSWORD})
        assert made.status_code == 201, made.text
        names.append(made.json()["username"])
    assert names[:5] == ["grace", "grace-2", "grace-ci", "grace-3", "pipeline-2"]
    assert names[5:7] == ["grace-4", "grace-5"]
    assert all(name.startswith("grace-") and len(name) > len("grace-5") for name in names[7:9])
    assert names[9:] == ["user", "x" * 50]


async def test_taken_names_and_addresses(town: Town) -> None:
    """What is taken, in whatever case, or belongs to the built-in user, is the documented 400."""
    taken: list[dict[str, str]] = [{"email": ADMIN_EMAIL.upper()}, {"username": "ADA"}, {"username": "pipeline"}]
    for body in taken:
        answer = await town.ask("POST", "/api/auth/signup", json={**body, "password": PASSWORD})
        assert error(answer) == (400, "REGISTER_USER_ALREADY_EXISTS")
    assert len(await town.rows(User)) == 1


NO_SIGN_UPS: list[dict[str, Any]] = [
    {"password": PASSWORD},
    {"username": "bob", "password": "7 chars"},
    {"username": "bob", "password": "x" * 129},
    {"username": "bob"},
    {"username": "bob@example.org", "password": PASSWORD},
    {"username": "deleted:7", "password": PASSWORD},
    {"username": "b b", "password": PASSWORD},
    {"username": "", "password": PASSWORD},
    {"username": "x" * 65, "password": PASSWORD},
    {"email": "bob", "password": PASSWORD},
    {"email": "a@b@c", "password": PASSWORD},
    {"email": f"{'x' * 250}@example.org", "password": PASSWORD},
    {"username": "bob", "password": PASSWORD, "is_superuser": True},
    {"username": "bob", "password": 12345678},
]


@pytest.mark.databases("sqlite")
async def test_what_is_no_sign_up(town: Town) -> None:
    """Names, addresses and passwords that are none, unknown fields and wrong types are a 422."""
    for body in NO_SIGN_UPS:
        assert error(await town.ask("POST", "/api/auth/register", json=body)) == (422, "VALIDATION_ERROR"), body
        assert len(await town.rows(User)) == 1


@pytest.mark.databases("sqlite")
async def test_passwords_at_the_edge(town: Town) -> None:
    """Eight characters and 128 of any kind are passwords."""
    for name, password in (("short", "8 chars!"), ("long", "ü" * 128)):
        answer = await town.ask("POST", "/api/auth/register", json={"username": name, "password": password})
        assert answer.status_code == 201
        assert (await town.login(name, password)).status_code == 200


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("host", "setting", "is_open"),
    [
        ("127.0.0.1", None, True),
        ("::1", None, True),
        ("localhost", None, True),
        ("0.0.0.0", None, False),
        ("slipway.example.org", None, False),
        ("0.0.0.0", True, True),
        ("127.0.0.1", False, False),
    ],
)
async def test_who_may_sign_up(database: str, redis: str, host: str, setting: bool | None, is_open: bool) -> None:
    """Strangers may sign up on a loopback address, elsewhere only when ALLOW_SIGNUPS says so; a superuser always may
    make users.
    """
    chosen = Loaded([*settings(database, redis, allow_signups=setting), ListenSettings(host=host)])
    async with served(create_app(chosen)) as client:
        assert (await client.get("/api/auth/options")).json() == {"signups": is_open, "password_min": 8}
        body = {"username": "bob", "password": PASSWORD}
        answer = await client.post("/api/auth/register", json=body)
        if is_open:
            assert answer.status_code == 201
        else:
            assert error(answer) == (403, "SIGNUPS_CLOSED")
        made = await client.post("/api/users", json={**body, "username": "eve"}, headers=by_key(ADMIN_KEY))
        assert made.status_code == 201
        assert made.headers["location"] == f"/api/users/{made.json()['id']}"


def test_scopes_of_keys_are_all_scopes() -> None:
    """The body of a new key names every scope there is."""
    assert frozenset(get_args(Scope)) == SCOPES
