"""Who gets through: closed by default, scopes, and both ways to show a credential."""

import httpx
import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": "reader"},
        {"Authorization": "Bearer reader"},
        {"Authorization": "bearer   reader"},
        {"X-API-Key": "reader", "Authorization": "Bearer nonsense"},
    ],
)
async def test_both_headers_carry_a_credential(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    """X-API-Key and Authorization: Bearer are the same; with both, X-API-Key counts."""
    answer = await client.get("/anybody", headers=headers)
    assert (answer.status_code, answer.text) == (200, "ada")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": "wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic cmVhZGVyOg=="},
        {"Authorization": "reader"},
        {"Authorization": "Bearer " + "x" * 5000},
        {"X-API-Key": "wrong", "Authorization": "Bearer reader"},
    ],
)
async def test_no_or_wrong_credentials(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    """A route that says nothing about itself is closed: 401 with the challenge that RFC 6750 asks for."""
    answer = await client.get("/anybody", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_missing_scope_is_named(client: httpx.AsyncClient) -> None:
    """A known caller without the scope gets 403 and learns which one is missing."""
    answer = await client.post("/cars/wash", headers={"X-API-Key": "reader"})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "MISSING_SCOPE"
    assert answer.json()["error"]["details"] == {"scope": "builds:write"}
    assert (await client.post("/cars/wash", headers={"X-API-Key": "writer"})).status_code == 200


async def test_superuser_has_every_scope(client: httpx.AsyncClient) -> None:
    """A superuser passes whatever scopes are asked for."""
    assert (await client.post("/cars/wash", headers={"X-API-Key": "root"})).status_code == 200


async def test_open_route_ignores_credentials(client: httpx.AsyncClient) -> None:
    """An open route answers a stale key too: a monitor must not go blind when its key ends."""
    assert (await client.get("/names/a", headers={"X-API-Key": "wrong"})).status_code == 200
