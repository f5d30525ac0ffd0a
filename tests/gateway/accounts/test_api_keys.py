"""API keys: made, used, rotated, revoked; and every way in which one is refused."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from libs.common.database import utcnow
from services.gateway.accounts.models import ApiKey
from tests.gateway.accounts.town import Town, by_key, error
from tests.gateway.serving import ADMIN_KEY, KEY
from tests.world import eventually

KEYS = "/api/v1/api-keys"


async def test_a_key_is_shown_once(town: Town) -> None:
    """Making a key answers it, with an address and a word against keeping it; later nobody can read it."""
    bob = await town.newcomer("bob")
    body = {"name": "nightly", "scopes": ["jobs:read", "builds:read", "jobs:read"]}
    made = await town.ask("POST", KEYS, bob.bearer, json=body)
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    key = made.json()
    assert made.headers["location"] == f"{KEYS}/{key['id']}"
    assert key["key"].startswith(f"slp_{key['id']}_")
    assert (key["name"], key["scopes"], key["owner"]) == ("nightly", ["builds:read", "jobs:read"], bob.id)
    shown = (await town.ask("GET", f"{KEYS}/{key['id']}", bob.bearer)).json()
    listed = (await town.ask("GET", KEYS, bob.bearer)).json()
    assert shown == {name: value for name, value in key.items() if name != "key"}
    assert (listed["items"], listed["total"], listed["next_offset"]) == ([shown], 1, None)
    secret = key["key"].rpartition("_")[2]
    assert secret not in str(await town.rows(ApiKey))
    (entry,) = await town.audited("api_key.created")
    assert (entry.actor, entry.subject_id) == ("bob", key["id"])
    assert secret not in str(entry)


async def test_what_a_key_may_do(town: Town) -> None:
    """A key is its owner with its own scopes: what it lacks is a 403 that names the scope."""
    bob = await town.newcomer("bob")
    key = await town.key(bob, "builds:read")
    for headers in (by_key(key["key"]), {"Authorization": f"Bearer {key['key']}"}):
        me = (await town.ask("GET", "/api/users/me", headers)).json()
        assert (me["id"], me["username"], me["scopes"]) == (bob.id, "bob", ["builds:read"])
    answer = await town.ask("GET", "/jobs", by_key(key["key"]))
    assert error(answer) == (403, "MISSING_SCOPE")
    assert answer.json()["error"]["details"] == {"scope": "jobs:read"}


async def test_keys_that_open_nothing(town: Town) -> None:
    """Truncated, changed, unknown, expired and revoked keys are each refused, and only holders learn why."""
    bob = await town.newcomer("bob")
    key = (await town.key(bob, "jobs:read"))["key"]
    identity = key[:13]
    wrong = [key[:-1], key + "x", key.swapcase(), identity + "x" * 32, "slp_" + key[4:12], f"slp_{'x' * 8}_{'x' * 32}"]
    for one in wrong:
        assert await town.code(by_key(one)) == "INVALID_API_KEY"
    assert await town.code(by_key(key)) == "ok"

    async with town.database.transaction() as tx:
        await tx.execute(update(ApiKey).values(expires_at=utcnow() - timedelta(seconds=1)))
    assert await town.code(by_key(key)) == "API_KEY_EXPIRED"
    assert await town.code(by_key(identity + "x" * 32)) == "INVALID_API_KEY"
    async with town.database.transaction() as tx:
        await tx.execute(update(ApiKey).values(expires_at=None))
    assert (await town.ask("DELETE", f"{KEYS}/{key[4:12]}", bob.bearer)).status_code == 204
    assert await town.code(by_key(key)) == "API_KEY_REVOKED"
    assert (await town.ask("DELETE", f"{KEYS}/{key[4:12]}", bob.bearer)).status_code == 204
    assert len(await town.audited("api_key.revoked")) == 1


async def test_the_last_use_is_noted(town: Town) -> None:
    """A key's use is written beside the request, and not again within a minute."""
    bob = await town.newcomer("bob")
    key = await town.key(bob, "jobs:read")
    assert key["last_used_at"] is None
    assert await town.code(by_key(key["key"])) == "ok"

    async def written() -> bool:
        return (await town.rows(ApiKey))[0].last_used_at is not None

    await eventually(written, "the use was not written")
    before = await town.rows(ApiKey)
    assert await town.code(by_key(key["key"])) == "ok"
    assert await town.rows(ApiKey) == before


async def test_rotation_with_overlap(town: Town) -> None:
    """A rotation makes an equal key; the old one works on for the overlap, then ends, and is not rotated again."""
    bob = await town.newcomer("bob")
    ends = (utcnow() + timedelta(days=90)).isoformat()
    old = await town.key(bob, "jobs:read", expires_at=ends)
    made = await town.ask("POST", f"{KEYS}/{old['id']}/rotate", bob.bearer, json={"overlap_s": 600})
    assert made.status_code == 201
    new = made.json()
    assert made.headers["location"] == f"{KEYS}/{new['id']}"
    assert (new["name"], new["scopes"], new["owner"]) == (old["name"], old["scopes"], bob.id)
    assert new["expires_at"][:10] == ends[:10]
    shown = (await town.ask("GET", f"{KEYS}/{old['id']}", bob.bearer)).json()
    assert shown["replaced_by"] == new["id"]
    assert shown["expires_at"] < (utcnow() + timedelta(seconds=601)).isoformat()
    assert {await town.code(by_key(one["key"])) for one in (old, new)} == {"ok"}
    again = await town.ask("POST", f"{KEYS}/{old['id']}/rotate", bob.bearer, json={})
    assert error(again) == (409, "API_KEY_ENDED")
    at_once = await town.ask("POST", f"{KEYS}/{new['id']}/rotate", bob.bearer, json={"overlap_s": 0})
    assert await town.code(by_key(new["key"])) == "API_KEY_EXPIRED"
    assert await town.code(by_key(at_once.json()["key"])) == "ok"


async def test_overlap_never_lengthens_a_life(town: Town) -> None:
    """A key that ends before the overlap does ends when it was to end."""
    bob = await town.newcomer("bob")
    ends = (utcnow() + timedelta(seconds=60)).isoformat()
    old = await town.key(bob, "jobs:read", expires_at=ends)
    await town.ask("POST", f"{KEYS}/{old['id']}/rotate", bob.bearer, json={"overlap_s": 600})
    shown = (await town.ask("GET", f"{KEYS}/{old['id']}", bob.bearer)).json()
    assert shown["expires_at"] == old["expires_at"]


async def test_scopes_are_at_most_the_maker_s(town: Town) -> None:
    """A person cannot give away what they have not got; an administrator can."""
    bob, ada = await town.newcomer("bob"), await town.admin()
    body = {"name": "x", "scopes": ["jobs:read", "admin"]}
    answer = await town.ask("POST", KEYS, bob.bearer, json=body)
    assert error(answer) == (403, "MISSING_SCOPE")
    assert answer.json()["error"]["details"] == {"scope": "admin"}
    assert (await town.ask("POST", KEYS, ada.bearer, json=body)).status_code == 201


async def test_keys_make_keys_only_with_admin(town: Town) -> None:
    """Without `admin` a key neither sees, makes, rotates nor revokes keys, its own included."""
    ada = await town.admin()
    plain, admin = await town.key(ada, "jobs:read"), await town.key(ada, "admin")
    mine = f"{KEYS}/{plain['id']}"
    body = {"name": "x", "scopes": ["jobs:read"]}
    asked = [("GET", KEYS), ("POST", KEYS), ("GET", mine), ("DELETE", mine), ("POST", f"{mine}/rotate")]
    for method, path in asked:
        answer = await town.ask(method, path, by_key(plain["key"]), json=body if method == "POST" else None)
        assert error(answer) == (403, "MISSING_SCOPE"), (method, path)
        assert answer.json()["error"]["details"] == {"scope": "admin"}
    made = await town.ask("POST", KEYS, by_key(admin["key"]), json=body)
    assert (made.status_code, made.json()["owner"]) == (201, ada.id)


async def test_keys_of_a_static_key(town: Town) -> None:
    """A key that a static administrator's key makes belongs to the built-in user, and works without it."""
    made = await town.ask("POST", KEYS, by_key(ADMIN_KEY), json={"name": "x", "scopes": ["builds:read"]})
    assert (made.status_code, made.json()["owner"]) == (201, None)
    me = (await town.ask("GET", "/api/users/me", by_key(made.json()["key"]))).json()
    assert (me["id"], me["username"], me["scopes"], me["is_superuser"]) == (None, "pipeline", ["builds:read"], False)
    assert error(await town.ask("GET", KEYS, by_key(KEY))) == (403, "MISSING_SCOPE")


async def test_a_superuser_s_key(town: Town) -> None:
    """It has superuser's rights only with `admin`; when its owner loses them, so does the key."""
    ada, bob = await town.admin(), await town.newcomer("bob")
    await town.ask("PATCH", f"/api/users/{bob.id}", ada.bearer, json={"is_superuser": True})
    plain, admin = await town.key(bob, "jobs:read"), await town.key(bob, "admin")
    assert await town.code(by_key(plain["key"]), "/api/users") == "MISSING_SCOPE"
    assert (await town.ask("GET", "/api/users/me", by_key(plain["key"]))).json()["is_superuser"] is False
    assert await town.code(by_key(admin["key"]), "/api/users") == "ok"
    await town.ask("PATCH", f"/api/users/{bob.id}", ada.bearer, json={"is_superuser": False})
    assert await town.code(by_key(admin["key"]), "/api/users") == "MISSING_SCOPE"
    assert (await town.ask("GET", "/api/users/me", by_key(admin["key"]))).json()["scopes"] == []


async def test_keys_of_others(town: Town) -> None:
    """Another person's key does not exist; a superuser sees and revokes it, but cannot make it anew for themselves."""
    bob, eve, ada = await town.newcomer("bob"), await town.newcomer("eve"), await town.admin()
    key = await town.key(bob, "jobs:read")
    path = f"{KEYS}/{key['id']}"
    for method, where in (("GET", path), ("DELETE", path), ("POST", f"{path}/rotate")):
        answer = await town.ask(method, where, eve.bearer, json={} if method == "POST" else None)
        assert error(answer) == (404, "API_KEY_NOT_FOUND")
    assert (await town.ask("GET", KEYS, eve.bearer)).json()["total"] == 0
    assert (await town.ask("GET", KEYS, ada.bearer)).json()["total"] == 1
    rotated = await town.ask("POST", f"{path}/rotate", ada.bearer, json={})
    assert error(rotated) == (403, "API_KEY_NOT_YOURS")
    assert (await town.ask("DELETE", path, ada.bearer)).status_code == 204
    assert await town.code(by_key(key["key"])) == "API_KEY_REVOKED"


async def test_keys_rest_with_their_owner(town: Town) -> None:
    """Keys of a user who is switched off are refused, and work again when the user does."""
    ada, bob = await town.admin(), await town.newcomer("bob")
    key = await town.key(bob, "jobs:read")
    await town.ask("PATCH", f"/api/users/{bob.id}", ada.bearer, json={"is_active": False})
    assert await town.code(by_key(key["key"])) == "USER_INACTIVE"
    await town.ask("PATCH", f"/api/users/{bob.id}", ada.bearer, json={"is_active": True})
    assert await town.code(by_key(key["key"])) == "ok"


NO_KEYS: list[dict[str, Any]] = [
    {"name": ""},
    {"name": "x" * 101},
    {"scopes": []},
    {"scopes": ["jobs:fly"]},
    {"scopes": "jobs:read"},
    {"expires_at": "2001-01-01T00:00:00Z"},
    {"expires_at": "2999-01-01T00:00:00"},
    {"expires_at": "tomorrow"},
    {"owner": 1},
]


@pytest.mark.databases("sqlite")
async def test_what_is_no_key(town: Town) -> None:
    """Names, scopes and ends that are none are a 422."""
    ada = await town.admin()
    for changed in NO_KEYS:
        body = {"name": "x", "scopes": ["jobs:read"], **changed}
        assert error(await town.ask("POST", KEYS, ada.bearer, json=body)) == (422, "VALIDATION_ERROR"), changed
        assert await town.rows(ApiKey) == []


@pytest.mark.databases("sqlite")
async def test_many_at_once(town: Town) -> None:
    """Requests that come together with different credentials are each answered as who they are."""
    people = [await town.newcomer(f"p{number}") for number in range(5)]
    keys = [await town.key(person, "jobs:read") for person in people]
    shown = [headers for person in people for headers in (person.bearer, person.cookie)]
    shown += [by_key(key["key"]) for key in keys] + [by_key("slp_unknown1_" + "x" * 32)]
    answers = await asyncio.gather(*(town.client.get("/api/users/me", headers=one) for one in shown * 5))
    names = [answer.json().get("username") for answer in answers]
    by_login = [person.name for person in people for _ in ("token", "cookie")]
    assert names == [*by_login, *(person.name for person in people), None] * 5
