"""Every operation of the API document, tried by everybody: nobody, others, revoked and narrow keys, and its owner.

The walk finds operations by itself; how each is tried stands in tests/api/cases.py, and an operation that is missing
there fails test_every_operation_has_a_case.
"""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Final

import httpx
import pytest
from litestar.routes import HTTPRoute

from libs.common.http.idempotency import REPLAYED
from libs.common.http.principal import ORDINARY_SCOPES
from services.gateway import openapi
from services.gateway.app import create_app
from services.gateway.frame import Gateway
from tests.api.cases import CASES, READING, Case, Made, World, waiting_job
from tests.gateway.serving import settings
from tests.webhooks.people import Caller, admin, person
from tests.webhooks.site import open_site
from tests.world import DEADLINE_S, eventually

# Forges know a delivery by its id, which makes a second one of it harmless without a key.
WEBHOOKS: Final = ("/webhook/", "/webhooks/")
# Open routes that the document does not show: pages and files, metrics (nginx does not pass them on).
HIDDEN: Final = ("/api/docs", "/api/redoc", "/docs", "/api/openapi.json", "/metrics", "/ui")
CHANGES_NOTHING: Final = {"POST /api/v1/deliveries/explain-signature", *(f"POST {path}" for path in READING)}
# Hundreds a second: the build's history has who said what and when (tests/states), the log of changes would drown.
NOTED_IN_A_HISTORY: Final = {"POST /builds/{ref}/state"}
_HIDDEN_FOLDERS: Final = tuple(f"{path}/" for path in HIDDEN)
ADD_A_CASE: Final = "add an entry for each to CASES in tests/api/cases.py, as its docstring says:\n  "

EVENTS: Final = {"Accept": "text/event-stream"}

Operations = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def app() -> Gateway:
    """The whole gateway, to be looked at; it is never started."""
    return create_app(settings("sqlite:///nowhere.db", "redis://127.0.0.1:1/0"))


@pytest.fixture(scope="module")
def operations(app: Gateway) -> Operations:
    """All operations of the API document by "METHOD /path"."""
    paths = openapi.document(app)["paths"]
    return {f"{method.upper()} {path}": made for path, some in paths.items() for method, made in some.items()}


@pytest.fixture
async def world(database: str, redis: str) -> AsyncIterator[World]:
    async with open_site(database, redis) as site:
        yield World(site, await person(site, "owner"), await person(site, "other"), admin(site))


def test_every_operation_has_a_case(operations: Operations) -> None:
    """An operation without a case was never tried with the wrong credentials; a case without one tries nothing."""
    missing = sorted(operations.keys() - CASES.keys())
    assert not missing, ADD_A_CASE + "\n  ".join(missing)
    assert not sorted(CASES.keys() - operations.keys()), "these cases have no operation any more"


def test_open_is_what_is_said_to_be_open(operations: Operations) -> None:
    """No operation is open but those that the cases name, and each that takes an id is tried with one."""
    open_ones = {name for name, operation in operations.items() if not operation["security"]}
    assert open_ones == {name for name, case in CASES.items() if case.kind == "anybody"}
    with_id = {name for name in operations.keys() - open_ones if "{" in name}
    assert with_id == {name for name in with_id if CASES[name].kind != "own" and CASES[name].maker}


def test_what_the_document_does_not_show(app: Gateway) -> None:
    """No route hides from the walk by being left out of the document."""
    hidden = {
        route.path: handler.opt.get("open", False)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if not handler.resolve_include_in_schema() and handler.http_methods != {"OPTIONS"}
    }
    unknown = [path for path, is_open in hidden.items() if not is_open or not f"{path}/".startswith(_HIDDEN_FOLDERS)]
    assert not unknown, "describe these in the document, or name them in HIDDEN and say why"


def test_every_creation_takes_an_idempotency_key(operations: Operations) -> None:
    """Each POST that answers 201 or 202 has the option IDEMPOTENT or IDEMPOTENT_SECRET."""
    creating = {
        name
        for name, operation in operations.items()
        if name.startswith("POST ") and {"201", "202"} & operation["responses"].keys()
    }
    keyed = {name for name in creating if _takes_key(operations[name])}
    forgotten = {name for name in creating - keyed if not name.removeprefix("POST ").startswith(WEBHOOKS)}
    assert not forgotten, f"merge IDEMPOTENT into the opt of {sorted(forgotten)} (libs/common/http/idempotency.py)"


async def test_who_may_do_what(world: World, operations: Operations) -> None:
    """Nobody and revoked keys get 401, keys without the scope 403 with its name, others 404, and the owner gets in."""
    tries = Tries(world)
    await tries.prepare()
    for name, operation in operations.items():
        case = CASES[name]
        if case.kind != "anybody":
            for accept in case.accepts:
                await tries.all(name, operation, case, accept)
    assert not tries.wrong, "\n".join(tries.wrong)


async def test_lists_show_ones_own_things(world: World, operations: Operations) -> None:
    """A list shows its owner's things to the owner and to superusers, and to nobody else."""
    for name in operations:
        case = CASES[name]
        if case.kind != "listing" or case.maker is None:
            continue
        made = await case.maker(world)
        path = name.removeprefix("GET ").format(**made.ids)

        async def is_seen_by(caller: Caller, path: str = path, mark: str = made.mark) -> bool:
            return mark in (await caller.get(path)).text

        for caller in (world.owner, world.admin):  # what a list shows may be a second old
            await eventually(partial(is_seen_by, caller), f"{name} does not show the thing")
        assert not await is_seen_by(world.other), name


async def test_streams_show_ones_own_jobs(world: World) -> None:
    """The stream of all events tells people of their own jobs and superusers of all; to name another's is a 404."""
    hers, his = await waiting_job(world), await waiting_job(world, world.other)
    assert (await world.other.get("/events", jobs=hers.mark)).status_code == 404
    opened = asyncio.Semaphore(0)

    async def told_up_to_his(caller: Caller) -> str:
        """All that the caller's stream tells up to the end of the other's job, which comes last."""
        text = ""
        async with world.site.client.stream("GET", "/events", headers=caller.headers | EVENTS) as answer:
            opened.release()
            async for line in answer.aiter_lines():
                text += line
                if line.startswith("data:") and his.mark in line:
                    break
        return text

    async with asyncio.timeout(DEADLINE_S):
        streams = [asyncio.create_task(told_up_to_his(caller)) for caller in (world.other, world.admin)]
        for _ in streams:
            await opened.acquire()
        await world.owner.post(f"/jobs/{hers.mark}/cancel")
        await world.other.post(f"/jobs/{his.mark}/cancel")
        assert [hers.mark in await stream for stream in streams] == [False, True]


async def test_creations_are_done_once(world: World, operations: Operations) -> None:
    """With an Idempotency-Key each creating operation is done once: its answer comes again, or says where to look."""
    wrong = []
    for name, operation in operations.items():
        if not _takes_key(operation):
            continue
        case = CASES[name]
        made = Made() if case.maker is None else await case.maker(world)
        caller = world.admin if case.kind == "administration" else world.owner
        headers = {**caller.headers, "Idempotency-Key": f"once-{name.replace(' ', '-')}"}
        first, again = [await _ask(world, name, case, made, headers) for _ in range(2)]
        if again.status_code == 409:
            repeated = again.json()["error"]["code"] == "IDEMPOTENCY_SECRET_SHOWN"
            repeated = repeated and again.headers.get("location") == first.headers["location"]
        else:
            repeated = again.headers.get(REPLAYED) == "true" and again.content == first.content
        if first.is_error or not repeated:
            wrong.append(f"{name}: {first.status_code} {first.text[:200]}, then {again.status_code} {again.text[:200]}")
    assert not wrong, "do these call audit.record with the request's actor in their transaction?\n" + "\n".join(wrong)


async def test_every_change_is_noted(world: World, operations: Operations) -> None:
    """Whoever changes something leaves an entry in the audit log."""
    unnoted = []
    for name in operations.keys() - CHANGES_NOTHING - NOTED_IN_A_HISTORY:
        case = CASES[name]
        if name.startswith("GET ") or case.kind == "anybody":
            continue
        made = Made() if case.maker is None else await case.maker(world)
        caller = world.admin if case.kind == "administration" else world.owner
        before = await _newest_entry(world)
        answer = await _ask(world, name, case, made, dict(made.headers or caller.headers))
        assert answer.is_success, f"{name}: {answer.text}"
        if await _newest_entry(world) == before:
            unnoted.append(name)
    assert not unnoted, f"call audit.record in the transactions of {unnoted}"


class Tries:
    """Tries operations and takes note of what was answered wrongly."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._keys: dict[frozenset[str], dict[str, str]] = {}
        self._revoked: dict[str, str] = {}
        self.wrong: list[str] = []

    async def prepare(self) -> None:
        """Make a key of the owner's with all ordinary scopes, and revoke it."""
        owner = self._world.owner
        made = await owner.post("/api/v1/api-keys", {"name": "revoked", "scopes": sorted(ORDINARY_SCOPES)})
        assert (await owner.delete(f"/api/v1/api-keys/{made.json()['id']}")).status_code == 204
        self._revoked = {"X-API-Key": made.json()["key"]}

    async def all(self, name: str, operation: dict[str, Any], case: Case, accept: str) -> None:
        """Try one operation as everybody; the owner comes last, when nobody may have changed anything."""
        world = self._world
        made = Made() if case.maker is None else await case.maker(world)
        scopes = set(operation.get("x-scopes", ()))

        async def expect(who: str, headers: dict[str, str], *wanted: int, scope: set[str] | None = None) -> None:
            answer = await _ask(world, name, case, made, headers | {"Accept": accept})
            right = answer.status_code in wanted
            if right and scope is not None:
                right = answer.json()["error"].get("details", {}).get("scope") in scope
            if not right:
                self.wrong.append(f"{name} as {who}: {answer.status_code}, not {wanted}: {answer.text[:200]!r}")

        await expect("nobody", {}, 401)
        await expect("revoked key", self._revoked, 401)
        if scopes:
            await expect("key without the scope", await self._key(ORDINARY_SCOPES - scopes), 403, scope=scopes)
        elif case.kind != "own":
            await expect("key without the scope", await self._key(frozenset({"vms:read"})), 403, scope={"admin"})
        if case.kind == "item":
            await expect("other user", world.other.headers, 404)
        elif case.kind == "administration":
            await expect("owner, no superuser", world.owner.headers, 403, scope={"admin"})
        caller = world.admin if case.kind == "administration" else world.owner
        await expect("owner", dict(made.headers or caller.headers), 200, 201, 202, 204)

    async def _key(self, scopes: frozenset[str]) -> dict[str, str]:
        """A key of the owner's with these scopes."""
        if scopes not in self._keys:
            made = await self._world.owner.post("/api/v1/api-keys", {"name": "narrow", "scopes": sorted(scopes)})
            assert made.status_code == 201, made.text
            self._keys[scopes] = {"X-API-Key": made.json()["key"]}
        return self._keys[scopes]


async def _ask(world: World, name: str, case: Case, made: Made, headers: dict[str, str]) -> httpx.Response:
    """Do one operation; of an event stream without an end only the head is read."""
    method, _, path = name.partition(" ")
    body = made.body if made.body is not None else case.body
    request = world.site.client.build_request(method, path.format(**made.ids), json=body, headers=headers)
    answer = await world.site.client.send(request, stream=True)
    try:
        if path != "/events" or answer.is_error:
            await answer.aread()
    finally:
        await answer.aclose()
    return answer


async def _newest_entry(world: World) -> int:
    page = (await world.admin.get("/api/v1/audit", limit=1)).json()
    return page["items"][0]["id"] if page["items"] else 0


def _takes_key(operation: dict[str, Any]) -> bool:
    return any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", ()))
