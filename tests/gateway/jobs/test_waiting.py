"""`Prefer: wait=N`: who starts or changes a job may wait for its end, whatever gets lost on the way."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import cast

import httpx
import pytest
from litestar.datastructures import Headers

from libs.common.http.requests import AnyRequest
from libs.common.http.waiting import WAIT_MAX_S, preferred_wait_s, waited
from libs.common.jobs.claims import Claimed
from libs.common.jobs.kinds import JobRules
from libs.common.jobs.service import Jobs
from libs.common.jobs.view import LiveJob
from services.gateway.jobs.ends import Ends
from services.gateway.jobs.hub import Hub
from tests.common.joblog.world import Work, World, until
from tests.gateway.jobs.conftest import Site
from tests.servers import RedisServer

pytestmark = pytest.mark.databases("sqlite", "postgresql")

# Nothing waits so long here: a test that needs it runs into its own deadline.
LONG = {"Prefer": "wait=30"}


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ([], None),
        ([""], None),
        (["wait=10"], 10),
        (["Wait = 10"], 10),
        (['wait="10"'], 10),
        (["respond-async, wait=5"], 5),
        (["respond-async", "wait=5"], 5),
        (["wait=5; foo=bar, respond-async"], 5),
        (["wait=5, wait=9"], 5),
        (["wait=0"], 0),
        (["wait=31"], WAIT_MAX_S),
        (["wait=" + "9" * 5000], WAIT_MAX_S),
        (["wait"], None),
        (["wait="], None),
        (["wait=-1"], None),
        (["wait=1.5"], None),
        (["wait=x"], None),
        (["await=5"], None),
        (["wait=٣"], None),
        (["return=minimal"], None),
    ],
)
def test_forms_of_the_preference(headers: list[str], wait_s: int | None) -> None:
    """The first wait among all preferences counts, up to the most; what cannot be read is no preference."""
    assert preferred_wait_s(headers) == wait_s


@pytest.mark.parametrize(
    ("headers", "unasked_s", "waited_s", "applied"),
    [
        ({}, 0, None, {}),
        ({}, 5, 5, {}),
        ({"Prefer": "wait=2"}, 5, 2, {"Preference-Applied": "wait=2"}),
        ({"Prefer": "wait=0"}, 5, 0, {"Preference-Applied": "wait=0"}),
    ],
)
async def test_how_long_a_route_waits(
    headers: dict[str, str], unasked_s: int, waited_s: int | None, applied: dict[str, str]
) -> None:
    """As long as the client says; without a word as long as the route does, and nothing was applied then."""
    waits: list[float] = []
    job = cast("LiveJob", object())

    async def await_end(job: LiveJob, timeout_s: float) -> LiveJob:
        waits.append(timeout_s)
        return job

    request = SimpleNamespace(headers=Headers(headers), app=SimpleNamespace(state={"await_end": await_end}))
    assert await waited(cast("AnyRequest", request), job, unasked_s=unasked_s) == (job, applied)
    assert waits == ([] if waited_s is None else [waited_s])


@asynccontextmanager
async def retrying(
    world: World, site: Site, headers: dict[str, str]
) -> AsyncIterator[tuple[asyncio.Task[httpx.Response], Claimed]]:
    """Retry an ended job: the request under way, and the new job, claimed."""
    old, log = await world.started(owner=1)
    await world.end(old, log)
    request = asyncio.create_task(site.client.post(f"/jobs/{old.job.view.id}/retry", headers=headers))
    found: list[str] = []

    async def retried() -> bool:
        listed = (await site.client.get("/jobs")).json()["jobs"]
        found[:] = [job["id"] for job in listed if job["retry_of"] == str(old.job.view.id)]
        return bool(found)

    await until(retried, "the retried job")
    yield request, await world.claim(uuid.UUID(found[0]))
    request.cancel()


async def test_a_retry_waits_for_the_end(world: World, site: Site) -> None:
    """The answer comes with the job's end, and says what was applied and where the job is."""
    async with retrying(world, site, LONG) as (request, claimed):
        assert not request.done()
        await world.end(claimed, world.log(claimed))
        answer = await request
    assert (answer.status_code, answer.json()["status"]) == (202, "success")
    assert answer.headers["preference-applied"] == "wait=30"
    assert answer.headers["location"] == f"/jobs/{answer.json()['id']}"


async def test_a_cancel_waits_for_the_end(world: World, site: Site) -> None:
    """A running job is cancelled when its work is undone, and the answer comes then."""
    claimed, log = await world.started(owner=1)
    path = f"/jobs/{claimed.job.view.id}"
    request = asyncio.create_task(site.client.post(f"{path}/cancel", headers=LONG))

    async def asked() -> bool:
        return bool((await site.client.get(path)).json()["cancel_requested"])

    await until(asked, "the request to cancel")
    assert not request.done()
    await world.end(claimed, log)
    assert (await request).json()["finished_at"] is not None


async def test_an_end_that_no_event_told(world: World, site: Site) -> None:
    """When Redis took neither event nor status, the hub's look at the rows ends the wait."""
    async with retrying(world, site, LONG) as (request, claimed):
        await world.end(claimed, world.log(claimed), show=False)

        async def answered() -> bool:
            await site.hub.sweep()
            return request.done()

        await until(answered, "the answer")
        assert (await request).json()["status"] == "success"


async def test_the_time_is_over(world: World, site: Site) -> None:
    """A job that goes on is answered as it is after the time that was asked for."""
    claimed, _ = await world.started(owner=1)
    for wait in ("0", "1"):
        answer = await site.client.post(f"/jobs/{claimed.job.view.id}/cancel", headers={"Prefer": f"wait={wait}"})
        assert (answer.status_code, answer.json()["status"]) == (202, "running")
        assert answer.headers["preference-applied"] == f"wait={wait}"


async def test_a_gateway_that_stops(world: World, site: Site) -> None:
    """It answers at once with the job as it is: what was asked for is done already."""
    async with retrying(world, site, LONG) as (request, claimed):
        site.closing.set()
        answer = await request
    assert (answer.status_code, answer.json()["id"]) == (202, str(claimed.job.view.id))


async def test_without_the_preference(world: World, site: Site) -> None:
    """Nobody waits who did not ask for it."""
    async with retrying(world, site, {}) as (request, _):
        answer = await request
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    assert "preference-applied" not in answer.headers


# --- without events ---------------------------------------------------------------------------------------------------


def ends(world: World, redis: str) -> Ends:
    """Waits beside a hub that never follows Redis, looking often."""
    jobs = Jobs(world.database, world.live, [JobRules(Work)], world.settings)
    return Ends(Hub(redis, world.database, asyncio.Event()), jobs, look_every_s=0.02)


async def test_a_lost_event_costs_one_look(world: World, redis: str) -> None:
    """The live status tells what no event did."""
    claimed, log = await world.started()
    waiting = asyncio.create_task(ends(world, redis)(claimed.job, 30))
    await world.end(claimed, log)
    assert (await waiting).view.status == "success"


async def test_without_redis(world: World, redis_server: RedisServer) -> None:
    """While Redis is away the row is looked at."""
    claimed, log = await world.started()
    redis_server.kill()
    waiting = asyncio.create_task(ends(world, redis_server.url)(claimed.job, 30))
    await world.end(claimed, log, show=False)
    assert (await waiting).view.status == "success"
    redis_server.start()


async def test_what_is_known_is_not_forgotten(world: World, redis: str) -> None:
    """A status in Redis that is older than what the caller has just done does not take its place."""
    job = await world.new_job()
    newer = (await world.claim(job.view.id)).job
    await world.redis.delete(f"job:{job.view.id}")
    await world.show(job)
    assert (await ends(world, redis)(newer, 0)).view.version == newer.view.version


async def test_nothing_can_be_seen(world: World, redis: str) -> None:
    """With neither Redis nor the database the wait ends in time, and the work that was asked for is answered."""

    class Blind:
        async def get(self, job_id: uuid.UUID) -> LiveJob | None:
            raise OSError("away")

    job = await world.new_job()
    blind = Ends(Hub(redis, world.database, asyncio.Event()), cast("Jobs", Blind()), look_every_s=0.01)
    assert await blind(job, 0.05) == job
