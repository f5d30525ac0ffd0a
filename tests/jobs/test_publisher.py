"""Publisher and repairer: Redis follows SQL, whatever it has lost."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import insert, select, update

from libs.common import keys
from libs.common.database import utcnow
from libs.common.jobs.models import Domain, Job
from libs.common.jobs.publisher import Publisher, epoch
from libs.common.jobs.repairer import Repairer
from libs.common.settings import RuntimeSettings
from tests.world import Heavy, Ping, World, eventually, make_world

# No waiting: what was inserted is ripe at once.
SETTINGS = RuntimeSettings(
    publish_grace_s=0, publish_window=4, publish_batch=3, republish_after_s=3600, accept_publish_timeout_ms=2000
)


@pytest.fixture
async def world(database: str, redis: str) -> AsyncIterator[World]:
    async with make_world(database, redis, settings=SETTINGS) as made:
        yield made


@pytest.fixture
def publisher(world: World) -> Publisher:
    return Publisher("demo", world.database, world.jobs.live, SETTINGS)


@pytest.fixture
def repairer(world: World) -> Repairer:
    return Repairer(world.database, world.jobs.live, SETTINGS)


async def waiting(world: World, job_class: str = "light") -> list[str]:
    """The ids in a stream, in their order."""
    return [fields[b"id"].decode() for _, fields in await world.redis.xrange(keys.jobs_stream("demo", job_class))]


async def test_due_jobs_are_published_oldest_first_up_to_the_window(world: World, publisher: Publisher) -> None:
    """Each tick hands out one batch at most, and never more than the window holds."""
    jobs = await world.add(*[Ping() for _ in range(7)], announce=False)
    assert [await publisher.tick() for _ in range(3)] == [3, 1, 0]
    assert await waiting(world) == [str(job.view.id) for job in jobs[:4]]


async def test_each_class_has_a_stream_of_its_own(world: World, publisher: Publisher) -> None:
    """Heavy jobs do not stand in front of light ones."""
    [heavy, light] = await world.add(Heavy(), Ping(), announce=False)
    await publisher.tick()
    assert await waiting(world, "heavy") == [str(heavy.view.id)]
    assert await waiting(world, "light") == [str(light.view.id)]


async def test_what_is_published_is_not_published_twice(world: World, publisher: Publisher) -> None:
    """A job in the stream stays there once, however often the publisher looks."""
    await world.add(Ping(), announce=False)
    assert [await publisher.tick() for _ in range(3)] == [1, 0, 0]


async def test_another_epoch_means_publishing_again(world: World, publisher: Publisher) -> None:
    """After a loss of Redis's data everything unclaimed is handed out anew."""
    jobs = await world.add(Ping(), Ping(), announce=False)
    await publisher.tick()
    await world.redis.flushall()
    assert await publisher.tick() == 2
    assert await waiting(world) == [str(job.view.id) for job in jobs]


async def test_a_loss_before_the_accepts_note_means_publishing_again(world: World, publisher: Publisher) -> None:
    """An accept is noted a little later, under the data set that took its job and not under the one after a loss."""
    await epoch(world.redis)
    [job] = await world.add(Ping())
    await world.redis.flushall()
    await epoch(world.redis)

    async def noted() -> bool:
        async with world.database.reading() as tx:
            return (await tx.execute(select(Job.published_at))).scalar() is not None

    await eventually(noted, "the accept is not noted")
    assert await publisher.tick() == 1
    assert await waiting(world) == [str(job.view.id)]


async def test_what_stays_unclaimed_is_published_again(world: World, publisher: Publisher) -> None:
    """An entry whose worker died between reading and claiming is handed out again after a while."""
    await world.add(Ping(), announce=False)
    await publisher.tick()
    async with world.database.transaction() as tx:
        await tx.execute(update(Job).values(published_at=utcnow().replace(year=2020)))
    assert await publisher.tick() == 1


async def test_only_the_head_of_a_lane_is_published(world: World, publisher: Publisher) -> None:
    """Jobs that may not run take no place in the window."""
    first, _ = await world.add(Ping(), Ping(), announce=False, lane="server:1")
    [other] = await world.add(Ping(), announce=False)
    await publisher.tick()
    assert await waiting(world) == [str(first.view.id), str(other.view.id)]


async def test_a_paused_domain_publishes_nothing(world: World, publisher: Publisher) -> None:
    """Pause and resume work without touching a single job."""
    await world.add(Ping(), announce=False)
    async with world.database.transaction() as tx:
        await tx.execute(insert(Domain).values(name="demo", paused=True, updated_at=utcnow()))
    assert await publisher.tick() == 0
    async with world.database.transaction() as tx:
        await tx.execute(update(Domain).values(paused=False))
    assert await publisher.tick() == 1


async def test_one_publisher_of_a_domain_is_active(world: World, publisher: Publisher) -> None:
    """A second publisher does not get the lock while the first one keeps it."""
    other = Publisher("demo", world.database, world.jobs.live, SETTINGS)
    assert await publisher._lock.held()
    assert not await other._lock.held()
    assert await publisher._lock.held()


async def test_an_accept_is_handed_out_at_once_while_there_is_room(world: World) -> None:
    """announce fills the stream up to the window; the rest waits for the publisher."""
    await world.add(*[Ping() for _ in range(6)])
    assert len(await waiting(world)) == 4


async def test_missing_and_old_hashes_are_mended(world: World, repairer: Repairer) -> None:
    """A job that was never shown, and one whose last change was not, are shown by the next tick; then it is quiet."""
    shown, hidden = await world.add(Ping(), Ping(), announce=False)
    await world.jobs.live.publish([shown])
    async with world.database.transaction() as tx:
        await tx.execute(
            update(Job)
            .where(Job.id == shown.view.id)
            .values(status="success", version=7, updated_at=utcnow(), finished_at=utcnow())
        )
    assert await repairer.tick() == 2
    assert await repairer.tick() == 0
    for job in (shown, hidden):
        live = await world.jobs.get(job.view.id)
        assert live is not None
        assert live.view.version == (await world.row(job.view.id)).view.version


async def test_all_live_jobs_are_shown_again_after_a_loss(world: World, repairer: Repairer) -> None:
    """The repairer notices that the epoch is gone and shows every active job again."""
    jobs = await world.add(*[Ping() for _ in range(5)])
    await repairer.tick()
    await world.redis.flushall()
    assert await repairer.tick() == len(jobs)
    for job in jobs:
        assert await world.redis.exists(keys.job_hash(job.view.id))


async def test_all_live_jobs_are_compared_some_at_a_time(world: World, repairer: Repairer) -> None:
    """With many jobs waiting no tick takes long: what is left goes on in the next ones, and ends; so after a loss."""
    jobs = await world.add(*[Ping()] * 1100, announce=False)
    mended = [await repairer.tick() for _ in range(6)]
    assert max(mended) <= 1000  # of what changed, and of all
    assert sum(mended) == len(jobs)
    await world.redis.flushall()
    mended = [await repairer.tick() for _ in range(4)]
    assert max(mended) < 600
    assert sum(mended) == len(jobs)


async def test_status_reads_fall_back_to_sql(world: World) -> None:
    """Without a hash, or with half of one, the row answers."""
    [job] = await world.add(Ping(), announce=False)
    found = await world.jobs.get(job.view.id)
    assert found is not None
    assert found.view == job.view
    await world.redis.hset(keys.job_hash(job.view.id), "status", '"running"')  # type: ignore[misc]
    found = await world.jobs.get(job.view.id)
    assert found is not None
    assert found.view == job.view
