"""The live picture in Redis: one script, one order, nothing stale."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import msgspec
import pytest

from libs.common import keys
from libs.common.jobs.live import Live
from libs.common.jobs.states import JobStatus
from libs.common.jobs.view import JobView, LiveJob, from_hash
from tests.world import Ping, World, make_world

pytestmark = pytest.mark.databases("sqlite")  # the script does not know the database


@pytest.fixture
async def world(database: str, redis: str) -> AsyncIterator[World]:
    async with make_world(database, redis) as made:
        yield made


def at(job: LiveJob, *, version: int, status: JobStatus = JobStatus.RUNNING, lease_no: int = 1) -> LiveJob:
    """The job as it would be after more changes."""
    view: JobView = msgspec.structs.replace(job.view, version=version, status=status)
    return msgspec.structs.replace(job, view=view, lease_no=lease_no)


async def hash_of(world: World, job_id: UUID) -> LiveJob:
    return from_hash(await world.redis.hgetall(keys.job_hash(job_id)))  # type: ignore[misc]


async def log(live: Live, job: LiveJob, number: int, lease_no: int = 1) -> str | None:
    return await live.log(
        job_id=job.view.id,
        lease_no=lease_no,
        owner=job.owner,
        subject="thing:1",
        lines=b'[{"id":%d}]' % number,
        first_n=number,
        count=1,
    )


async def test_a_hash_holds_the_whole_picture(world: World) -> None:
    """What was published is read back unchanged, and the hash has a life time."""
    [job] = await world.add(Ping(), announce=False, repository="ada/engine", branch="main")
    await world.jobs.live.publish([job])
    assert (await hash_of(world, job.view.id)).view == job.view
    assert 0 < await world.redis.ttl(keys.job_hash(job.view.id)) <= keys.LIVE_TTL_S


async def test_an_older_version_is_dropped(world: World) -> None:
    """Whatever the order of arrival, the hash ends with the newest version and the older one makes no event."""
    [job] = await world.add(Ping(), announce=False)
    live = world.jobs.live
    await live.publish([at(job, version=5, status=JobStatus.SUCCESS), at(job, version=3)])
    await live.publish([at(job, version=5, status=JobStatus.SUCCESS)])
    assert (await hash_of(world, job.view.id)).view.version == 5
    assert await world.redis.xlen(keys.EVENTS) == 1


async def test_a_log_line_of_an_older_claim_is_dropped(world: World) -> None:
    """A zombie's lines reach neither the job's log nor the events."""
    [job] = await world.add(Ping(), announce=False)
    await world.jobs.live.publish([at(job, version=4, lease_no=2)])
    assert await log(world.jobs.live, job, 1, lease_no=1) is None
    assert await log(world.jobs.live, job, 1, lease_no=2) is not None
    assert await world.redis.xlen(keys.job_log(job.view.id)) == 2  # the status and one line


async def test_both_streams_have_the_same_growing_ids(world: World) -> None:
    """Entries of many jobs written at once have one order; a job's log has the ids that `ev` has."""
    jobs = await world.add(*[Ping() for _ in range(4)], announce=False)
    await asyncio.gather(*(log(world.jobs.live, job, n) for n in range(1, 26) for job in jobs))
    events = await world.redis.xrange(keys.EVENTS)
    ids = [tuple(int(part) for part in entry_id.split(b"-")) for entry_id, _ in events]
    assert ids == sorted(set(ids))
    for job in jobs:
        own = [entry_id for entry_id, _ in await world.redis.xrange(keys.job_log(job.view.id))]
        assert own == [entry_id for entry_id, fields in events if fields[b"j"].decode() == str(job.view.id)]


async def test_ids_grow_on_after_one_stream_was_lost(world: World) -> None:
    """With `ev` gone, or a log's last id ahead of the clock, new entries still get larger ids in both streams."""
    [job] = await world.add(Ping(), announce=False)
    first = await log(world.jobs.live, job, 1)
    await world.redis.xadd(keys.job_log(job.view.id), {"t": "x"}, id="9999999999999-7")
    await world.redis.delete(keys.EVENTS)
    second = await log(world.jobs.live, job, 2)
    assert first is not None
    assert second == "9999999999999-8"
    [(only, _)] = await world.redis.xrange(keys.EVENTS)
    assert only.decode() == second


async def test_a_job_is_handed_out_only_while_there_is_room(world: World) -> None:
    """enqueue fills the stream up to the window and shows all jobs."""
    jobs = await world.add(*[Ping() for _ in range(5)], announce=False)
    handed_out, _ = await world.jobs.live.enqueue(jobs, window=3)
    assert handed_out == jobs[:3]
    assert await world.redis.xlen(keys.jobs_stream("demo", "light")) == 3
    for job in jobs:
        assert await world.redis.exists(keys.job_hash(job.view.id))


async def test_the_script_comes_back_after_a_restart(world: World) -> None:
    """A Redis that has forgotten its scripts gets them again."""
    [job] = await world.add(Ping(), announce=False)
    await world.jobs.live.publish([job])
    await world.redis.script_flush()
    await world.jobs.live.publish([at(job, version=9)])
    assert (await hash_of(world, job.view.id)).view.version == 9
