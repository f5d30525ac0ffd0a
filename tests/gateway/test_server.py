"""The process: what it loads, how it refuses to start, and how it stops."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.gateway.serving import ADMIN_EMAIL, ADMIN_PASSWORD, KEY, SECRET_KEY
from tests.servers import free_port

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.databases("sqlite")


def environ(database: str, redis: str, **changes: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database,
        "REDIS_URL": redis,
        "SECRET_KEY": SECRET_KEY,
        "API_KEYS": KEY,
        "BOOTSTRAP_ADMIN_EMAIL": ADMIN_EMAIL,
        "BOOTSTRAP_ADMIN_PASSWORD": ADMIN_PASSWORD,
        **changes,
    }


@asynccontextmanager
async def process(env: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A gateway process; killed at the end if it is still there."""
    command = [sys.executable, "-m", "services.gateway"]
    started = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def answers(client: httpx.AsyncClient, path: str = "/ready") -> httpx.Response:
    async with asyncio.timeout(30):
        while True:
            try:
                return await client.get(path)
            except httpx.TransportError:
                await asyncio.sleep(0.05)  # the process is starting


def run(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.gateway", *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_stops_at_a_signal_with_open_streams(database: str, redis: str, number: signal.Signals) -> None:
    """A stop request ends open event streams with a farewell and the process with exit code 0."""
    port = free_port()
    async with (
        process(environ(database, redis, API_PORT=str(port))) as gateway,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers={"X-API-Key": KEY}, timeout=30) as client,
    ):
        assert (await answers(client)).json()["overall"] is True
        async with client.stream("GET", "/events", headers={"Accept": "text/event-stream"}) as stream:
            assert stream.status_code == 200
            chunks = stream.aiter_text()
            said = await anext(chunks)
            gateway.send_signal(number)
            async for chunk in chunks:
                said += chunk
        assert "event: bye" in said
        assert await asyncio.wait_for(gateway.wait(), 20) == 0


def test_taken_port_is_one_line(database: str, redis: str) -> None:
    """A port that somebody else has is named in one line, with what to do."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        ended = run(environ(database, redis, PORT=port))
    assert ended.returncode == 78
    assert ended.stderr.count("\n") == 1
    assert f"{port} is taken" in ended.stderr


def test_older_settings_are_read(database: str, redis: str) -> None:
    """A setting of an older system that means nothing here is said to have no effect, and hinders no start."""
    with socket.socket() as other:  # so that the gateway ends by itself
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        ended = run(environ(database, redis, PORT=port, API_RELOAD="true", DEPLOYMENT_MODE="laptop"))
    said = [json.loads(line) for line in ended.stdout.splitlines() if "setting_has_no_effect" in line]
    assert [one["setting"] for one in said] == ["DEPLOYMENT_MODE", "API_RELOAD"]


def test_wrong_settings_are_one_line_each(database: str, redis: str) -> None:
    """Every wrong setting has a line that names it; a secret's value is in none of them."""
    wrong = {"API_PORT": "x", "API_KEYS": "hunter2hunter2=nonsense", "BOOTSTRAP_ADMIN_EMAIL": "nobody"}
    ended = run(environ(database, redis, **wrong))
    assert ended.returncode == 78
    lines = ended.stderr.splitlines()
    assert {line.partition(" ")[0].rstrip(":") for line in lines} == set(wrong)
    assert "hunter2" not in ended.stderr


@pytest.mark.parametrize("secret", ["", "short", "change-me-change-me-change-me-change-me"])
@pytest.mark.slow
def test_weak_secret_key_does_not_start(database: str, redis: str, secret: str) -> None:
    """A weak SECRET_KEY stops the start of a production gateway, in one line that says how to make a good one."""
    ended = run(environ(database, redis, SECRET_KEY=secret))
    assert ended.returncode == 78
    assert ended.stderr.startswith("SECRET_KEY: ")
    assert ended.stderr.count("\n") == 1


def test_schema_that_is_not_there(empty_database: str, redis: str) -> None:
    """A gateway does not serve on a database that nobody has migrated; it says which command does it."""
    ended = run(environ(empty_database, redis))
    assert ended.returncode == 78
    assert "services.gateway.migrations upgrade" in ended.stderr


def test_help() -> None:
    """--help needs no settings."""
    ended = run({"PATH": os.environ["PATH"]}, "--help")
    assert ended.returncode == 0
    assert "API_PORT" in ended.stdout


@pytest.mark.slow
async def test_development_needs_no_secrets(database: str, redis: str) -> None:
    """ENV=development starts without SECRET_KEY and takes the documented key."""
    port = free_port()
    env = environ(database, redis, ENV="development", API_PORT=str(port))
    for name in ("SECRET_KEY", "API_KEYS"):
        del env[name]
    async with process(env), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        await answers(client)
        assert (await client.get("/api/auth/me", headers={"X-API-Key": "dev-key-12345"})).status_code == 200


_LOADED = """
import asyncio, sys
import httpx
from libs.common.settings import load
from services.gateway.app import GROUPS, create_app

async def main():
    app = create_app(load(*GROUPS))
    async with app.lifespan(), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        for path in ("/ready", "/api/openapi.json", "/jobs", "/metrics"):
            await client.get(path, headers={"X-API-Key": sys.argv[1]})
    print(*sorted({name.partition(".")[0] for name in sys.modules}))

asyncio.run(main())
"""


def test_running_gateway_loads_neither_arq_nor_an_sdk(database: str, redis: str) -> None:
    """The gateway stays small: no queue library, no provider's SDK, no Alembic in a process that serves."""
    env = environ(database, redis, LOG_LEVEL="critical")
    command = [sys.executable, "-c", _LOADED, KEY]
    ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=True)
    loaded = set(ended.stdout.split())
    assert {"litestar", "sqlalchemy", "redis"} <= loaded
    assert not loaded & {"arq", "openstack", "kubernetes", "githubkit", "alembic", "workers"}
