"""Reading the queues, places and reasons, and pausing, on both databases."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from sqlalchemy import select, update

from libs.common import keys
from libs.common.audit import Actor
from libs.common.audit.models import AuditEntry
from libs.common.database import utcnow
from libs.common.jobs import heartbeats
from libs.common.jobs.kinds import Done
from libs.common.jobs.models import Job
from libs.common.jobs.queue import Queue, visible_to
from libs.common.jobs.view import LiveJob
from libs.common.worker.context import Context, Handler
from tests.heartbeats import heartbeat
from tests.servers import RedisServer
from tests.world import QUICK, Heavy, Ping, World, eventually, make_world

ADA, BOB = 1, 2
ROOT = Actor(user_id=3, name="root", key_id=None, address=None, request_id=None)


@pytest.fixture
async def world(database: str, redis: str) -> AsyncIterator[World]:
    async with make_world(database, redis) as made:
        yield made


@pytest.fixture
async def queue(world: World) -> Queue:
    """The queues of a domain with a worker alive."""
    await heartbeats.beat(world.redis, heartbeat("demo"))
    return world.jobs.queue


async def placed(world: World, *jobs: LiveJob) -> list[tuple[int | None, str | None]]:
    """Place and reason of each job, computed anew."""
    queue = Queue(world.database, world.jobs.live, world.settings)
    return [(job.view.position, job.view.waiting_for) for job in await queue.placed(jobs)]


async def test_every_waiting_job_has_its_place(world: World, queue: Queue) -> None:
    """Owners take turns, each one's jobs keep their order, and heavy jobs stand in a queue of their own."""
    ada = await world.add(*[Ping()] * 3, owner=ADA, announce=False)
    bob = await world.add(*[Ping()] * 2, owner=BOB, announce=False)
    heavy = await world.add(Heavy(), owner=ADA, announce=False)
    places = [place for place, _ in await placed(world, *ada, *bob, *heavy)]
    assert places == [1, 3, 5, 2, 4, 1]
    assert (await placed(world, ada[1])) == [(3, "queue position 3")]


async def test_next_is_in_the_order_of_places_and_only_what_may_be_seen(world: World, queue: Queue) -> None:
    """A person's view leaves out other people's jobs but not the places that they take."""
    ada = await world.add(*[Ping()] * 3, owner=ADA, announce=False)
    bob = await world.add(*[Ping()] * 2, owner=BOB, announce=False)
    shared = await world.add(Ping(), announce=False, repository="x/y")
    of_all = await queue.next("demo", 4, visible_to(None, see_all=True))
    assert [job.view.id for job in of_all] == [one.view.id for one in (shared[0], ada[0], bob[0], ada[1])]
    of_bob = await queue.next("demo", 4, visible_to(BOB, see_all=False))
    assert [(job.view.id, job.view.position) for job in of_bob] == [
        (shared[0].view.id, 1),
        (bob[0].view.id, 3),
        (bob[1].view.id, 5),
    ]
    assert await queue.next("elsewhere", 4, visible_to(None, see_all=True)) == []


async def test_what_a_job_waits_for(world: World, queue: Queue) -> None:
    """Its lane, its time, a worker that lives, or only its turn; the pause of its domain comes before all of them."""
    first, second = await world.add(Ping(), Ping(), announce=False, lane="server:1")
    [later] = await world.add(Ping(), announce=False, delay_s=3600)
    assert await placed(world, first, second) == [(1, "queue position 1"), (2, "an earlier job of server:1")]
    [(place, reason)] = await placed(world, later)
    assert (place, str(reason)[:9]) == (None, "its time,")
    await world.redis.delete(keys.WORKERS)
    assert (await placed(world, first))[0] == (1, "a worker of the domain demo: none is alive")
    await queue.pause("demo", ROOT, "moving house")
    assert {reason for _, reason in await placed(world, first, second, later)} == {"its domain to be resumed"}


async def test_jobs_that_run_or_ended_have_no_place(world: World, queue: Queue) -> None:
    """What waits between two steps keeps its own reason; what Redis still shows as waiting is looked up in SQL."""
    running, stale = await world.add(Ping(), Ping(), announce=False)
    async with world.database.transaction() as tx:
        of = update(Job).where(Job.id == running.view.id)
        await tx.execute(of.values(status="running", started_at=utcnow(), waiting_for="the moon"))
        await tx.execute(update(Job).where(Job.id == stale.view.id).values(status="success", finished_at=utcnow()))
    assert await placed(world, await world.row(running.view.id), stale) == [(None, "the moon"), (None, None)]
    await queue.pause("demo", ROOT, None)
    assert await placed(world, await world.row(running.view.id)) == [(None, "its domain to be resumed")]


async def test_standing_counts_what_waits_and_runs(world: World, queue: Queue) -> None:
    """Counts are by sharer; the oldest wait is since the job was due."""
    await world.add(*[Ping()] * 3, owner=ADA, announce=False)
    [running] = await world.add(Ping(), owner=BOB, announce=False)
    async with world.database.transaction() as tx:
        await tx.execute(update(Job).where(Job.id == running.view.id).values(status="running"))
    standing = await queue.standing()
    shares = {share.sharer: (share.waiting, share.running) for share in standing.shares("demo")}
    assert shares == {"user:1": (3, 0), "user:2": (0, 1)}
    oldest = next(share.oldest for share in standing.shares("demo") if share.waiting)
    assert oldest is not None
    assert oldest <= standing.at


async def test_without_redis_sql_still_tells(world: World, redis_server: RedisServer) -> None:
    """Places and counts need no Redis; nobody is said to be dead because nobody can be asked."""
    [job] = await world.add(Ping(), announce=False)
    redis_server.stop()
    assert await world.jobs.queue.workers() is None
    assert await placed(world, job) == [(1, "queue position 1")]


async def test_a_pause_holds_on_all_workers_and_ends_at_once(world: World) -> None:
    """What runs goes on, nothing new starts, also not what was published before; a resume hands out what waited."""
    ran: list[str] = []
    go_on = asyncio.Event()

    async def run(job: Ping, ctx: Context) -> Done:
        ran.append(job.text)
        if job.text == "long":
            await go_on.wait()
        return Done()

    async def nothing_is_published() -> bool:
        return bool(await world.redis.xlen(keys.jobs_stream("demo", "light")) == 0)

    queue = world.jobs.queue
    # A lease that lapses on a busy machine would make "long" start again, which the pause forbids.
    patient = msgspec.structs.replace(QUICK, lease_s=60, give_up_after_s=50, child_silence_s=40)
    async with world.worker(Handler(Ping, run), settings=patient), world.worker(Handler(Ping, run), settings=patient):
        [long] = await world.add(Ping("long"), owner=ADA)
        await world.until(long, lambda now: now.view.status == "running")
        await queue.pause("demo", ROOT, "moving house")
        ada = await world.add(*[Ping("ada")] * 5, owner=ADA)
        bob = await world.add(*[Ping("bob")] * 5, owner=BOB)
        await world.until(ada[0], lambda now: now.view.waiting_for == "its domain to be resumed")
        go_on.set()
        await world.ended(long)
        await world.until(bob[-1], lambda now: now.view.waiting_for == "its domain to be resumed")
        assert ran == ["long"]
        await eventually(nothing_is_published, "entries of a paused domain stay in its stream")
        await queue.resume("demo", ROOT)
        for job in (*ada, *bob):
            await world.ended(job)
    async with world.database.reading() as tx:
        entries = (await tx.execute(select(AuditEntry.action, AuditEntry.actor).order_by(AuditEntry.id))).all()
    assert [tuple(entry) for entry in entries] == [("domain.paused", "root"), ("domain.resumed", "root")]


async def test_a_resume_does_not_wait_for_the_publisher(world: World) -> None:
    """The jobs stand in the stream when the resume is answered."""
    queue = world.jobs.queue
    await queue.pause("demo", ROOT, None)
    await world.add(*[Ping()] * 3, announce=False)
    await queue.resume("demo", ROOT)
    assert await world.redis.xlen(keys.jobs_stream("demo", "light")) == 3
    await queue.resume("demo", ROOT)
    assert (await queue.standing()).switch("demo").paused is False


async def test_a_pause_may_be_given_another_reason(world: World) -> None:
    """Pausing again keeps the domain paused and shows the newer reason."""
    queue = world.jobs.queue
    await queue.pause("demo", ROOT, "one")
    await queue.pause("demo", ROOT, "two")
    switch = (await queue.standing()).switch("demo")
    assert (switch.paused, switch.paused_by, switch.reason) == (True, "root", "two")
