"""The health family with everything up, with Redis gone, and with the database gone."""

import asyncio
from typing import Any

import httpx
import pytest
import redis.asyncio

from libs.common import keys
from libs.common.jobs.heartbeats import beat
from libs.common.settings import Loaded, Secret
from libs.common.version import VERSION
from services.builds.settings import GitHubSettings
from services.gateway.app import create_app
from services.gateway.health.checks import redis_warnings
from tests.fakegithub import TOKEN, FakeGitHub
from tests.gateway.serving import KEY, served, settings
from tests.heartbeats import heartbeat, running
from tests.servers import free_port
from tests.world import eventually

pytestmark = pytest.mark.databases("sqlite")


async def test_everything_up(gateway: httpx.AsyncClient) -> None:
    """With both dependencies there, every route says so, in the shape that its clients know."""
    root = (await gateway.get("/", headers={"accept": "application/json"})).json()
    assert root["status"] == "healthy"
    assert (root["service"], root["version"], root["docs"]) == ("slipway", VERSION, "/api/docs")
    health = (await gateway.get("/health")).json()
    assert health["checks"] == {"database": {"status": "healthy"}}
    assert (health["status"], health["version"], health["env"]) == ("healthy", VERSION, "test")
    api = (await gateway.get("/api/health")).json()
    assert (api["status"], api["database"], api["github"]) == ("healthy", "healthy", "not configured")
    for path in ("/ready", "/health/ready"):
        ready = (await gateway.get(path)).json()
        assert (ready["database"], ready["redis"], ready["overall"]) == (True, True, True)
        assert set(ready["checks"]) == {"database", "redis", "local_provider"}
    for path in ("/health/live", "/livez"):
        assert (await gateway.get(path)).json() == {"status": "alive"}
    ping = (await gateway.get("/api/ping")).json()
    assert ping["ping"] == "pong"


async def test_browser_is_sent_on(gateway: httpx.AsyncClient) -> None:
    """A browser at / is sent to a page."""
    answer = await gateway.get("/", headers={"accept": "text/html,*/*"})
    assert answer.status_code == 303
    assert (await gateway.get(answer.headers["location"])).headers["content-type"].startswith("text/html")


async def test_redis_down(database: str) -> None:
    """Without Redis the gateway starts, is ready (work is accepted), says so, and serves what needs no Redis."""
    async with served(create_app(settings(database, f"redis://127.0.0.1:{free_port()}"))) as gateway:
        answer = await gateway.get("/ready")
        assert answer.status_code == 200
        assert (answer.json()["database"], answer.json()["redis"], answer.json()["overall"]) == (True, False, False)
        assert (await gateway.get("/health")).status_code == 200
        assert (await gateway.get("/status")).json()["overall_status"] == "degraded"
        assert (await gateway.get("/api/auth/me", headers={"X-API-Key": KEY})).status_code == 200


async def test_database_down(redis: str) -> None:
    """Without the database the gateway starts, lives, and answers 503 where it is needed, without its insides."""
    nowhere = f"postgresql://slipway:hunter2@127.0.0.1:{free_port()}/slipway"
    async with served(create_app(settings(nowhere, redis))) as gateway:
        answer = await gateway.get("/ready")
        assert answer.status_code == 503
        assert (answer.json()["database"], answer.json()["redis"]) == (False, True)
        assert (await gateway.get("/health")).status_code == 503
        assert (await gateway.get("/health")).json()["checks"] == {"database": {"status": "unhealthy"}}
        assert (await gateway.get("/api/health")).json()["status"] == "degraded"
        assert (await gateway.get("/livez")).status_code == 200
        assert (await gateway.get("/status")).json()["overall_status"] == "unhealthy"
        answer = await gateway.post("/api/auth/login", json={"username": "ada", "password": "x"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "UNAVAILABLE")
        assert "hunter2" not in answer.text
        assert (await gateway.get("/metrics")).status_code == 200


async def test_status_knows_the_workers(gateway: httpx.AsyncClient, redis: str) -> None:
    """/status has one component per worker service, with each worker's last heartbeat; rubbish hides nobody."""
    client = _redis(redis)
    await beat(client, heartbeat(jobs=[running(), running()]))
    for name, rubbish in (("vms:broken", {"host": b"not json"}), ("odd", {"host": b"1"})):
        await client.hset(f"worker:{name}", mapping=rubbish)
        await client.zadd(keys.WORKERS, {f"worker:{name}": 1e12})
    await client.set("worker:builds:a-string", b"x")
    await client.zadd(keys.WORKERS, {"worker:builds:a-string": 1e12, "worker:builds:expired": 1e12})
    components = {one["name"]: one for one in (await gateway.get("/status")).json()["components"]}
    assert {"database", "redis", "worker-builds", "worker-vms", "worker-deployer"} <= set(components)
    [worker] = components["worker-builds"]["details"]["workers"]
    assert (worker["name"], worker["host"], worker["jobs"]) == ("builds-h1-0a", "h1", 2)
    assert components["worker-builds"]["status"] == "healthy"
    assert components["worker-vms"]["status"] == "unhealthy"
    await client.aclose()


async def test_warnings_about_redis(redis: str) -> None:
    """A server without append-only file or with eviction is warned about; a sound one is not."""
    client = _redis(redis)
    before = {name: (await client.config_get(name))[name] for name in ("appendonly", "maxmemory-policy")}
    try:
        await client.config_set("appendonly", "yes")
        await client.config_set("maxmemory-policy", "noeviction")
        assert await redis_warnings(client) == []
        await client.config_set("appendonly", "no")
        await client.config_set("maxmemory-policy", "allkeys-lru")
        first, second = await redis_warnings(client)
        assert "append-only" in first
        assert "allkeys-lru" in second
    finally:
        for name, value in before.items():
            await client.config_set(name, value)
        await client.aclose()


async def test_metrics(gateway: httpx.AsyncClient) -> None:
    """/metrics is Prometheus text with the promised names, and is not in the API document."""
    async with asyncio.timeout(10):
        answer = await gateway.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    for name in ("queue_depth", "db_pool_connections", "http_requests_total", "sse_clients"):
        assert f"# TYPE slipway_{name} " in answer.text
    assert 'slipway_queue_depth{domain="builds"} 0.0' in answer.text
    assert "/metrics" not in (await gateway.get("/api/openapi.json")).json()["paths"]


def _redis(url: str) -> Any:
    """A client; Any, because redis-py types its commands as maybe not awaitable."""
    client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(url)
    return client


async def test_ready_tells_that_pushed_code_runs_here(gateway: httpx.AsyncClient) -> None:
    """The local provider's state is shown to whoever asks whether the service is ready; it decides nothing."""
    checks = (await gateway.get("/ready")).json()["checks"]
    assert checks["local_provider"]["healthy"] is True
    assert "LOCAL_PROVIDER=true" in checks["local_provider"]["message"]


@pytest.mark.parametrize(("token", "word"), [(TOKEN, "healthy"), ("ghp_of-nobody", "unhealthy")])
async def test_github_is_looked_at(database: str, redis: str, token: str, word: str) -> None:
    """With an account for GitHub the routes tell whether GitHub is there and accepts it."""
    with FakeGitHub() as fake:
        chosen = Loaded([*settings(database, redis), GitHubSettings(token=Secret(token), api_url=fake.url)])
        async with served(create_app(chosen)) as gateway:

            async def told() -> bool:
                ready = (await gateway.get("/ready")).json()["checks"]["github"]
                said = (await gateway.get("/api/health")).json()["github"]
                return ready["response_ms"] is not None and "not looked" not in ready["message"] and said == word

            await eventually(told, f"GitHub to be {word}")
