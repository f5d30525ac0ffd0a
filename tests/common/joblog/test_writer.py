"""What a worker writes is numbered, live at once, archived while it grows, and survives crashes and outages."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
from redis.asyncio import Redis
from sqlalchemy import select

from libs.common import keys
from libs.common.errors import LeaseLost
from libs.common.jobs.joblog import archive
from libs.common.jobs.joblog.entries import Batch, EntryId, Line
from libs.common.jobs.joblog.writer import SOME_MISSING, TRUNCATED
from libs.common.jobs.models import Job, JobLogChunk
from tests.common.joblog.world import World, until
from tests.servers import RedisServer

MakeWorld = Callable[..., World]


def messages(lines: list[Line]) -> list[str]:
    return [line.message for line in lines]


async def in_redis(redis: Redis, job_id: UUID) -> int:
    entries = await redis.xrange(keys.job_log(job_id))
    return sum(int(fields[b"c"]) for _, fields in entries if fields[b"t"] == b"log")


async def log_positions(redis: Redis, stream: str) -> list[bytes]:
    return [position for position, fields in await redis.xrange(stream) if fields[b"t"] == b"log"]


async def _is(reading: Awaitable[object], wanted: object) -> bool:
    return bool(await reading == wanted)


async def test_lines_are_numbered_and_live(world: World) -> None:
    """Lines get numbers from 1, a level and a time, and stand in Redis under one position in both streams."""
    claimed, log = await world.started()
    await log.write("one\ntwo\n")
    await log.write("::group::test", level="info")
    await log.write("oops", level="stderr")
    job_id = claimed.lease.job_id
    await until(lambda: _is(in_redis(world.redis, job_id), 4), "the lines in redis")
    lines = await world.stored(job_id)
    assert [(line.id, line.level, line.message) for line in lines] == [
        (1, "stdout", "one"),
        (2, "stdout", "two"),
        (3, "info", "::group::test"),
        (4, "stderr", "oops"),
    ]
    log_ids = [
        entry_id for entry_id, fields in await world.redis.xrange(keys.job_log(job_id)) if fields[b"t"] == b"log"
    ]
    event_ids = [entry_id for entry_id, fields in await world.redis.xrange(keys.EVENTS) if fields[b"t"] == b"log"]
    assert log_ids == event_ids
    await world.end(claimed, log)
    assert await world.stored(job_id) == lines


async def test_the_end_archives_everything(world: World) -> None:
    """The transaction that ends a job archives the rest of its log: Redis can lose all of it afterwards."""
    claimed, log = await world.started()
    for n in range(500):
        await log.write(f"line {n}")
    await world.end(claimed, log)
    await world.redis.flushall()
    assert messages(await world.stored(claimed.lease.job_id)) == [f"line {n}" for n in range(500)]
    async with world.database.reading() as tx:
        assert (await tx.execute(select(Job.log_lines))).scalar_one() == 500


async def test_a_rolled_back_end_can_be_repeated(world: World) -> None:
    """When the transaction that ends the step fails, the same lines are written by the next one."""
    claimed, log = await world.started()
    await log.write("a\nb")
    await log.flush()
    async with world.database.engine.connect() as tx:
        await log.finish(tx)
        await tx.rollback()
    await world.end(claimed, log)
    assert messages(await world.stored(claimed.lease.job_id)) == ["a", "b"]


async def test_archive_grows_while_the_job_runs(make_world: MakeWorld) -> None:
    """A chunk is archived when it is full and when its oldest line has waited long enough."""
    world = make_world(log_chunk_bytes=4096, log_chunk_every_s=0.05)
    claimed, log = await world.started()
    await log.write("only a line")

    async def archived() -> int:
        return (await archive.tail(world.database, claimed.lease.job_id)).last_n

    await until(lambda: _is(archived(), 1), "an old line in SQL")
    await log.write("x" * 100 + "\n" + "y\n" * 200)
    await until(lambda: _is(archived(), 202), "a full chunk in SQL")
    await world.end(claimed, log)


async def test_a_stale_claim_writes_nothing(world: World) -> None:
    """After another claim took the job over, the old one's lines go nowhere and its next write says so."""
    claimed, log = await world.started()
    await log.write("mine")
    await log.flush()
    job_id = claimed.lease.job_id
    await world.crash(job_id)
    second = await world.claim(job_id, worker="two")
    await log.write("zombie")
    with pytest.raises(LeaseLost):
        await log.flush()
    with pytest.raises(LeaseLost):
        await log.write("zombie")
    await log.close()
    chunk = archive.Chunk.of([Batch(EntryId(1, 1), 2, 1, b'[{"id":2}]')])
    with pytest.raises(LeaseLost):
        await archive.store(world.database, claimed.lease, chunk)
    second_log = world.log(second)
    await second_log.write("yours")
    await world.end(second, second_log)
    assert messages(await world.stored(job_id)) == ["mine", "yours"]


async def test_a_chunk_is_stored_once(world: World) -> None:
    """Storing a chunk again after a lost reply changes nothing."""
    claimed, _ = await world.started()
    chunk = archive.Chunk.of([Batch(EntryId(1, 1), 1, 1, b'[{"id":1}]')])
    await archive.store(world.database, claimed.lease, chunk)
    await archive.store(world.database, claimed.lease, chunk)
    async with world.database.reading() as tx:
        assert len((await tx.execute(select(JobLogChunk.first_n))).all()) == 1


async def test_steps_continue_the_numbers(world: World) -> None:
    """A job that comes again goes on behind its last line, and knows where the outside log was."""
    claimed, log = await world.started()
    await log.write("pod says a", source="2026-01-01T00:00:01Z")
    await log.write("our own note", level="info")
    await world.again(claimed, log)
    claimed = await world.claim(claimed.lease.job_id)
    log = world.log(claimed)
    assert await log.source() == "2026-01-01T00:00:01Z"
    await log.write("pod says b", source="2026-01-01T00:00:02Z")
    assert await log.source() == "2026-01-01T00:00:02Z"
    await world.end(claimed, log)
    lines = await world.stored(claimed.lease.job_id)
    assert [(line.id, line.message, line.source) for line in lines] == [
        (1, "pod says a", "2026-01-01T00:00:01Z"),
        (2, "our own note", None),
        (3, "pod says b", "2026-01-01T00:00:02Z"),
    ]


async def test_a_crash_loses_nothing_that_redis_has(world: World) -> None:
    """What a dead worker had shown but not archived is archived by the next claim, which goes on behind it."""
    claimed, log = await world.started()
    await log.write("one\ntwo", source="s2")
    await log.flush()
    await log.close()  # dies without an end
    await world.crash(claimed.lease.job_id)
    second = await world.claim(claimed.lease.job_id, worker="two")
    log = world.log(second)
    assert not log.is_empty
    assert await log.source() == "s2"
    await log.write("three")
    await world.end(second, log)
    await world.redis.flushall()
    lines = await world.stored(claimed.lease.job_id)
    assert [(line.id, line.message) for line in lines] == [(1, "one"), (2, "two"), (3, "three")]


async def test_a_crash_is_recovered_without_a_line(world: World) -> None:
    """Also a claim that only ends the job (poison) archives what the dead worker had shown."""
    claimed, log = await world.started()
    await log.write("last words")
    await log.flush()
    await log.close()
    await world.crash(claimed.lease.job_id)
    second = await world.claim(claimed.lease.job_id, worker="two")
    await world.end(second, world.log(second))
    await world.redis.flushall()
    assert messages(await world.stored(claimed.lease.job_id)) == ["last words"]


@pytest.mark.parametrize("archived", [True, False])
async def test_a_crash_and_a_wipe_say_so(make_world: MakeWorld, archived: bool) -> None:
    """When worker and Redis are both lost, the next claim says that lines may be missing."""
    world = make_world(log_chunk_every_s=0.05 if archived else 60)
    claimed, log = await world.started()
    await log.write("kept" if archived else "lost")
    await log.flush()
    if archived:
        await log.write("kept too")  # a write ends the rest after `flush`
        await until(lambda: _is(_last_n(world, claimed.lease.job_id), 2), "the archive")
    await log.close()
    await world.redis.flushall()
    await world.crash(claimed.lease.job_id)
    second = await world.claim(claimed.lease.job_id, worker="two")
    log = world.log(second)
    await log.write("new")
    await world.end(second, log)
    expected = ["kept", "kept too"] if archived else []
    assert messages(await world.stored(claimed.lease.job_id)) == [*expected, SOME_MISSING, "new"]


async def _last_n(world: World, job_id: UUID) -> int:
    return (await archive.tail(world.database, job_id)).last_n


async def test_redis_down_costs_no_line(make_world: MakeWorld, redis_server: RedisServer) -> None:
    """Lines written while Redis is away go to SQL; the log is complete afterwards and goes on live."""
    world = make_world(log_chunk_every_s=0.05)
    claimed, log = await world.started()
    job_id = claimed.lease.job_id
    await log.write("before")
    await until(lambda: _is(in_redis(world.redis, job_id), 1), "the first line in redis")
    redis_server.stop()
    for n in range(200):
        await log.write(f"down {n}")
    await until(lambda: _is(_last_n(world, job_id), 201), "the lines in SQL")
    redis_server.start()
    await log.write("after")
    await until(lambda: _is(in_redis(world.redis, job_id), 2), "the last line in redis")
    await world.end(claimed, log)
    lines = await world.stored(job_id)
    assert messages(lines) == ["before", *(f"down {n}" for n in range(200)), "after"]
    assert [line.id for line in lines] == list(range(1, 203))
    ids = [batch.id async for batch in world.reader.batches(job_id)]
    assert ids == sorted(set(ids))


async def test_redis_never_there(make_world: MakeWorld, redis_server: RedisServer) -> None:
    """A job can run and end with its log although Redis is away all the time."""
    world = make_world()
    job = await world.new_job()
    redis_server.stop()
    claimed = await world.claim(job.view.id)
    log = world.log(claimed)
    await log.write("a\nb")
    await world.end(claimed, log)
    assert messages(await world.stored(job.view.id)) == ["a", "b"]
    redis_server.start()


async def test_redis_wiped_under_a_running_job(make_world: MakeWorld) -> None:
    """FLUSHALL in the middle loses no line as long as the worker lives."""
    world = make_world()
    claimed, log = await world.started()
    for n in range(100):
        if n == 50:
            await world.redis.flushall()
        await log.write(f"line {n}")
        await asyncio.sleep(0)
    await world.end(claimed, log)
    assert messages(await world.stored(claimed.lease.job_id)) == [f"line {n}" for n in range(100)]


async def test_cap(make_world: MakeWorld) -> None:
    """A log over its limit ends with one [truncated] line; later writes cost nothing, also in the next step."""
    world = make_world(log_max_bytes=20_000)
    claimed, log = await world.started()
    for n in range(1000):
        await log.write(f"line {n}")
    await world.again(claimed, log)
    claimed = await world.claim(claimed.lease.job_id)
    log = world.log(claimed)
    await log.write("more")
    await world.end(claimed, log)
    lines = await world.stored(claimed.lease.job_id)
    assert [n for n, line in enumerate(lines) if line.message == TRUNCATED] == [len(lines) - 1]
    size = sum([len(batch.lines) async for batch in world.reader.batches(claimed.lease.job_id)])
    assert 20_000 < size < 21_000


async def test_own_words_behind_the_cap(make_world: MakeWorld) -> None:
    """Exit codes and the reason of the end are kept behind [truncated], also in the next step, but not without end."""
    world = make_world(log_max_bytes=20_000)
    claimed, log = await world.started()
    for n in range(1000):
        await log.write(f"line {n}")
    await log.write("exit code 3", "error")
    await log.write("more")
    await world.again(claimed, log)
    claimed = await world.claim(claimed.lease.job_id)
    log = world.log(claimed)
    await log.write("more")
    await log.write("Failed: exit code 3", "error")
    for n in range(10_000):
        await log.write(f"word {n}", "info")
    await world.end(claimed, log)
    lines = messages(await world.stored(claimed.lease.job_id))
    cut = lines.index(TRUNCATED)
    assert lines[cut:][:4] == [TRUNCATED, "exit code 3", "Failed: exit code 3", "word 0"]
    size = sum([len(batch.lines) async for batch in world.reader.batches(claimed.lease.job_id)])
    assert size < 20_000 + 66 * 1024


async def test_redis_keeps_a_part(make_world: MakeWorld) -> None:
    """The job's stream in Redis is cut at its limit; readers get the rest from SQL."""
    world = make_world(log_redis_max_bytes=20_000, log_chunk_bytes=4096, log_chunk_every_s=0.5)
    claimed, log = await world.started()
    for n in range(2000):
        await log.write(f"line {n} {'x' * 50}")
    job_id = claimed.lease.job_id
    await until(lambda: _is(_last_n(world, job_id), 2000), "the archive")
    await log.flush()
    assert await in_redis(world.redis, job_id) < 1000
    assert [line.id for line in await world.stored(job_id)] == list(range(1, 2001))
    await world.end(claimed, log)


@pytest.mark.databases("sqlite")
async def test_a_flood_is_slowed_down(make_world: MakeWorld, redis_server: RedisServer) -> None:
    """A program that prints faster than Redis and SQL can take is held back, so memory stays bounded."""
    world = make_world()
    claimed, log = await world.started()
    text = ("x" * 200 + "\n") * 500
    highest = 0
    for n in range(100):
        if n == 30:
            redis_server.stop()
        await log.write(text)
        highest = max(highest, log._held_bytes)
    assert highest < 3 * 1024 * 1024
    redis_server.start()
    await world.end(claimed, log)
    lines = await world.stored(claimed.lease.job_id)
    assert [line.id for line in lines] == list(range(1, 50_001))


async def test_concurrent_writers_keep_their_lines_together(world: World) -> None:
    """Lines of one write stand together, whoever else writes at the same time."""
    claimed, log = await world.started()
    await asyncio.gather(*(log.write("\n".join([f"{n}"] * 20)) for n in range(20)))
    await world.end(claimed, log)
    lines = messages(await world.stored(claimed.lease.job_id))
    assert [lines[start : start + 20] for start in range(0, 400, 20)] == [[line] * 20 for line in lines[::20]]


async def test_secrets_are_masked_before_anything_is_stored(world: World) -> None:
    """Neither Redis nor SQL ever holds a value that was announced, also one that came in two pieces."""
    claimed, log = await world.started()
    log.add_secrets(["hunter2-hunter2"])
    await log.write("password hunter2-hunter2\nand hunter2", more=True)
    await log.write("-hunter2 again")
    await world.end(claimed, log)
    assert messages(await world.stored(claimed.lease.job_id)) == ["password ***", "and *** again"]
    async with world.database.reading() as tx:
        [data] = (await tx.execute(select(JobLogChunk.data))).scalars()
    assert b"hunter2" not in zlib.decompress(data)
    assert b"hunter2" not in b"".join(fields[b"d"] for _, fields in await world.redis.xrange(keys.EVENTS))


async def test_a_log_without_lines_costs_nothing(world: World) -> None:
    """A job that writes no line leaves no chunk and its log says so beforehand."""
    claimed, log = await world.started()
    assert log.is_empty
    await world.end(claimed, log)
    async with world.database.reading() as tx:
        assert (await tx.execute(select(JobLogChunk.first_n))).all() == []
    with pytest.raises(LeaseLost):
        await log.write("too late")
