"""The administration of users, and what it ends."""

import asyncio

import pytest

from services.gateway.accounts.models import ApiKey, User, UserSession
from tests.gateway.accounts.town import PASSWORD, Town, by_key, error
from tests.gateway.serving import ADMIN_EMAIL, ADMIN_KEY


async def test_only_superusers_administer(town: Town) -> None:
    """Everybody else is told which scope is missing."""
    bob = await town.newcomer("bob")
    for method, path in (("GET", ""), ("POST", ""), ("GET", f"/{bob.id}"), ("PATCH", "/1"), ("DELETE", f"/{bob.id}")):
        answer = await town.ask(method, f"/api/users{path}", bob.bearer, json={} if method != "GET" else None)
        assert error(answer) == (403, "MISSING_SCOPE")
        assert answer.json()["error"]["details"] == {"scope": "admin"}


async def test_lists_and_searches(town: Town) -> None:
    """Users come newest first, in pages, and are found by a part of their name or address."""
    ada = await town.admin()
    for name in ("bob", "bobby", "eve_x", "evexx"):
        await town.newcomer(name)
    page = (await town.ask("GET", "/api/users?limit=2", ada.bearer)).json()
    assert ([user["username"] for user in page["items"]], page["total"], page["next_offset"]) == (
        ["evexx", "eve_x"],
        5,
        2,
    )
    for search, names in (("BOB", ["bobby", "bob"]), ("ada@", ["ada"]), ("e_x", ["eve_x"]), ("%", []), ("nobody", [])):
        found = (await town.ask("GET", "/api/users", ada.bearer, params={"search": search})).json()
        assert [user["username"] for user in found["items"]] == names
    assert (await town.ask("GET", "/api/users/", ada.bearer)).status_code == 200


async def test_a_superuser_changes_a_user(town: Town) -> None:
    """Rights, address, name and password can be changed; the audit log says what, without the password."""
    ada, bob = await town.admin(), await town.newcomer("bob")
    body = {"email": "Bob@Example.org", "username": "Robert", "is_verified": True, "may_run_local": True}
    changed = (await town.ask("PATCH", f"/api/users/{bob.id}", ada.bearer, json=body)).json()
    assert (changed["email"], changed["username"], changed["is_verified"]) == ("bob@example.org", "robert", True)
    assert changed["may_run_local"] is True
    assert await town.code(bob.bearer) == "ok"
    assert (await town.ask("GET", "/api/users/me", bob.bearer)).json()["may_run_local"] is True
    answer = await town.ask("PATCH", f"/api/users/{bob.id}", ada.bearer, json={"password": "a new horse"})
    assert answer.status_code == 200
    assert await town.code(bob.bearer) == "TOKEN_REVOKED"
    assert (await town.login("robert", "a new horse")).status_code == 200
    nothing = await town.ask("PATCH", f"/api/users/{bob.id}", ada.bearer, json={})
    assert (nothing.status_code, nothing.json()["username"]) == (200, "robert")
    first, second = await town.audited("user.updated")
    assert first.details["changed"] == sorted(body)
    assert second.details["changed"] == ["password"]
    assert "a new horse" not in str(second)


async def test_names_and_addresses_stay_unique(town: Town) -> None:
    """Taking another user's name or address, or the built-in user's, is a 409 and changes nothing."""
    ada, bob = await town.admin(), await town.newcomer("bob")
    for body in ({"email": ADMIN_EMAIL.upper()}, {"username": "ada"}, {"username": "pipeline"}):
        for path, who in ((f"/api/users/{bob.id}", ada), ("/api/users/me", bob)):
            assert error(await town.ask("PATCH", path, who.bearer, json=body)) == (409, "USER_ALREADY_EXISTS")
    assert (await town.ask("GET", "/api/users/me", bob.bearer)).json()["username"] == "bob"


async def test_people_do_not_give_themselves_rights(town: Town) -> None:
    """What only a superuser decides is no field of one's own change."""
    bob = await town.newcomer("bob")
    for name in ("is_superuser", "is_active", "is_verified", "may_run_local"):
        answer = await town.ask("PATCH", "/api/users/me", bob.bearer, json={name: True})
        assert error(answer) == (422, "VALIDATION_ERROR")


async def test_keys_do_not_change_accounts(town: Town) -> None:
    """Not even a key with `admin` changes its owner's name or password through `me`."""
    ada = await town.admin()
    key = await town.key(ada, "admin")
    for shown in (by_key(key["key"]), by_key(ADMIN_KEY)):
        answer = await town.ask("PATCH", "/api/users/me", shown, json={"username": "eve"})
        assert error(answer) == (403, "LOGIN_REQUIRED")


async def test_switching_off_ends_logins_for_good(town: Town) -> None:
    """Tokens and sessions of a user who was switched off stay ended when the user is back."""
    ada, bob = await town.admin(), await town.newcomer("bob")
    await town.ask("PATCH", f"/api/users/{bob.id}", ada.bearer, json={"is_active": False})
    for shown in (bob.bearer, bob.cookie):
        assert (await town.ask("GET", "/api/users/me", shown)).status_code == 401
    assert (await town.login("bob")).status_code == 401
    await town.ask("PATCH", f"/api/users/{bob.id}", ada.bearer, json={"is_active": True})
    assert await town.code(bob.bearer) == "TOKEN_REVOKED"
    assert await town.code(bob.cookie) == "SESSION_ENDED"
    assert (await town.login("bob")).status_code == 200


async def test_deleting_ends_everything(town: Town) -> None:
    """A deleted user's sessions, tokens and keys end at once; name and address are free, the id is nobody's again."""
    ada, bob = await town.admin(), await town.newcomer("bob")
    key = await town.key(bob, "jobs:read")
    assert (await town.ask("DELETE", f"/api/users/{bob.id}", ada.bearer)).status_code == 204
    assert await town.code(bob.bearer) == "INVALID_TOKEN"
    assert await town.code(bob.cookie) == "SESSION_ENDED"
    assert await town.code(by_key(key["key"])) == "API_KEY_REVOKED"
    assert (await town.login("bob")).status_code == 401
    for method in ("GET", "PATCH", "DELETE"):
        answer = await town.ask(method, f"/api/users/{bob.id}", ada.bearer, json={} if method == "PATCH" else None)
        assert error(answer) == (404, "USER_NOT_FOUND")
    assert (await town.ask("GET", "/api/users", ada.bearer)).json()["total"] == 1
    again = await town.newcomer("bob")
    assert again.id != bob.id
    assert (await town.ask("GET", "/api/v1/api-keys", again.bearer)).json()["total"] == 0
    (entry,) = await town.audited("user.deleted")
    assert (entry.actor, entry.subject_id, entry.details) == ("ada", str(bob.id), {"username": "bob"})
    (gone,) = [row for row in await town.rows(User) if row.id == bob.id]
    assert (gone.email, gone.password_hash) == (None, "")
    assert {row.user_id for row in await town.rows(UserSession)} == {ada.id, again.id}
    assert all(row.revoked_at for row in await town.rows(ApiKey))


async def test_the_last_superuser_stays(town: Town) -> None:
    """The last active superuser can be neither deleted, demoted nor switched off; with a second one, one may go."""
    ada, bob = await town.admin(), await town.newcomer("bob")
    path = f"/api/users/{ada.id}"
    asked = [("DELETE", None), ("PATCH", {"is_superuser": False}), ("PATCH", {"is_active": False})]
    for method, body in asked:
        assert error(await town.ask(method, path, by_key(ADMIN_KEY), json=body)) == (409, "LAST_SUPERUSER")
    await town.ask("PATCH", f"/api/users/{bob.id}", ada.bearer, json={"is_superuser": True, "is_active": False})
    assert error(await town.ask("DELETE", path, ada.bearer)) == (409, "LAST_SUPERUSER")
    await town.ask("PATCH", f"/api/users/{bob.id}", ada.bearer, json={"is_active": True})
    assert (await town.ask("DELETE", path, ada.bearer)).status_code == 204


async def test_superusers_who_remove_each_other(town: Town) -> None:
    """When all superusers are demoted at the same moment, one remains."""
    ada = await town.admin()
    people = [await town.newcomer(f"p{number}") for number in range(4)]
    for person in people:
        await town.ask("PATCH", f"/api/users/{person.id}", ada.bearer, json={"is_superuser": True})
    paths = [f"/api/users/{person.id}" for person in (ada, *people)]
    headers = by_key(ADMIN_KEY)
    answers = await asyncio.gather(
        *(town.client.patch(path, headers=headers, json={"is_superuser": False}) for path in paths)
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [409]
    assert sum(row.is_superuser for row in await town.rows(User)) == 1


async def test_sign_ups_at_the_same_moment(town: Town) -> None:
    """Of several who want one name at once, one gets it; who leaves the choice to us gets another."""
    body = {"username": "bob", "password": PASSWORD}
    answers = await asyncio.gather(*(town.client.post("/api/auth/register", json=body) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [201, 400, 400]
    bodies = [{"email": f"eve@{number}.example", "password": PASSWORD} for number in range(3)]
    answers = await asyncio.gather(*(town.client.post("/api/auth/register", json=one) for one in bodies))
    assert [answer.status_code for answer in answers] == [201] * 3
    assert len({answer.json()["username"] for answer in answers}) == 3


@pytest.mark.databases("sqlite")
async def test_flags_are_no_numbers(town: Town) -> None:
    """0 and "false" are not false in a body, where they may just as well be mistakes."""
    ada = await town.admin()
    for value in (0, 1, "false", "true", None):
        answer = await town.ask("PATCH", "/api/users/1", ada.bearer, json={"is_verified": value})
        assert error(answer) == (422, "VALIDATION_ERROR")
        assert answer.json()["error"]["details"][0]["loc"] == ["body", "is_verified"]


@pytest.mark.databases("sqlite")
async def test_options_name_all_methods(town: Town) -> None:
    """A path's methods are all named, whichever handlers they come from."""
    ada = await town.admin()
    answer = await town.ask("OPTIONS", "/api/users/1", ada.bearer)
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "PATCH", "DELETE", "OPTIONS"}
