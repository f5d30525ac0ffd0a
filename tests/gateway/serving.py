"""Run an app on a real socket, in the test's own event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from libs.common.settings import (
    CoreSettings,
    DatabaseSettings,
    KeySettings,
    ListenSettings,
    Loaded,
    RedisSettings,
    RuntimeSettings,
    Secret,
)
from services.builds.settings import GitHubSettings, LocalRunnerSettings, WebhookSettings
from services.gateway.frame import Gateway
from services.gateway.server import Server, listen
from services.gateway.settings import GatewaySettings, LimitSettings, OlderSettings, RetentionSettings

KEY = "slp_testtest_0123456789abcdef0123456789abcdef"
ADMIN_KEY = "slp_adminkey_0123456789abcdef0123456789abcdef"
ADMIN_EMAIL = "ada@example.org"
ADMIN_PASSWORD = "correct horse battery"
SECRET_KEY = "b1946ac92492d2347c6235b4d2611184a6f0c35d"


def with_driver(url: str) -> str:
    """The address as settings would give it to the app."""
    return url.replace("postgresql://", "postgresql+asyncpg://").replace("sqlite:///", "sqlite+aiosqlite:///")


def settings(database_url: str, redis_url: str, **gateway: object) -> Loaded:
    """The settings of a gateway with an ordinary key, an admin key and a bootstrap administrator; no rate limits."""
    values = {
        "api_keys": (Secret(KEY), Secret(f"{ADMIN_KEY}=admin")),
        "bootstrap_admin_email": ADMIN_EMAIL,
        "bootstrap_admin_password": Secret(ADMIN_PASSWORD),
        **gateway,
    }
    return Loaded(
        [
            CoreSettings(env="test"),
            KeySettings(secret_key=Secret(SECRET_KEY)),
            ListenSettings(),
            DatabaseSettings(url=Secret(with_driver(database_url))),
            RedisSettings(url=Secret(redis_url)),
            RuntimeSettings(),
            GatewaySettings(**values),  # type: ignore[arg-type]
            LimitSettings(per_key=0, per_address=0, per_login=0),
            RetentionSettings(),
            OlderSettings(),
            WebhookSettings(),
            GitHubSettings(),
            LocalRunnerSettings(),
        ]
    )


@asynccontextmanager
async def served(app: Gateway, *, closing: asyncio.Event | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the app on a free port of the loopback; gives a client of it."""
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    server = Server(app, closing or asyncio.Event())
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            yield client
    finally:
        server.should_exit = True
        await serving
        listening.close()


async def raw(client: httpx.AsyncClient, request: bytes) -> bytes:
    """Send bytes as they are, and read until the server closes or has answered with a whole body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
    try:
        writer.write(request)
        await writer.drain()
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
        return head + await asyncio.wait_for(reader.readexactly(int(lengths[0]) if lengths else 0), 10)
    finally:
        writer.close()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])
