"""Everything that can be killed is, at random and for minutes, under many jobs: the long version of test_kills.py."""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from uuid import UUID

import asyncpg  # type: ignore[import-untyped]
import httpx
import pytest
from sqlalchemy import func, select

from libs.common.jobs.models import Job
from tests.builds.forges.payloads import SignedRequest
from tests.e2e import demo
from tests.e2e.processes import Process
from tests.e2e.site import BUILDS, LOOK_S, Marks, Site, install, pipeline, visit
from tests.measures import Measured
from tests.servers import RedisServer
from tests.world import World, make_world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SEEDS = [int(seed) for seed in os.environ.get("SLIPWAY_TEST_SEEDS", "1").split(",")]  # others find other things
CHAOS_S = 75.0  # for each database
PUSH_EVERY_S = 0.8  # two cores build about two a second when nothing is killed
ALL_END_WITHIN_S = 180.0
MANY = {"SLIPWAY_SLOTS_HEAVY": "4"}  # so that something runs whenever something breaks


class Chaos:
    """A site with two gateways and two workers, in which something breaks every few seconds."""

    def __init__(self, site: Site, redis_server: RedisServer, seed: int) -> None:
        self._site = site
        self._redis = redis_server
        self._chance = random.Random(seed)
        self.workers: list[Process] = []  # whoever holds these lists sees the processes of the moment
        self.gateways: list[Process] = []
        self.done: Counter[str] = Counter()
        self._kinds: list[Callable[[], Awaitable[None]]] = [
            self._kill_worker, self._stop_worker, self._freeze_worker, self._kill_gateway, self._stop_gateway,
            self._flush_redis, self._kill_redis, self._pause_redis, self._cut_database, self._kill_all,
        ]  # fmt: skip

    async def open(self) -> None:
        processes = self._site.installed.processes
        self.gateways[:] = [processes.gateway(), processes.gateway()]
        self.workers[:] = [processes.worker(BUILDS, **MANY), processes.worker(BUILDS, **MANY)]
        await self._site.start(*self.gateways, *self.workers)

    async def rage(self, for_s: float) -> None:
        """Break one thing after the other; leaves everything running."""
        over_at = time.monotonic() + for_s
        while time.monotonic() < over_at:
            kind = self._chance.choice(self._kinds)
            await kind()
            self.done[kind.__name__] += 1
            await asyncio.sleep(self._chance.uniform(0.2, 3))

    async def _replace(self, some: list[Process], gone: Process) -> None:
        processes = self._site.installed.processes
        new = processes.gateway(int(gone.url.rpartition(":")[2])) if gone.url else processes.worker(BUILDS, **MANY)
        await self._site.start(new)
        some[some.index(gone)] = new

    async def _kill_worker(self) -> None:
        worker = self._chance.choice(self.workers)
        worker.kill()
        await self._replace(self.workers, worker)

    async def _stop_worker(self) -> None:
        worker = self._chance.choice(self.workers)
        worker.ask_to_stop()
        assert await asyncio.to_thread(worker.wait) == 0
        await self._replace(self.workers, worker)

    async def _freeze_worker(self) -> None:
        worker = self._chance.choice(self.workers)
        worker.freeze()
        await asyncio.sleep(self._chance.uniform(1, 8))
        worker.thaw()

    async def _kill_gateway(self) -> None:
        gateway = self._chance.choice(self.gateways)
        gateway.kill()
        await self._replace(self.gateways, gateway)

    async def _stop_gateway(self) -> None:
        gateway = self._chance.choice(self.gateways)
        gateway.ask_to_stop()
        assert await asyncio.to_thread(gateway.wait) == 0
        await self._replace(self.gateways, gateway)

    async def _flush_redis(self) -> None:
        await self._site.redis.flushall()

    async def _kill_redis(self) -> None:
        self._redis.kill()
        await asyncio.sleep(self._chance.uniform(0, 4))
        await asyncio.to_thread(self._redis.start)

    async def _pause_redis(self) -> None:
        self._redis.pause()
        await asyncio.sleep(self._chance.uniform(0.2, 4))
        self._redis.resume()

    async def _cut_database(self) -> None:
        await cut_connections(self._site)

    async def _kill_all(self) -> None:
        everything = (*self.workers, *self.gateways)
        for process in everything:
            process.kill()
        self._redis.kill()
        await asyncio.to_thread(self._redis.start)
        await self.open()


async def cut_connections(site: Site) -> None:
    """End every connection to the database, where it is a server."""
    url, _, name = site.installed.database_url.rpartition("/")
    if not url.startswith("postgresql"):
        return
    connection = await asyncpg.connect(f"{url}/postgres")
    await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
    await connection.close()


async def deliver(client: httpx.AsyncClient, gateways: Sequence[Process], delivery: SignedRequest) -> UUID:
    """Send a delivery again and again until it is accepted, at any gateway: what a patient forge would do."""
    for n in range(10_000):
        url = gateways[n % len(gateways)].url
        try:
            answer = await client.post(f"{url}/webhook/gitea", content=delivery.body, headers=delivery.headers)
        except httpx.TransportError:
            await asyncio.sleep(LOOK_S)
            continue
        if answer.status_code in (200, 202):
            return UUID(answer.json()["job_id"])
        assert answer.status_code == 503, answer.text
        await asyncio.sleep(LOOK_S)
    raise AssertionError("nobody takes the delivery")


async def push_until(chaos: asyncio.Task[None], site: Site, gateways: Sequence[Process], marks: Marks) -> list[UUID]:
    """Push to several repositories for as long as the chaos lasts."""
    text = pipeline(marks.alone(then="sleep 2.5"))
    repositories = [site.repository(text)[0] for _ in range(8)]
    sending: list[asyncio.Task[UUID]] = []
    while not chaos.done():
        repository = repositories[len(sending) % len(repositories)]
        head = repository.commit({"n": str(len(sending))})
        sending.append(asyncio.create_task(deliver(site.client, gateways, site.delivery(repository, head))))
        await asyncio.wait({chaos}, timeout=PUSH_EVERY_S)
    return list(await asyncio.gather(*sending))


@pytest.mark.parametrize("seed", SEEDS)
async def test_random_kills(site: Site, redis_server: RedisServer, seed: int, measured: Measured) -> None:
    """Every push that was accepted has one build, one job and one end; no build ran twice at the same time."""
    chaos = Chaos(site, redis_server, seed)
    await chaos.open()
    marks = site.marks()
    raging = asyncio.create_task(chaos.rage(CHAOS_S))
    jobs = await push_until(raging, site, chaos.gateways, marks)
    await raging
    calm_at = time.monotonic()
    site.client.base_url = httpx.URL(chaos.gateways[0].url)

    async def left() -> int:
        async with site.database.reading() as tx:
            ended = Job.status.in_(["success", "failed", "cancelled"])
            return int((await tx.execute(select(func.count()).select_from(Job).where(~ended))).scalar_one())

    async def none_left() -> bool:
        return await left() == 0

    await site.until(none_left, "all jobs to end", ALL_END_WITHIN_S)
    measured("jobs under random kills", len(jobs), "jobs")
    measured("things broken", chaos.done.total(), "")
    measured("runs of builds", len(marks.runs()), "runs")
    measured("the last end after the last kill", time.monotonic() - calm_at, "s")

    assert len(set(jobs)) == len(jobs)
    async with site.database.reading() as tx:
        assert set((await tx.execute(select(Job.id))).scalars()) == set(jobs)
    assert marks.violations() == []
    await site.check_ledger(jobs, events_lost=True)
    for job_id in jobs:
        row = await site.row(job_id)
        # A job whose workers were killed three times in a row is poison for all that anybody can know.
        assert row.status == "success" or (row.error["code"] == "POISON" and row.crashes >= 3), row.error
        assert row.status != "success" or str(job_id) in marks.runs()


# --- a thousand small jobs -----------------------------------------------------------------------------------------


class Crowd:
    """Demo jobs that wait at one gate; their ends are written to the demo's own table."""

    def __init__(self, world: World, folder: Path) -> None:
        self._world = world
        self.gate = folder / "gate"
        self._runs = folder / "runs"
        self._runs.touch()
        self._environ = {demo.RUNS: str(self._runs), "SLIPWAY_SLOTS_LIGHT": "200"}

    def worker(self, site: Site) -> Process:
        """Start a worker of 200 slots."""
        return site.installed.processes.worker("tests.e2e.demo", **self._environ)

    async def add(self, count: int) -> list[UUID]:
        made = await self._world.add(*[demo.Wait(str(self.gate))] * count)
        return [job.view.id for job in made]

    def runs(self) -> Counter[str]:
        """How often each job was begun."""
        return Counter(self._runs.read_text().split())

    async def ends(self) -> Counter[UUID]:
        """How many ends were committed for each job."""
        async with self._world.database.reading() as tx:
            return Counter((await tx.execute(select(demo.ENDS.c.job_id))).scalars())

    async def all_ended(self, site: Site, jobs: Sequence[UUID]) -> None:
        """Open the gate and wait until each job has its one end."""
        self.gate.touch()

        async def have() -> bool:
            return len(await self.ends()) >= len(jobs)

        await site.until(have, "all jobs to end", ALL_END_WITHIN_S)
        assert await self.ends() == Counter(jobs)


@pytest.fixture
async def usual(database: str, redis_server: RedisServer) -> AsyncIterator[Site]:
    """A site with the lengths of time that the product has by default."""
    with install(database, redis_server.url, lengths={}) as installed:
        async with visit(installed) as site:
            yield site


@pytest.fixture
async def crowd(usual: Site, tmp_path: Path) -> AsyncIterator[Crowd]:
    async with make_world(usual.installed.database_url, usual.installed.redis_url, demo.RULES) as world:
        async with world.database.transaction() as tx:
            await tx.run_sync(demo.ENDS.metadata.create_all)
        yield Crowd(world, tmp_path)


async def test_redis_emptied_with_1000_active_jobs(usual: Site, crowd: Crowd, measured: Measured) -> None:
    """All are shown again within seconds; none is lost, none runs twice."""
    gateway = usual.installed.processes.gateway()
    await usual.start(gateway, crowd.worker(usual), crowd.worker(usual))
    jobs = await crowd.add(1000)
    await usual.until(lambda: len(crowd.runs()) == 400, "all slots to be taken")
    await usual.redis.flushall()
    flushed_at = time.monotonic()

    async def all_live() -> bool:
        return all([await usual.is_live(job_id) for job_id in jobs])

    await usual.until(all_live, "all to be shown again")
    measured("FLUSHALL -> 1,000 jobs live again, default settings", time.monotonic() - flushed_at, "s")
    gate_at = time.monotonic()
    await crowd.all_ended(usual, jobs)
    measured("... and ended, 600 of them run after it", time.monotonic() - gate_at, "s")
    assert crowd.runs() == Counter(map(str, jobs))


async def test_a_killed_worker_with_the_usual_leases(usual: Site, crowd: Crowd, measured: Measured) -> None:
    """A build and 50 small jobs of killed workers run again elsewhere, each to one end."""
    [builder] = await usual.open()
    marks = usual.marks()
    build = await usual.build(pipeline(marks.alone()))
    first = crowd.worker(usual)
    await usual.start(first)
    small = await crowd.add(50)
    await usual.until(lambda: len(marks.runs()) + len(crowd.runs()) == 51, "all to run")
    await usual.start(crowd.worker(usual), usual.installed.processes.worker(BUILDS))
    killed_at = time.monotonic()
    builder.kill()
    first.kill()
    await usual.until(lambda: len(marks.runs()) == 2, "the build to run again")
    measured("kill -9 -> build running again, default settings", time.monotonic() - killed_at, "s")
    await usual.until(lambda: crowd.runs().total() == 100, "the small jobs to run again")
    measured("kill -9 -> 50 jobs running again, default settings", time.monotonic() - killed_at, "s")
    marks.open_gate()
    assert (await usual.ended(build))["status"] == "success"
    assert marks.violations() == []
    await crowd.all_ended(usual, small)
    assert crowd.runs() == Counter({str(job_id): 2 for job_id in small})
