"""Turns between owners: however much one of them has queued, the others go on."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise

import msgspec
import pytest
from sqlalchemy import func, select

from libs.common import keys
from libs.common.jobs.kinds import Again, Done
from libs.common.jobs.models import Job
from libs.common.worker.context import Context, Handler
from tests.world import QUICK, Ping, World, eventually, make_world

ADA, BOB, CLEO = 1, 2, 3
# One slot: the order of the starts is the order of the turns. The stream's window is that of production.
ONE_SLOT = msgspec.structs.replace(QUICK, slots_light=1, publish_window=1000, accept_publish_timeout_ms=5000)


class Gate:
    """A handler whose jobs start, say so, and end one at a time when the test says so."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self._turns = asyncio.Semaphore(0)

    async def run(self, job: Ping, ctx: Context) -> Done:
        self.started.append(job.text)
        await self._turns.acquire()
        return Done()

    def let_end(self, count: int = 1) -> None:
        for _ in range(count):
            self._turns.release()

    async def has_started(self, count: int) -> Sequence[str]:
        """Wait for so many starts; answers the names of all."""

        async def enough() -> bool:
            return len(self.started) >= count

        await eventually(enough, f"only {self.started[-5:]} started")
        return self.started


@pytest.fixture
async def world(database: str, redis: str) -> AsyncIterator[World]:
    async with make_world(database, redis, settings=ONE_SLOT) as made:
        yield made


@pytest.fixture
def gate() -> Gate:
    return Gate()


async def left(world: World) -> int:
    """How many jobs have not ended."""
    async with world.database.reading() as tx:
        return (await tx.execute(select(func.count()).where(Job.finished_at.is_(None)))).scalar_one()


async def all_ended(world: World) -> None:
    async def none_left() -> bool:
        return await left(world) == 0

    await eventually(none_left, "jobs are left over")


async def fill(world: World, owner: int, count: int) -> None:
    """Let jobs of one owner wait, as many of them in the stream as its window holds."""
    for _ in range(0, count, 1000):
        await world.add(*[Ping("ada")] * 1000, owner=owner)
    assert await world.redis.xlen(keys.jobs_stream("demo", "light")) == ONE_SLOT.publish_window


async def test_another_owners_first_job_is_next_behind_ten_thousand(world: World, gate: Gate) -> None:
    """With 10,000 jobs of one owner waiting, 1,000 of them published, another's first is the next to start."""
    await fill(world, ADA, 10_000)
    async with world.worker(Handler(Ping, gate.run)):
        await gate.has_started(1)
        await world.add(Ping("bob"), owner=BOB)
        gate.let_end()
        assert await gate.has_started(2) == ["ada", "bob"]
        await world.add(Ping("bob"), owner=BOB, announce=False)  # as when the gateway died before it could
        gate.let_end()
        assert (await gate.has_started(3))[2] == "ada"
        gate.let_end()
        assert (await gate.has_started(4))[3] == "bob"
        gate.let_end()


async def test_owners_take_turns_and_each_ones_jobs_keep_their_order(world: World, gate: Gate) -> None:
    """The longest queue goes no faster than the shortest, and nobody's later job overtakes an earlier one."""
    for name, owner, count in (("ada", ADA, 30), ("bob", BOB, 10), ("cleo", CLEO, 10)):
        await world.add(*[Ping(f"{name} {n:02}") for n in range(count)], owner=owner)
    gate.let_end(50)
    async with world.worker(Handler(Ping, gate.run)):
        started = await gate.has_started(50)
    first_thirty = [one.partition(" ")[0] for one in started[:30]]
    assert all({*three} == {"ada", "bob", "cleo"} for three in zip(*[iter(first_thirty)] * 3, strict=True))
    for name in ("ada", "bob", "cleo"):
        own = [one for one in started if one.startswith(name)]
        assert all(earlier < later for earlier, later in pairwise(own))


async def test_shared_jobs_take_turns_by_repository(world: World, gate: Gate) -> None:
    """Where nobody owns the jobs, a busy repository does not keep another one waiting."""
    await world.add(*[Ping("busy")] * 20, repository="ada/busy")
    async with world.worker(Handler(Ping, gate.run)):
        await gate.has_started(1)
        await world.add(Ping("quiet"), repository="ada/quiet")
        gate.let_end()
        assert await gate.has_started(2) == ["busy", "quiet"]
        gate.let_end(20)
        await all_ended(world)


async def test_a_turn_is_not_lost_on_a_job_that_its_lane_keeps_back(world: World, gate: Gate) -> None:
    """An owner whose oldest job has to wait for its lane takes the turn with the next one."""
    async with world.worker(Handler(Ping, gate.run), settings=msgspec.structs.replace(ONE_SLOT, slots_light=2)):
        await world.add(Ping("bob 1"), owner=BOB, lane="bobs")
        await gate.has_started(1)
        await world.add(*[Ping("ada")] * 5, owner=ADA)
        await gate.has_started(2)
        await world.add(Ping("bob 2"), owner=BOB, lane="bobs")
        await world.add(Ping("bob 3"), owner=BOB)
        gate.let_end(2)
        await gate.has_started(4)
        gate.let_end(10)
        await all_ended(world)
    assert gate.started.index("bob 3") < 6  # two slots are filled at once, in either order
    assert gate.started.index("bob 1") < gate.started.index("bob 2")


@pytest.mark.slow
async def test_jobs_that_have_begun_keep_their_places(world: World, gate: Gate) -> None:
    """A job that comes back for its next step is not put behind the first jobs of others again and again."""
    steps: list[str] = []

    async def step(job: Ping, ctx: Context) -> Done | Again:
        steps.append(job.text)
        return Done() if job.text != "begun" or steps.count("begun") > 3 else Again(61)  # longer than the alarm clock

    async with world.worker(Handler(Ping, step)):
        [begun] = await world.add(Ping("begun"), owner=ADA)
        for number in range(1, 4):
            await world.until(begun, lambda now, n=number: now.lease_no == n and steps.count("begun") == n)  # type: ignore[misc]
            await world.add(*[Ping("ada")] * 20, owner=ADA)
            await world.add(*[Ping("bob")] * 20, owner=BOB)
            await world.jobs.wake(begun.view.id)
            await world.until(begun, lambda now, n=number: now.lease_no > n)  # type: ignore[misc]
        await all_ended(world)


async def test_nothing_is_lost_or_doubled_while_owners_take_turns(world: World) -> None:
    """With three workers and four owners, every job runs once, and no entry is left in the stream."""
    ran: list[str] = []

    async def run(job: Ping, ctx: Context) -> Done:
        ran.append(job.text)
        return Done()

    for owner in range(1, 5):
        await world.add(*[Ping(f"{owner} {n}") for n in range(30)], owner=owner)
    few = msgspec.structs.replace(ONE_SLOT, slots_light=3)
    async with (
        world.worker(Handler(Ping, run), settings=few),
        world.worker(Handler(Ping, run), settings=few),
        world.worker(Handler(Ping, run), settings=few),
    ):
        await all_ended(world)

        async def empty() -> bool:
            return not await world.redis.xlen(keys.jobs_stream("demo", "light"))

        await eventually(empty, "entries are left over")
    assert sorted(ran) == sorted(f"{owner} {n}" for owner in range(1, 5) for n in range(30))
