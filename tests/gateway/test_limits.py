"""How often keys, addresses and accounts may ask: counted over all gateways, shown to clients, never without Redis."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from litestar import Request, Router, get, post
from litestar.datastructures import State
from redis.asyncio import Redis

from libs.common import keys
from libs.common.http.guards import OPEN, Caller, requires
from libs.common.http.limits import UNLIMITED, Limits, address_name, caller_name, count_login
from libs.common.http.principal import Principal
from libs.common.redis import connect
from libs.common.settings import Loaded
from services.gateway.app import GROUPS, create_app
from services.gateway.frame import Gateway, make_gateway
from services.gateway.settings import LimitSettings
from tests.gateway.sample import authenticate
from tests.gateway.serving import ADMIN_EMAIL, ADMIN_PASSWORD, KEY, served, settings
from tests.servers import RedisServer

DEADLINE_S = 20.0


@pytest.fixture
async def server(redis: str) -> AsyncIterator[Redis]:
    client = connect(redis)
    yield client
    await client.aclose()


def make_limits(server: Redis, *, minute_s: float = 60, **limits: int) -> Limits:
    """Limits that wait for a Redis on a busy machine; those not named are none."""
    return Limits(server, **{"per_key": 0, "per_address": 0, "per_login": 0, **limits}, minute_s=minute_s, patience_s=5)


def sample(limits: Limits, *, proxy_hops: int = 0) -> Gateway:
    """A gateway with a route of each kind."""

    @get("/mine")
    async def mine(principal: Caller) -> str:
        return principal.name

    @get("/builds", guards=[requires("builds:write")])
    async def builds() -> str:
        return "built"

    @get("/open", opt=OPEN)
    async def anybody() -> str:
        return "open"

    @get("/probe", opt=OPEN | UNLIMITED)
    async def probe() -> str:
        return "alive"

    @post("/login/{name:str}", opt=OPEN)
    async def login(request: Request[Any, Any, State]) -> str:
        await count_login(request, request.path_params["name"])
        return "in"

    routes = Router("/", route_handlers=[mine, builds, anybody, probe, login])
    return make_gateway([routes], authenticate=authenticate, limits=limits, proxy_hops=proxy_hops)


async def ask(client: httpx.AsyncClient, path: str, times: int, **headers: str) -> list[int]:
    return [(await client.get(path, headers=headers)).status_code for _ in range(times)]


# --- the allowance ----------------------------------------------------------------------------------------------------


async def test_an_allowance_is_used_up_exactly(server: Redis) -> None:
    """One process lets through as many as the limit says, then refuses, and says how many are left."""
    limits = make_limits(server)
    standings = [await limits.take("key:a", 100) for _ in range(103)]
    assert [standing.remaining for standing in standings if standing] == [*range(99, -1, -1), 0, 0, 0]
    assert [standing.refused for standing in standings if standing] == [False] * 100 + [True] * 3
    assert all(standing and 0 < standing.reset_s <= 60 for standing in standings)


async def test_gateways_share_an_allowance(server: Redis) -> None:
    """Three processes together let through no more than the limit, and lose at most their unused shares of it."""
    gateways = [make_limits(server) for _ in range(3)]
    let_through = 0
    for _ in range(300):
        for limits in gateways:
            standing = await limits.take("key:a", 600)
            let_through += standing is not None and not standing.refused
    assert 600 - 2 * 30 <= let_through <= 600


async def test_most_requests_ask_redis_nothing(server: Redis) -> None:
    """A twentieth of the allowance is taken at once, and who is refused is refused without asking."""
    limits = make_limits(server)
    for taken in (30, 60):
        for _ in range(30):
            await limits.take("key:a", 600)
        assert int(await server.get(keys.rate("key:a")) or 0) == taken
    for _ in range(2000):
        await limits.take("key:b", 40)
    assert int(await server.get(keys.rate("key:b")) or 0) == 40


async def test_many_at_once_take_one_share(server: Redis) -> None:
    """Requests that come together wait for one answer and are counted one by one."""
    limits = make_limits(server)
    standings = await asyncio.gather(*(limits.take("key:a", 100) for _ in range(150)))
    assert sum(standing is not None and not standing.refused for standing in standings) == 100
    assert int(await server.get(keys.rate("key:a")) or 0) == 100


async def test_a_minute_ends(server: Redis) -> None:
    """When the minute is over there is a new allowance, and Redis keeps nothing of the old one."""
    limits = make_limits(server, minute_s=0.2)
    assert [standing and standing.refused for standing in [await limits.take("key:a", 1) for _ in range(2)]] == [
        False,
        True,
    ]
    async with asyncio.timeout(DEADLINE_S):
        while await server.exists(keys.rate("key:a")):  # noqa: ASYNC110 - Redis forgets without telling
            await asyncio.sleep(0.01)
        while True:
            standing = await limits.take("key:a", 1)
            assert standing is not None
            if not standing.refused:
                break
            await asyncio.sleep(0.01)


async def test_every_counter_expires(server: Redis) -> None:
    """Also one whose life time was lost."""
    await server.set(keys.rate("key:a"), 1)
    await make_limits(server).take("key:a", 10)
    assert 0 < await server.pttl(keys.rate("key:a")) <= keys.RATE_TTL_S * 1000


async def test_callers_known_are_bounded(server: Redis) -> None:
    """A flood from countless addresses takes no more memory than the newest of them; who fell out is counted on."""
    limits = make_limits(server)
    assert (await limits.take("key:a", 2)) is not None
    for number in range(10_001):
        limits._share(f"address:{number}")
    assert len(limits._known) == 10_000
    assert [standing and standing.refused for standing in [await limits.take("key:a", 2) for _ in range(2)]] == [
        False,
        True,
    ]


# --- without Redis ----------------------------------------------------------------------------------------------------


async def test_without_redis_each_counts_for_itself(redis_server: RedisServer) -> None:
    """While Redis is away each process gives out the whole allowance; when it is back, they count together again."""
    servers = [connect(redis_server.url) for _ in range(2)]
    gateways = [make_limits(server, minute_s=0.2) for server in servers]
    redis_server.kill()
    for limits in gateways:
        standings = [await limits.take("key:a", 3) for _ in range(4)]
        assert [standing and standing.refused for standing in standings] == [False, False, False, True]
    redis_server.start()
    async with asyncio.timeout(DEADLINE_S):
        while not await servers[0].exists(keys.rate("key:b")):
            await gateways[0].take("key:b", 3)
            await asyncio.sleep(0.01)
    for server in servers:
        await server.aclose()


async def test_a_redis_that_hangs_costs_one_patience(unused_tcp_redis: str) -> None:
    """A server that never answers delays one request a second by 50 ms: a thousand callers do not queue behind it."""
    server = connect(unused_tcp_redis)
    limits = Limits(server, per_key=0, per_address=0, per_login=0)
    async with asyncio.timeout(DEADLINE_S):  # a thousand times 50 ms are 50 s
        standings = [await limits.take(f"key:{number}", 10) for number in range(1000)]
    assert {standing and standing.remaining for standing in standings} == {9}
    await server.aclose()


@pytest.fixture
async def unused_tcp_redis() -> AsyncIterator[str]:
    """The address of a server that takes connections and says nothing."""
    writers: list[asyncio.StreamWriter] = []

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.read()

    listening = await asyncio.start_server(swallow, "127.0.0.1", 0)
    yield f"redis://127.0.0.1:{listening.sockets[0].getsockname()[1]}/0"
    listening.close()
    for writer in writers:
        writer.close()


# --- over HTTP --------------------------------------------------------------------------------------------------------


async def test_a_key_that_asks_too_often(server: Redis) -> None:
    """It gets 429 with the time to wait, until then its standing with each answer; another key is not concerned."""
    async with served(sample(make_limits(server, per_key=3))) as client:
        answers = [await client.get("/mine", headers={"X-API-Key": "reader"}) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0"]
        last = answers[-1]
        assert last.json()["error"]["code"] == "RATE_LIMITED"
        assert last.headers["retry-after"] == last.headers["ratelimit-reset"]
        assert 0 < int(last.headers["retry-after"]) <= 60
        assert last.headers["ratelimit-limit"] == "3"
        assert await ask(client, "/mine", 1, **{"X-API-Key": "writer"}) == [200]


async def test_a_missing_scope_counts(server: Redis) -> None:
    """A 403 is a request like any other."""
    async with served(sample(make_limits(server, per_key=1))) as client:
        assert await ask(client, "/builds", 2, **{"X-API-Key": "reader"}) == [403, 429]


async def test_strangers_are_counted_by_address(server: Redis) -> None:
    """No credentials, wrong ones and open routes count for the address; right ones from there do not."""
    async with served(sample(make_limits(server, per_address=3))) as client:
        assert await ask(client, "/mine", 1) == [401]
        assert await ask(client, "/mine", 1, **{"X-API-Key": "wrong"}) == [401]
        assert await ask(client, "/open", 1) == [200]
        assert await ask(client, "/mine", 1) == [429]
        assert await ask(client, "/mine", 1, **{"X-API-Key": "wrong"}) == [429]
        assert await ask(client, "/open", 1, **{"X-API-Key": "reader"}) == [429]
        assert await ask(client, "/mine", 5, **{"X-API-Key": "reader"}) == [200] * 5
        assert await ask(client, "/probe", 5) == [200] * 5
        assert "ratelimit-limit" not in (await client.get("/probe")).headers


async def test_the_address_is_the_proxy_s_word(server: Redis) -> None:
    """Behind a trusted proxy each client has its own allowance, and cannot choose another by what it claims itself."""
    async with served(sample(make_limits(server, per_address=1), proxy_hops=1)) as client:
        for address in ("192.0.2.1", "192.0.2.2"):
            assert await ask(client, "/open", 2, **{"X-Forwarded-For": f"203.0.113.9, {address}"}) == [200, 429]
        assert await ask(client, "/open", 1, **{"X-Forwarded-For": "198.51.100.1, 192.0.2.1"}) == [429]


async def test_without_a_proxy_the_header_is_not_believed(server: Redis) -> None:
    """A client that talks to us directly is counted by its socket, whatever it claims."""
    async with served(sample(make_limits(server, per_address=2))) as client:
        addresses = ("192.0.2.1", "192.0.2.2", "192.0.2.3")
        statuses = [await ask(client, "/open", 1, **{"X-Forwarded-For": address}) for address in addresses]
        assert statuses == [[200], [200], [429]]


async def test_logins_to_one_account(server: Redis) -> None:
    """They are counted over all addresses and in any case of letters; another account is not concerned."""
    async with served(sample(make_limits(server, per_login=5), proxy_hops=1)) as client:

        async def login(name: str, address: str) -> httpx.Response:
            return await client.post(f"/login/{name}", headers={"X-Forwarded-For": address})

        answers = [await login(name, f"192.0.2.{n}") for n, name in enumerate(["ada", "ADA", "ada%20", "ada", "Ada"])]
        assert [answer.status_code for answer in answers] == [201] * 5
        refused = await login("ada", "192.0.2.99")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RATE_LIMITED")
        assert "retry-after" in refused.headers
        assert (await login("bob", "192.0.2.99")).status_code == 201
        assert not [name async for name in server.scan_iter("*ada*")]  # Redis knows no names


async def test_the_limit_that_ends_first_is_shown(server: Redis) -> None:
    """A login counts for its address and its account, and the answer tells of the one with less left."""
    async with served(sample(make_limits(server, per_login=5, per_address=100))) as client:
        assert (await client.post("/login/ada")).headers["ratelimit-limit"] == "5"
    async with served(sample(make_limits(server, per_login=50, per_address=3))) as client:
        assert (await client.post("/login/bob")).headers["ratelimit-limit"] == "3"


async def test_zero_is_no_limit(server: Redis) -> None:
    """Nothing is counted, and answers carry no standing."""
    async with served(sample(make_limits(server))) as client:
        assert await ask(client, "/open", 5) == [200] * 5
        assert "ratelimit-limit" not in (await client.get("/mine", headers={"X-API-Key": "reader"})).headers
    assert not [name async for name in server.scan_iter("rate:*")]


async def test_head_counts_like_get(server: Redis) -> None:
    """HEAD is no way around."""
    async with served(sample(make_limits(server, per_address=1))) as client:
        assert [(await client.head("/open")).status_code for _ in range(2)] == [200, 429]


async def test_unknown_paths_cost_nothing(server: Redis) -> None:
    """What no route takes is refused before anything is counted."""
    async with served(sample(make_limits(server, per_address=1))) as client:
        assert await ask(client, "/nowhere", 3) == [404] * 3
        assert (await client.delete("/open")).status_code == 405
        assert await ask(client, "/open", 1) == [200]


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.7", "address:192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "address:2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "address:2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "address:192.0.2.7"),
        ("fe80::1%eth0", "address:fe80::/64"),
        ("unknown", "address:unknown"),
        ("x" * 1000, "address:" + "x" * 64),
    ],
)
def test_names_of_addresses(address: str, name: str) -> None:
    """IPv4 by the address, in either notation; IPv6 by its /64; anything else as it is, up to a length."""
    assert address_name(address) == name


def test_names_of_callers() -> None:
    """A key has an allowance of its own; tokens and sessions of one person share theirs."""
    key = Principal(7, "ada", frozenset(), key_id="abcd1234")
    assert (caller_name(key), caller_name(Principal(7, "ada", frozenset()))) == ("key:abcd1234", "user:7")


# --- the whole gateway ------------------------------------------------------------------------------------------------


@pytest.fixture
def limited(database: str, redis: str) -> Gateway:
    """The whole gateway with small limits."""
    chosen = LimitSettings(per_key=20, per_address=30, per_login=5, patience_ms=5000)
    return create_app(Loaded([*(group() for group in GROUPS), *settings(database, redis), chosen]))


@pytest.mark.databases("sqlite")
async def test_webhooks_probes_and_files_are_not_counted(limited: Gateway) -> None:
    """A forge, a monitor and a page's files come as often as they like, and their answers show no standing."""
    async with served(limited) as client:
        for path in ("/", "/livez", "/ready", "/health", "/status", "/metrics", "/api/ping", "/ui/"):
            answers = [await client.get(path) for _ in range(40)]
            assert 429 not in {answer.status_code for answer in answers}
            assert "ratelimit-limit" not in answers[0].headers
        assert 429 not in {(await client.post("/webhook/github", json={})).status_code for _ in range(40)}


@pytest.mark.databases("sqlite")
async def test_guessing_a_password(limited: Gateway) -> None:
    """The sixth login to one account within a minute is refused on every route, whatever the password; a token that
    was had before, and other people's logins, go on.
    """
    async with served(limited) as client:

        async def login(name: str, password: str) -> httpx.Response:
            return await client.post("/api/auth/login", json={"username": name, "password": password})

        token = (await login(ADMIN_EMAIL, ADMIN_PASSWORD)).json()["access_token"]
        assert [(await login(ADMIN_EMAIL, f"guess {n}")).status_code for n in range(4)] == [401] * 4
        refused = await login(ADMIN_EMAIL, ADMIN_PASSWORD)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RATE_LIMITED")
        form = {"username": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
        assert (await client.post("/api/auth/jwt/login", data=form)).status_code == 429
        assert (await login("bob", "some password")).status_code == 401
        assert (await client.get("/jobs", headers={"Authorization": f"Bearer {token}"})).status_code == 200


@pytest.mark.databases("sqlite")
async def test_tokens_of_one_person_share_an_allowance(limited: Gateway) -> None:
    """Logging in again gives no new allowance, a key has its own."""
    async with served(limited) as client:
        person = {"username": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
        tokens = [(await client.post("/token", json=person)).json()["access_token"] for _ in range(2)]
        first, second = ({"Authorization": f"Bearer {token}"} for token in tokens)
        client.cookies.clear()
        assert await ask(client, "/jobs", 20, **first) == [200] * 20
        assert await ask(client, "/jobs", 1, **second) == [429]
        assert await ask(client, "/jobs", 1, **{"X-API-Key": KEY}) == [200]
