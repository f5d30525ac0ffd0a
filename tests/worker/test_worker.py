"""A worker with real Redis and a real database: what comes of a job, whatever its handler does."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common import keys
from libs.common.database import utcnow
from libs.common.errors import Conflict, LeaseLost, PermanentJobError, RetryableJobError
from libs.common.jobs.heartbeats import read_all
from libs.common.jobs.kinds import Again, Cancelled, Done, JobRules, Outcome
from libs.common.jobs.models import Domain, Job
from libs.common.jobs.states import JobStatus
from libs.common.jobs.view import LiveJob, from_hash
from libs.common.worker import runtime
from libs.common.worker.context import Context, Handler
from libs.common.worker.service import WorkerService
from tests.world import Aging, Hasty, Heavy, Ping, World, eventually, make_world


class Record:
    """Remembers calls and lets a test hold handlers open."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.undone: list[str] = []
        self.started = asyncio.Event()
        self.go_on = asyncio.Event()

    async def ping(self, job: Any, ctx: Context) -> Done:
        self.calls.append(job.text)
        return Done()

    async def hold(self, job: Any, ctx: Context) -> Done:
        self.calls.append(job.text)
        self.started.set()
        await self.go_on.wait()
        return Done()

    async def undo(self, job: Any, ctx: Context) -> None:
        self.undone.append(job.text)


@pytest.fixture
def record() -> Record:
    return Record()


@pytest.fixture
async def world(database: str, redis: str) -> AsyncIterator[World]:
    async with make_world(database, redis) as made:
        yield made


async def shown(world: World, job: LiveJob) -> LiveJob:
    """The live hash of a job."""
    return from_hash(await world.redis.hgetall(keys.job_hash(job.view.id)))  # type: ignore[misc]


async def events(world: World, job: LiveJob) -> list[tuple[str, str]]:
    """(type, status) of the job's events in their order."""
    found = []
    for _, fields in await world.redis.xrange(keys.EVENTS):
        if fields[b"j"].decode() == str(job.view.id) and fields[b"t"] != b"log":
            found.append((fields[b"t"].decode(), msgspec.json.decode(fields[b"d"])["status"]))
    return found


async def test_a_job_runs_and_ends_in_sql_and_redis(world: World, record: Record) -> None:
    """An announced job is run once; row, hash and events agree on its success."""
    async with world.worker(Handler(Ping, record.ping)):
        [job] = await world.add(Ping("one"))
        ended = await world.ended(job)
        assert ended.view.status is JobStatus.SUCCESS
        assert ended.view.progress == 100
        await eventually(lambda: _is_shown(world, ended), "the hash does not follow")
    assert record.calls == ["one"]
    assert await events(world, job) == [("status", "pending"), ("status", "running"), ("end", "success")]
    assert await world.redis.ttl(keys.job_hash(job.view.id)) <= keys.DONE_TTL_S


async def _is_shown(world: World, job: LiveJob) -> bool:
    return (await shown(world, job)).view == job.view


async def test_a_job_published_before_the_first_worker_is_not_lost(world: World, record: Record) -> None:
    """The group begins at id 0: a worker that starts later finds what waits."""
    jobs = await world.add(Ping("a"), Ping("b"))
    async with world.worker(Handler(Ping, record.ping)):
        for job in jobs:
            await world.ended(job)
    assert sorted(record.calls) == ["a", "b"]


async def test_a_job_whose_announcement_was_lost_is_published(world: World, record: Record) -> None:
    """The publisher finds what the accept could not hand out (killed between commit and publish)."""
    async with world.worker(Handler(Ping, record.ping)):
        [job] = await world.add(Ping("x"), announce=False)
        await world.ended(job)
    assert record.calls == ["x"]


@pytest.mark.parametrize("wait_s", [0.05, 0.3])
async def test_again_comes_back_with_its_checkpoint(world: World, wait_s: float) -> None:
    """Again gives the slot back, keeps the checkpoint and runs the handler again after the wait."""
    seen: list[dict[str, Any]] = []

    async def poll(job: Ping, ctx: Context) -> Done | Again:
        seen.append(ctx.checkpoint)
        return Again(wait_s, waiting_for="the moon", checkpoint={"n": len(seen)}) if len(seen) < 4 else Done({"n": 4})

    async with world.worker(Handler(Ping, poll)):
        [job] = await world.add(Ping())
        ended = await world.ended(job)
    assert seen == [{}, {"n": 1}, {"n": 2}, {"n": 3}]
    assert ended.lease_no == 4


async def test_waiting_for_is_shown_and_wake_ends_the_wait(world: World) -> None:
    """A long Again shows what it waits for; wake runs the job at once."""
    woken = asyncio.Event()

    async def wait(job: Ping, ctx: Context) -> Done | Again:
        return Done() if woken.is_set() else Again(3600, waiting_for="the rate limit until noon")

    async with world.worker(Handler(Ping, wait)):
        [job] = await world.add(Ping())
        await world.until(job, lambda now: now.view.waiting_for == "the rate limit until noon")
        woken.set()
        await world.jobs.wake(job.view.id)
        assert (await world.ended(job)).view.waiting_for is None


async def test_a_retryable_error_is_tried_again_within_its_budget(world: World) -> None:
    """RetryableJobError comes back with a back-off until max_tries, then the job fails with its code."""
    runs = 0

    async def flaky(job: Ping, ctx: Context) -> Done:
        nonlocal runs
        runs += 1
        raise RetryableJobError("The tide is out", code="TIDE")

    async with world.worker(Handler(Ping, flaky)):
        [job] = await world.add(Ping())
        waiting = await world.until(job, lambda now: now.view.tries == 1)
        assert waiting.view.waiting_for == "try 2 after TIDE: The tide is out"
        assert waiting.view.status is JobStatus.RUNNING
        for tries in (1, 2):
            await world.until(job, lambda now, tries=tries: now.view.tries >= tries or now.is_terminal)  # type: ignore[misc]
            await world.jobs.wake(job.view.id)
        ended = await world.ended(job)
    assert runs == Ping.policy.max_tries
    assert ended.view.status is JobStatus.FAILED
    assert ended.view.error is not None
    assert (ended.view.error.code, ended.view.error.retryable) == ("TIDE", True)


async def test_a_permanent_error_fails_at_once(world: World) -> None:
    """PermanentJobError ends the job with code, message and exit code; no second run."""
    runs = 0

    async def fail(job: Ping, ctx: Context) -> Done:
        nonlocal runs
        runs += 1
        raise PermanentJobError("Step test failed", code="STEP_FAILED", exit_code=3)

    async with world.worker(Handler(Ping, fail)):
        [job] = await world.add(Ping())
        ended = await world.ended(job)
    assert runs == 1
    assert ended.view.exit_code == 3
    assert ended.view.error is not None
    assert ended.view.error.code == "STEP_FAILED"


async def test_a_handlers_bug_is_retried_and_never_ends_the_worker(world: World, record: Record) -> None:
    """Any exception counts as a try; the worker goes on with other jobs."""

    async def broken(job: Heavy, ctx: Context) -> Done:
        raise ZeroDivisionError

    async with world.worker(Handler(Heavy, broken), Handler(Ping, record.ping)):
        [job] = await world.add(Heavy())
        waiting = await world.until(job, lambda now: now.view.tries == 1)
        assert waiting.view.waiting_for == "try 2 after INTERNAL_ERROR: Internal error (ZeroDivisionError)"
        [other] = await world.add(Ping("still here"))
        assert (await world.ended(other)).view.status is JobStatus.SUCCESS


async def test_a_handler_may_end_as_cancelled(world: World) -> None:
    """Cancelled(code) ends the job as cancelled with that reason."""

    async def skip(job: Ping, ctx: Context) -> Cancelled:
        return Cancelled("SKIPPED", "no path matches")

    async with world.worker(Handler(Ping, skip)):
        [job] = await world.add(Ping())
        ended = await world.ended(job)
    assert ended.view.status is JobStatus.CANCELLED
    assert ended.view.error is not None
    assert ended.view.error.code == "SKIPPED"


async def test_a_step_over_its_time_is_stopped_undone_and_failed(world: World, record: Record) -> None:
    """A handler that takes longer than its kind allows is cancelled, its cancel step runs, the job fails as TIMEOUT."""
    async with world.worker(Handler(Hasty, record.hold, cancel=record.undo)):
        [job] = await world.add(Hasty("slow"))
        ended = await world.ended(job)
    assert ended.view.error is not None
    assert ended.view.error.code == "TIMEOUT"
    assert record.undone == ["slow"]


async def test_a_handler_that_ignores_its_cancellation_does_not_hold_the_job(world: World) -> None:
    """After the grace the job ends although the handler goes on."""
    free = asyncio.Event()

    async def stubborn(job: Hasty, ctx: Context) -> Done:
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue
        return Done()

    async with world.worker(Handler(Hasty, stubborn)):
        [job] = await world.add(Hasty())
        ended = await world.ended(job)
        free.set()
    assert ended.view.status is JobStatus.FAILED


async def test_a_job_older_than_its_deadline_fails(world: World) -> None:
    """A kind with a deadline does not answer Again for ever."""

    async def never(job: Aging, ctx: Context) -> Again:
        return Again(0.1)

    async with world.worker(Handler(Aging, never)):
        [job] = await world.add(Aging())
        ended = await world.ended(job)
    assert ended.view.error is not None
    assert ended.view.error.code == "DEADLINE_EXCEEDED"


async def test_a_pending_job_is_cancelled_at_once(world: World) -> None:
    """Without a worker a cancel ends a pending job in SQL and shows it; a second cancel is a conflict."""
    [job] = await world.add(Ping())
    ended = await world.jobs.cancel(job.view.id)
    assert ended.view.status is JobStatus.CANCELLED
    assert (await shown(world, job)).view.status is JobStatus.CANCELLED
    with pytest.raises(Conflict):
        await world.jobs.cancel(job.view.id)


async def test_a_running_job_is_told_undone_and_cancelled(world: World, record: Record) -> None:
    """A cancel reaches the worker, the handler stops, the cancel step undoes, then the job is cancelled."""
    async with world.worker(Handler(Ping, record.hold, cancel=record.undo)):
        [job] = await world.add(Ping("long"))
        await record.started.wait()
        flagged = await world.jobs.cancel(job.view.id)
        assert flagged.view.cancel_requested
        assert (await world.ended(job)).view.status is JobStatus.CANCELLED
    assert record.undone == ["long"]


async def test_a_waiting_job_runs_its_cancel_step_too(world: World, record: Record) -> None:
    """A cancel between two steps is claimed for the cancel step; the handler does not run again."""
    runs = 0

    async def wait(job: Ping, ctx: Context) -> Again:
        nonlocal runs
        runs += 1
        return Again(3600, waiting_for="the cloud")

    async with world.worker(Handler(Ping, wait, cancel=record.undo)):
        [job] = await world.add(Ping("w"))
        await world.until(job, lambda now: now.view.waiting_for == "the cloud")
        await world.jobs.cancel(job.view.id)
        assert (await world.ended(job)).view.status is JobStatus.CANCELLED
    assert (runs, record.undone) == (1, ["w"])


async def test_a_job_that_is_woken_while_its_step_says_its_last_words(world: World) -> None:
    """A worker that claims a job again right after its step was committed runs it, however often that happens."""
    rounds = 0

    async def wait(job: Ping, ctx: Context) -> Again:
        nonlocal rounds
        rounds += 1
        return Again(3600, waiting_for=f"round {rounds}")

    async with world.worker(Handler(Ping, wait)):
        [job] = await world.add(Ping())
        for number in range(1, 41):
            await world.until(job, lambda now, number=number: now.view.waiting_for == f"round {number}")  # type: ignore[misc]
            await world.jobs.wake(job.view.id)


async def test_a_lost_cancel_message_is_seen_by_the_renewal(world: World, record: Record) -> None:
    """The flag in SQL is enough: without the pub/sub message the next renewal cancels the handler."""
    async with world.worker(Handler(Ping, record.hold)):
        [job] = await world.add(Ping())
        await record.started.wait()
        async with world.database.transaction() as tx:
            await tx.execute(update(Job).where(Job.id == job.view.id).values(cancel_requested_at=utcnow()))
        assert (await world.ended(job)).view.status is JobStatus.CANCELLED


async def test_on_end_writes_with_the_end_or_not_at_all(database: str, redis: str, record: Record) -> None:
    """The slice's rule runs in the terminal transaction, for success, failure and cancel alike."""
    seen: list[tuple[UUID, str]] = []

    async def on_end(tx: AsyncConnection, job: LiveJob, outcome: Outcome) -> None:
        row = (await tx.execute(select(Job.status).where(Job.id == job.view.id))).one()
        assert row.status == outcome.status
        seen.append((job.view.id, outcome.status))

    async def run(job: Ping, ctx: Context) -> Done:
        if job.text == "bad":
            raise PermanentJobError("no", code="NO")
        return Done()

    async with make_world(database, redis, [JobRules(Ping, on_end=on_end)]) as world:
        async with world.worker(Handler(Ping, run, on_end=on_end)):
            good, bad = await world.add(Ping("good"), Ping("bad"))
            await world.ended(good)
            await world.ended(bad)
        [pending] = await world.add(Ping("never"))
        await world.jobs.cancel(pending.view.id)
    assert sorted(seen) == sorted([(good.view.id, "success"), (bad.view.id, "failed"), (pending.view.id, "cancelled")])


async def test_a_job_that_kills_its_workers_runs_alone_and_then_is_poison(world: World, record: Record) -> None:
    """With two crashes a job waits until its worker does nothing else; with three it fails without running."""
    twice, thrice = await world.add(Ping("twice"), Ping("thrice"), announce=False)
    past = utcnow() - timedelta(minutes=1)
    async with world.database.transaction() as tx:
        for job, crashes in ((twice, 1), (thrice, 2)):
            await tx.execute(
                update(Job)
                .where(Job.id == job.view.id)
                .values(crashes=crashes, status="running", lease_owner="dead", lease_until=past, lease_no=crashes + 1)
            )
    neighbours: list[int] = []
    workers: list[WorkerService] = []

    async def count(job: Ping, ctx: Context) -> Done:
        record.calls.append(job.text)
        neighbours.append(workers[0]._slots.running)
        return Done()

    async with world.worker(Handler(Ping, count)) as worker:
        workers.append(worker)
        ended = await world.ended(thrice)
        assert (await world.ended(twice)).view.status is JobStatus.SUCCESS
    assert ended.view.error is not None
    assert ended.view.error.code == "POISON"
    assert record.calls == ["twice"]
    assert neighbours == [1]


async def test_a_job_that_cannot_be_alone_yet_keeps_its_crashes(
    world: World, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A suspicious job whose neighbours do not end comes again later, and is as suspicious then as it was."""
    monkeypatch.setattr(runtime, "ALONE_WAIT_S", 0.1)  # a minute in earnest
    past = utcnow() - timedelta(minutes=1)
    async with world.worker(Handler(Heavy, record.hold), Handler(Ping, record.ping)):
        [neighbour] = await world.add(Heavy("neighbour"))
        await record.started.wait()
        [job] = await world.add(Ping("suspicious"), announce=False)
        async with world.database.transaction() as tx:
            dead = {"status": "running", "lease_owner": "dead", "lease_until": past, "lease_no": 2, "crashes": 1}
            await tx.execute(update(Job).where(Job.id == job.view.id).values(**dead))
        await world.until(job, lambda now: "nothing else to do" in (now.view.waiting_for or ""))
        async with world.database.reading() as tx:
            assert (await tx.execute(select(Job.crashes).where(Job.id == job.view.id))).scalar_one() == 2
        record.go_on.set()
        await world.ended(neighbour)
    assert record.calls == ["neighbour"]


async def test_an_unknown_kind_waits_for_a_newer_worker(world: World, record: Record) -> None:
    """A worker that does not know a kind hands the job back and says what it waits for."""
    async with world.worker(Handler(Ping, record.ping)):
        [job] = await world.add(Hasty())
        waiting = await world.until(job, lambda now: now.view.waiting_for is not None)
        assert waiting.view.waiting_for == "a worker that knows the kind demo.hasty"
        assert not waiting.is_terminal


async def test_a_message_that_cannot_be_read_fails_the_job(world: World, record: Record) -> None:
    """Rubbish in the payload is BAD_MESSAGE, not a crash loop."""
    async with world.worker(Handler(Ping, record.ping)):
        [job] = await world.add(Ping(), announce=False)
        async with world.database.transaction() as tx:
            await tx.execute(update(Job).where(Job.id == job.view.id).values(payload=b'{"text": 5}'))
        ended = await world.ended(job)
    assert ended.view.error is not None
    assert ended.view.error.code == "BAD_MESSAGE"


async def test_long_builds_leave_the_light_slots_free(world: World, record: Record) -> None:
    """With all heavy slots taken and more heavy jobs waiting, a light job still runs."""
    async with world.worker(Handler(Heavy, record.hold), Handler(Ping, record.ping)):
        heavy = await world.add(*[Heavy(str(n)) for n in range(6)])
        await record.started.wait()
        [light] = await world.add(Ping("light"))
        await world.ended(light)
        running = [job for job in heavy if (await world.row(job.view.id)).view.status is JobStatus.RUNNING]
        assert len(running) <= world.settings.slots_heavy
        record.go_on.set()
        for job in heavy:
            await world.ended(job)
    assert sorted(record.calls) == ["0", "1", "2", "3", "4", "5", "light"]


async def test_a_lane_runs_in_order_without_waiting_for_the_publisher(world: World) -> None:
    """The end of a lane's job hands out the next one; order is the order of insertion."""
    order: list[str] = []
    beside = 0

    async def run(job: Ping, ctx: Context) -> Done:
        nonlocal beside
        beside += 1
        assert beside == 1
        order.append(job.text)
        await asyncio.sleep(0)
        beside -= 1
        return Done()

    async with world.worker(Handler(Ping, run)):
        jobs = await world.add(*[Ping(str(n)) for n in range(8)], lane="server:1")
        for job in jobs:
            await world.ended(job)
    assert order == [str(n) for n in range(8)]


async def test_a_paused_domain_starts_nothing_until_it_is_resumed(world: World, record: Record) -> None:
    """Jobs accepted during a pause run after it."""
    async with world.database.transaction() as tx:
        await tx.execute(insert(Domain).values(name="demo", paused=True, updated_at=utcnow()))
    async with world.worker(Handler(Ping, record.ping)):
        [job] = await world.add(Ping("later"))
        await eventually(lambda: _stream_is_empty(world), "the refused entry stays in the stream")
        assert record.calls == []
        async with world.database.transaction() as tx:
            await tx.execute(update(Domain).values(paused=False))
        await world.ended(job)
    assert record.calls == ["later"]


async def _stream_is_empty(world: World) -> bool:
    return bool(await world.redis.xlen(keys.jobs_stream("demo", "light")) == 0)


async def test_a_zombie_can_write_neither_its_job_nor_its_slice(world: World) -> None:
    """After somebody else's claim, transaction(), progress() and check() of the old context raise LeaseLost."""
    refused: list[str] = []
    taken_over = asyncio.Event()
    started = asyncio.Event()

    async def run(job: Ping, ctx: Context) -> Done:
        started.set()
        await taken_over.wait()
        for name in ("transaction", "progress"):
            try:
                if name == "transaction":
                    async with ctx.transaction() as tx:
                        await tx.execute(insert(Domain).values(name="zombie", paused=True, updated_at=utcnow()))
                else:
                    await ctx.progress(percent=50)
            except LeaseLost:
                refused.append(name)
        return Done({"who": "zombie"})

    async with world.worker(Handler(Ping, run)):
        [job] = await world.add(Ping())
        await started.wait()
        async with world.database.transaction() as tx:
            await tx.execute(update(Job).where(Job.id == job.view.id).values(lease_owner="other", lease_no=9))
        taken_over.set()
        await eventually(lambda: _true(len(refused) == 2), "the zombie was not stopped")
    row = await world.row(job.view.id)
    assert (row.view.status, row.lease_no) == (JobStatus.RUNNING, 9)
    async with world.database.reading() as tx:
        assert (await tx.execute(select(Domain.name))).all() == []


async def _true(value: bool) -> bool:
    return value


async def test_progress_and_stage_are_shown(world: World, record: Record) -> None:
    """ctx.progress changes row and hash, and counts the version."""

    async def run(job: Ping, ctx: Context) -> Done:
        await ctx.progress(stage="compile", percent=40)
        return await record.hold(job, ctx)

    async with world.worker(Handler(Ping, run)):
        [job] = await world.add(Ping())
        await record.started.wait()
        live = await shown(world, job)
        assert (live.view.stage, live.view.progress) == ("compile", 40)
        record.go_on.set()
        await world.ended(job)


async def test_shutdown_waits_for_short_jobs_and_gives_long_ones_back(world: World, record: Record) -> None:
    """A stopped worker lets what ends within the grace end, and returns the rest without a crash counted."""
    async with world.worker(Handler(Ping, record.hold), Handler(Heavy, record.hold)) as worker:
        long, short = await world.add(Heavy("long"), Ping("short"))
        await eventually(lambda: _true(len(record.calls) == 2), "not started")
        worker.stop()
        await world.until(long, lambda now: now.view.waiting_for is not None)
        record.go_on.set()
        assert (await world.ended(short)).view.status is JobStatus.SUCCESS
    given_back = await world.row(long.view.id)
    assert given_back.view.waiting_for == "another worker: this one is shutting down"
    async with world.worker(Handler(Heavy, record.ping)):
        assert (await world.ended(long)).view.status is JobStatus.SUCCESS
    async with world.database.reading() as tx:
        assert (await tx.execute(select(Job.crashes).where(Job.id == long.view.id))).scalar_one() == 0


async def test_losing_all_of_redis_costs_no_job(world: World, record: Record, redis: str) -> None:
    """FLUSHALL with jobs waiting and running: every one reaches exactly one end, and is shown again."""
    async with world.worker(Handler(Heavy, record.hold), Handler(Ping, record.ping)):
        jobs = await world.add(*[Heavy(str(n)) for n in range(6)])
        await record.started.wait()
        await world.redis.flushall()
        jobs += await world.add(*[Ping(f"p{n}") for n in range(5)])
        await eventually(lambda: _all_shown(world, jobs), "not all jobs are live again")
        record.go_on.set()
        for job in jobs:
            assert (await world.ended(job)).view.status is JobStatus.SUCCESS
    assert sorted(record.calls) == sorted([*"012345", "p0", "p1", "p2", "p3", "p4"])


async def _all_shown(world: World, jobs: list[LiveJob]) -> bool:
    return all([await world.redis.exists(keys.job_hash(job.view.id)) for job in jobs])


async def test_the_heartbeat_tells_what_a_worker_does(world: World, record: Record) -> None:
    """It names the jobs that run and the slots they take, expires when it is not renewed, and goes with its worker."""
    async with world.worker(Handler(Ping, record.hold)) as worker:
        [job] = await world.add(Ping())
        await record.started.wait()
        key = keys.worker_hash("demo", worker.name)

        async def tells() -> bool:
            beats = await read_all(world.redis)
            # A second sign of the same job (the publisher's) holds a slot until its claim is refused.
            return [(one.id, beat.slots["light"].used) for beat in beats for one in beat.jobs] == [(job.view.id, 1)]

        await eventually(tells, "the heartbeat does not name the job and its one slot")
        [beat] = await read_all(world.redis)
        assert (beat.domain, beat.name, beat.started, beat.ended) == ("demo", worker.name, 1, 0)
        assert beat.slots["light"].total == world.settings.slots_light
        assert 0 < await world.redis.ttl(key) <= keys.WORKER_TTL_S
        record.go_on.set()
        await world.ended(job)
    assert not await world.redis.exists(key, keys.WORKERS)
