"""Gateways that serve jobs and nothing else, on a real socket, beside a world in which jobs write logs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from libs.common.errors import Unauthenticated
from libs.common.http.principal import ORDINARY_SCOPES, Principal
from libs.common.jobs.kinds import JobRules
from libs.common.jobs.service import Jobs
from services.gateway.frame import make_gateway
from services.gateway.jobs.ends import Ends
from services.gateway.jobs.hub import Hub
from services.gateway.jobs.pace import Pace
from services.gateway.jobs.routes import router
from tests.common.joblog.world import Work, World, until
from tests.gateway.serving import served

KEYS = {
    "ada": Principal(1, "ada", ORDINARY_SCOPES),
    "bob": Principal(2, "bob", ORDINARY_SCOPES),
    "root": Principal(3, "root", ORDINARY_SCOPES, is_superuser=True),
    "reader": Principal(1, "ada", frozenset({"jobs:read"})),
    "builder": Principal(1, "ada", frozenset({"builds:read"})),
}
# Everything that waits waits shortly; what a test wants to see must not depend on it.
QUICK = Pace(ping_s=0.05, recheck_s=0.05, gap_s=20, gap_look_s=0.01)


@dataclass
class Site:
    """A gateway: its client (as ada), its hub and the keys it accepts."""

    client: httpx.AsyncClient
    hub: Hub
    closing: asyncio.Event
    keys: dict[str, Principal]

    async def connected(self) -> None:
        """Wait until the hub follows Redis."""
        await until(lambda: self.hub.position is not None, "the hub to follow redis")


Serve = Callable[..., Awaitable[Site]]


@pytest.fixture
async def make_world(database: str, redis: str) -> AsyncIterator[Callable[..., World]]:
    made: list[World] = []

    def make(**settings: Any) -> World:
        made.append(World(database, redis, **settings))
        return made[-1]

    yield make
    for world in made:
        await world.close()


@pytest.fixture
async def world(make_world: Callable[..., World]) -> World:
    return make_world()


@pytest.fixture
async def serve(world: World, redis: str) -> AsyncIterator[Serve]:
    """Start gateways on the world's database and Redis."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(*, pace: Pace = QUICK, sweep_every_s: float = 60, wait: bool = True) -> Site:
            keys, closing = dict(KEYS), asyncio.Event()

            async def authenticate(credential: str) -> Principal:
                if credential not in keys:
                    raise Unauthenticated("Invalid token")
                return keys[credential]

            async def retried(*_: Any) -> None:
                """Any job of the kind may be done again."""

            jobs = Jobs(world.database, world.live, [JobRules(Work, on_retry=retried)], world.settings)
            hub = Hub(redis, world.database, closing, sweep_every_s=sweep_every_s)
            routes = router(jobs, hub, world.reader, pace=pace)
            app = make_gateway([routes], authenticate=authenticate, await_end=Ends(hub, jobs))
            following = asyncio.create_task(hub.run())
            client = await stack.enter_async_context(served(app))
            stack.callback(closing.set)
            stack.push_async_callback(_stop, following)
            stack.callback(closing.set)
            client.headers["X-API-Key"] = "ada"
            site = Site(client, hub, closing, keys)
            if wait:
                await site.connected()
            return site

        yield start


async def _stop(task: asyncio.Task[None]) -> None:
    await asyncio.sleep(0)  # the hub says bye first
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def site(serve: Serve) -> Site:
    return await serve()
