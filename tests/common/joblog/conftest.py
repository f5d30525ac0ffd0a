"""The world of a job's log, on each database and a real Redis."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.common.joblog.world import World


@pytest.fixture
async def make_world(database: str, redis: str) -> AsyncIterator[Callable[..., World]]:
    """Make worlds with runtime settings of the test's choice, all on the same servers."""
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
