"""Waiting for a condition, and the heartbeat of children, as tests need them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from libs.common.children import Children

DEADLINE_S = 30.0  # far more than any condition of these tests takes on a busy machine
BEAT_S = 0.05


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds; fails at the deadline."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  # processes end without telling us
            await asyncio.sleep(0.01)


@asynccontextmanager
async def beating(children: Children, *leases: object) -> AsyncIterator[None]:
    """Renew these leases of children (none named: all of them), as the runtime does."""

    async def beat() -> None:
        while True:
            children.beat(set(leases) or None)
            await asyncio.sleep(BEAT_S)

    beats = asyncio.create_task(beat())
    try:
        yield
    finally:
        beats.cancel()
