"""A sample slice and the whole gateway, each on a real socket."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from services.gateway.app import create_app
from tests.gateway.sample import Garage, sample
from tests.gateway.serving import served, settings


@pytest.fixture(scope="module")
def garage() -> Garage:
    return Garage()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(garage: Garage) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the sample slice in the gateway's frame; stateless, so one serves a whole module.

    The module's tests run in its loop: `pytestmark = pytest.mark.asyncio(loop_scope="module")`.
    """
    async with served(sample(garage)) as client:
        yield client


@pytest_asyncio.fixture
async def gateway(database: str, redis: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the whole gateway on a real database and a real Redis."""
    async with served(create_app(settings(database, redis))) as client:
        yield client
