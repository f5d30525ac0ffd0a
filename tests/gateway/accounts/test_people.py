"""Users and tokens by Build State's documented paths: the users and API keys that there are."""

from typing import Any

import pytest

from services.gateway.accounts.models import User
from tests.gateway.accounts.town import PASSWORD, Town, by_key, error

GRACE: dict[str, Any] = {
    "username": "grace",
    "email": "grace@example.org",
    "first_name": "Grace",
    "last_name": "Hopper",
    "employee_id": "E-1906",
    "password": PASSWORD,
    "is_superuser": False,
}


async def test_a_superuser_makes_people(town: Town) -> None:
    """They are made with their names, read without their password, and log in; a second of the name is refused."""
    ada = await town.admin()
    made = await town.ask("POST", "/users", ada.bearer, json=GRACE)
    assert made.status_code == 201, made.text
    view = made.json()
    assert made.headers["Location"] == f"/users/{view['id']}"
    shown = {name: value for name, value in GRACE.items() if name != "password"}
    assert view == {**shown, "id": view["id"], "is_active": True, "created_at": view["created_at"]}
    grace = await town.signed_in("grace")
    for path in (f"/users/{grace.id}", f"/users/{grace.id}/profile"):
        for who in (grace, ada):
            assert (await town.ask("GET", path, who.bearer)).json() == view
    again = await town.ask("POST", "/users", ada.bearer, json=GRACE)
    assert error(again) == (400, "REGISTER_USER_ALREADY_EXISTS")
    root = await town.ask(
        "POST", "/users", ada.bearer, json=GRACE | {"username": "root", "email": None, "is_superuser": True}
    )
    assert root.json()["is_superuser"] is True
    refused = await town.ask("POST", "/users", grace.bearer, json=GRACE | {"username": "x"})
    assert error(refused) == (403, "MISSING_SCOPE")


async def test_people_see_and_change_themselves(town: Town) -> None:
    """One's names are one's own to change, one's password with the one before; rights are not, and others are 404."""
    ada, grace, eve = await town.admin(), await town.newcomer("grace"), await town.newcomer("eve")
    path = f"/users/{grace.id}"
    changed = await town.ask("PUT", path, grace.bearer, json={"first_name": "Grace", "email": "g@example.org"})
    assert (changed.status_code, changed.json()["first_name"], changed.json()["email"]) == (
        200,
        "Grace",
        "g@example.org",
    )
    cleared = await town.ask("PUT", path, grace.bearer, json={"first_name": None})
    assert (cleared.json()["first_name"], cleared.json()["email"]) == (None, "g@example.org")
    for rights in ({"is_superuser": True}, {"is_active": False}):
        assert error(await town.ask("PUT", path, grace.bearer, json=rights)) == (403, "MISSING_SCOPE")
    new: dict[str, str] = {"password": "another horse"}
    for wrong in (new, new | {"current_password": "wrong"}):
        assert error(await town.ask("PUT", path, grace.bearer, json=wrong)) == (403, "WRONG_PASSWORD")
    for method, what in (("GET", ""), ("GET", "/profile"), ("PUT", ""), ("GET", "/tokens"), ("POST", "/tokens")):
        body = None if method == "GET" else {"name": "x"} if what else {}
        answer = await town.ask(method, f"{path}{what}", eve.bearer, json=body)
        assert error(answer) == (404, "USER_NOT_FOUND")
    done = await town.ask("PUT", path, grace.bearer, json=new | {"current_password": PASSWORD})
    assert done.status_code == 200, done.text
    assert await town.code(grace.bearer) == "TOKEN_REVOKED"
    assert (await town.login("grace", new["password"])).status_code == 200
    off = await town.ask("PUT", path, ada.bearer, json={"is_active": False, "password": PASSWORD})
    assert off.json()["is_active"] is False
    assert (await town.login("grace")).status_code == 401


async def test_tokens_are_api_keys(town: Town) -> None:
    """Made once with the secret, listed without it, refused after they are ended; nobody makes another's."""
    ada, grace = await town.admin(), await town.newcomer("grace")
    tokens = f"/users/{grace.id}/tokens"
    made = await town.ask("POST", tokens, grace.bearer, json={"name": "concourse", "scopes": []})
    assert made.status_code == 201, made.text
    token = made.json()
    assert (token["name"], token["status"], set(token)) == ("concourse", "created", {"id", "name", "status", "token"})
    key = by_key(token["token"])
    new_build = {"platform": "aws", "os_version": "rhel-9.2", "image_type": "base", "build_id": "a"}
    assert (await town.ask("POST", "/builds", key, json=new_build)).status_code == 201
    narrow = await town.ask("POST", tokens, grace.bearer, json={"name": "reader", "scopes": ["builds:read"]})
    reader = by_key(narrow.json()["token"])
    assert error(await town.ask("POST", "/builds", reader, json=new_build)) == (403, "MISSING_SCOPE")
    for who in (grace, ada):
        page = (await town.ask("GET", tokens, who.bearer)).json()
        assert [(one["name"], one["user_id"], one["is_active"]) for one in page["tokens"]] == [
            ("reader", grace.id, True),
            ("concourse", grace.id, True),
        ]
        assert page["tokens"][1]["scopes"] == ["builds:read", "builds:write", "jobs:read"]
        assert token["token"] not in str(page)
    assert error(await town.ask("POST", tokens, ada.bearer, json={"name": "x"})) == (403, "API_KEY_NOT_YOURS")
    assert error(await town.ask("GET", tokens, key)) == (403, "MISSING_SCOPE")
    elsewhere = await town.ask("DELETE", f"/users/{ada.id}/tokens/{token['id']}", ada.bearer)
    assert error(elsewhere) == (404, "API_KEY_NOT_FOUND")
    ended = await town.ask("DELETE", f"{tokens}/{token['id']}", grace.bearer)
    assert (ended.status_code, ended.json()) == (200, {"status": "deactivated", "token_id": token["id"]})
    assert (await town.ask("GET", "/builds/a", key)).status_code == 401
    assert (await town.ask("GET", tokens, grace.bearer)).json()["tokens"][1]["is_active"] is False
    past = {"name": "x", "expires_at": "2020-01-01T00:00:00Z"}
    assert error(await town.ask("POST", tokens, grace.bearer, json=past)) == (422, "VALIDATION_ERROR")
    wide = await town.ask("POST", tokens, grace.bearer, json={"name": "x", "scopes": ["admin"]})
    assert error(wide) == (403, "MISSING_SCOPE")


@pytest.mark.databases("sqlite")
async def test_nothing_personal_of_the_deleted_stays(town: Town) -> None:
    """A deleted user's names are gone with the user."""
    ada = await town.admin()
    made = (await town.ask("POST", "/users", ada.bearer, json=GRACE)).json()
    assert (await town.ask("DELETE", f"/api/users/{made['id']}", ada.bearer)).status_code == 204
    assert (await town.ask("GET", f"/users/{made['id']}", ada.bearer)).status_code == 404
    row = (await town.rows(User))[-1]
    assert (row.first_name, row.last_name, row.employee_id, row.email) == (None, None, None, None)
