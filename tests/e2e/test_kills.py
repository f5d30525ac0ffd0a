"""What is killed, frozen, emptied or restarted costs time and no job: every one reaches exactly one end.

A build's step never runs twice at the same time, whatever happens to its worker: `Marks.alone` reports it if it does.
Each kind of loss is tried once here, on one of the databases; test_matrix.py mixes them at random on both.
"""

import asyncio
import signal
import time
from uuid import UUID

import asyncpg  # type: ignore[import-untyped]
import httpx
import pytest
from sqlalchemy import func, select

from libs.common import processes
from libs.common.jobs.models import Job
from tests.e2e.processes import Process
from tests.e2e.site import Marks, Site, pipeline
from tests.measures import Measured
from tests.servers import RedisServer


async def held(site: Site, marks: Marks, **more: str) -> UUID:
    """Push a build that waits at the gate, and wait until its log says that it is there."""
    job_id = await site.build(pipeline(marks.alone()), **more)
    await site.until(lambda: _says(site, job_id, "began"), "the build to run")
    return job_id


async def _says(site: Site, job_id: UUID, message: str) -> bool:
    return message in (await site.text(job_id)).splitlines()


async def runs_again(site: Site, marks: Marks, times: int = 2) -> None:
    await site.until(lambda: len(marks.runs()) >= times, "the build to run again")


async def succeeded(site: Site, *jobs: UUID, events_lost: bool = False) -> None:
    """Wait until all jobs have succeeded and check their ledger."""
    for job_id in jobs:
        assert (await site.ended(job_id))["status"] == "success"
    await site.check_ledger(jobs, events_lost=events_lost)


def who_runs(site: Site, job: dict[str, str], workers: list[Process]) -> Process:
    """The process that has claimed the job."""
    [found] = [worker for worker in workers if job["agent_id"] in worker.said()]
    return found


async def holder(site: Site, job_id: UUID, workers: list[Process]) -> tuple[Process, Process]:
    """Of two workers, the one that runs the job, and the other."""
    running = who_runs(site, await site.job(job_id), workers)
    [other] = [worker for worker in workers if worker is not running]
    return running, other


async def test_a_gateway_killed_between_commit_and_publish(site: Site, redis_server: RedisServer) -> None:
    """The job that was committed is found and run once; the forge's redelivery answers with it."""
    gateway = await site.gateway(SLIPWAY_ACCEPT_PUBLISH_TIMEOUT_MS="60000")
    marks = site.marks()
    marks.open_gate()
    repository, head = site.repository(pipeline(marks.alone()))
    delivery = site.delivery(repository, head)
    redis_server.pause()  # the announcement cannot come to its end
    sending = asyncio.create_task(site.send(delivery))

    async def committed() -> UUID | None:
        async with site.database.reading() as tx:
            return (await tx.execute(select(Job.id))).scalar()

    job_id = await site.until(committed, "the commit")
    gateway.kill()
    redis_server.kill()  # with what the gateway may have written to its socket
    with pytest.raises(httpx.TransportError):
        await sending
    assert job_id is not None
    redis_server.start()
    assert not await site.is_live(job_id)

    await site.open()
    again = await site.send(delivery)
    assert (again.status_code, again.json()["duplicate"], again.json()["job_id"]) == (200, True, str(job_id))
    await succeeded(site, job_id)
    assert marks.runs() == [str(job_id)]


@pytest.mark.databases("postgresql")
async def test_a_worker_killed_while_a_build_runs(site: Site, measured: Measured) -> None:
    """Another worker runs the build again to its end, after the first one's processes are gone."""
    workers = await site.open(workers=2)
    marks = site.marks()
    job_id = await held(site, marks)
    running, _ = await holder(site, job_id, workers)
    killed_at = time.monotonic()
    running.kill()
    await runs_again(site, marks)
    measured("kill -9 -> running again, lease of 4 s", time.monotonic() - killed_at, "s")
    marks.open_gate()
    await succeeded(site, job_id)
    assert marks.runs() == [str(job_id)] * 2
    assert marks.violations() == []
    row = await site.row(job_id)
    assert (row.lease_no, row.crashes) == (2, 1)
    assert (await site.text(job_id)).splitlines().count("began") == 2


@pytest.mark.slow
@pytest.mark.databases("sqlite")
async def test_a_frozen_worker_loses_its_build_before_another_begins(site: Site) -> None:
    """SIGSTOP past the lease: its build's processes die, another worker takes over, its own late words are refused."""
    workers = await site.open(workers=2)
    marks = site.marks()
    job_id = await held(site, marks)
    frozen, other = await holder(site, job_id, workers)
    first = set(processes.marked("SLIPWAY_JOB_ID", str(job_id)))
    assert first
    frozen.freeze()
    await runs_again(site, marks)
    assert not first & set(processes.marked("SLIPWAY_JOB_ID", str(job_id)))
    frozen.thaw()
    await site.until(lambda: "lease_lost" in frozen.said(), "the thawed worker to notice")
    assert (await site.row(job_id)).lease_no == 2
    marks.open_gate()
    await succeeded(site, job_id)
    assert marks.runs() == [str(job_id)] * 2
    assert marks.violations() == []
    messages = (await site.text(job_id)).splitlines()
    assert (messages.count("began"), messages.count("went on")) == (2, 1)
    other.kill()
    await succeeded(site, await site.build(pipeline("echo the thawed worker works on")))


@pytest.mark.databases("postgresql")
async def test_a_stopped_worker_gives_its_build_back(site: Site) -> None:
    """SIGTERM in the middle of a build: it is run elsewhere without waiting for a lease, and no crash is counted."""
    workers = await site.open(workers=2)
    marks = site.marks()
    job_id = await held(site, marks)
    running, _ = await holder(site, job_id, workers)
    running.ask_to_stop()
    assert await asyncio.to_thread(running.wait) == 0
    await runs_again(site, marks)
    marks.open_gate()
    await succeeded(site, job_id)
    assert marks.runs() == [str(job_id)] * 2
    assert marks.violations() == []
    assert (await site.row(job_id)).crashes == 0


async def lined_up(site: Site, marks: Marks, waiting: int) -> list[UUID]:
    """One build that runs and some that wait behind it for the worker's only slot."""
    jobs = [await held(site, marks)]
    return jobs + [await site.build(pipeline(marks.alone())) for n in range(waiting)]


async def all_live(site: Site, jobs: list[UUID]) -> bool:
    return all([await site.is_live(job_id) for job_id in jobs])


@pytest.mark.databases("postgresql")
async def test_redis_emptied_with_jobs_waiting_and_running(site: Site, measured: Measured) -> None:
    """FLUSHALL: what runs goes on, what waits is published again, and all are shown again."""
    await site.open(SLIPWAY_SLOTS_HEAVY="1")
    marks = site.marks()
    jobs = await lined_up(site, marks, waiting=3)
    await site.redis.flushall()
    flushed_at = time.monotonic()
    jobs.append(await site.build(pipeline(marks.alone())))
    await site.until(lambda: all_live(site, jobs), "all jobs to be shown again")
    measured("FLUSHALL -> 5 jobs live again", time.monotonic() - flushed_at, "s")
    marks.open_gate()
    await succeeded(site, *jobs)
    assert sorted(marks.runs()) == sorted(map(str, jobs))
    assert marks.violations() == []


@pytest.mark.slow
@pytest.mark.databases("sqlite")
async def test_redis_restarted_with_jobs_waiting_and_running(site: Site, redis_server: RedisServer) -> None:
    """A restart in order: nothing is run twice, nothing is forgotten."""
    await site.open(SLIPWAY_SLOTS_HEAVY="1")
    marks = site.marks()
    jobs = await lined_up(site, marks, waiting=2)
    redis_server.stop()
    redis_server.start()
    marks.open_gate()
    await succeeded(site, *jobs)
    assert sorted(marks.runs()) == sorted(map(str, jobs))


async def _is_ready_without_redis(site: Site) -> bool:
    ready = await site.client.get("/ready")
    return (ready.status_code, ready.json()["redis"], ready.json()["database"]) == (200, False, True)


@pytest.mark.slow
@pytest.mark.databases("postgresql")
async def test_redis_killed_under_accepts(site: Site, redis_server: RedisServer) -> None:
    """While Redis is away pushes are accepted and running builds go on; all of them end once it is back."""
    await site.open()
    marks = site.marks()
    jobs = [await held(site, marks)]
    redis_server.kill()
    jobs += [await site.build(pipeline(marks.alone())) for n in range(6)]
    for job_id in jobs:
        assert (await site.job(job_id))["status"] in ("pending", "running")
    await site.until(lambda: _is_ready_without_redis(site), "the gateway to say that it goes on without Redis")
    marks.open_gate()
    await site.until(lambda: _has_ended(site, jobs[0]), "the running build to end without Redis")
    redis_server.start()
    await succeeded(site, *jobs, events_lost=True)
    assert sorted(marks.runs()) == sorted(map(str, jobs))
    assert marks.violations() == []


async def _has_ended(site: Site, job_id: UUID) -> bool:
    return bool((await site.row(job_id)).status == "success")


@pytest.mark.slow
@pytest.mark.databases("postgresql")
async def test_every_connection_to_the_database_is_cut(site: Site) -> None:
    """As at a restart of PostgreSQL: gateway and worker connect again, the build goes on, later ones run."""
    await site.open()
    marks = site.marks()
    job_id = await held(site, marks)
    url, _, name = site.installed.database_url.rpartition("/")
    for _ in range(5):  # also those that were opened meanwhile
        connection = await asyncpg.connect(f"{url}/postgres")
        await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        await connection.close()
    marks.open_gate()
    later = await site.build(pipeline("echo later"))
    await succeeded(site, job_id, later)
    assert marks.runs() == [str(job_id)]


@pytest.mark.slow
@pytest.mark.databases("sqlite", "postgresql")
async def test_everything_killed_at_once(site: Site, redis_server: RedisServer) -> None:
    """As when the machine loses its power: after the start all jobs, running, waiting and just accepted, end once."""
    workers = await site.open(SLIPWAY_SLOTS_HEAVY="1")
    marks = site.marks()
    jobs = await lined_up(site, marks, waiting=2)
    for process in (*site.gateways, *workers):
        process.popen.send_signal(signal.SIGKILL)
    redis_server.kill()
    for process in (*site.gateways, *workers):
        process.wait()
    redis_server.start()
    await site.open()
    await runs_again(site, marks)
    marks.open_gate()
    await succeeded(site, *jobs)
    assert sorted(marks.runs()) == sorted([str(jobs[0]), *map(str, jobs)])
    assert marks.violations() == []
    async with site.database.reading() as tx:
        assert (await tx.execute(select(func.count()).select_from(Job))).scalar_one() == len(jobs)
