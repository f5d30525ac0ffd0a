"""Real workers, killed in the middle of all that they do with GitHub: one run for each trigger, no line twice."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import QUICK, Process, Processes
from tests.fakegithub.faults import delayed
from tests.fakegithub.forge import TOKEN, FakeGitHub
from tests.gateway.serving import SECRET_KEY, with_driver
from tests.workflows.site import ACTOR, Site
from tests.workflows.test_lost_answers import DISPATCH, LISTING
from tests.world import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

JOBS = "actions/list-jobs-for-workflow-run"
LOGS = "actions/download-workflow-run-attempt-logs"
CANCEL = "actions/cancel-workflow-run"


@pytest.fixture
def processes(database: str, redis: str, github: FakeGitHub, tmp_path: Path) -> Iterator[Processes]:
    environ = {
        **QUICK,
        "DATABASE_URL": with_driver(database),
        "REDIS_URL": redis,
        "SECRET_KEY": SECRET_KEY,
        "METRICS_PORT": "0",
        "GITHUB_TOKEN": TOKEN,
        "GITHUB_REPO": "acme/images",
        "GITHUB_API_URL": github.url,
        "BUILD_STATUS_POLL_INTERVAL": "1",
    }
    started = Processes(tmp_path, environ)
    yield started
    started.close()


async def worker(processes: Processes) -> Process:
    started = processes.worker("workers.builds")
    await eventually(lambda: asyncio.sleep(0, started.is_settled()), "the worker did not start")
    return started


@pytest.mark.parametrize("operation", [LISTING, DISPATCH, JOBS, LOGS, "/_logs"])
async def test_a_worker_killed_while_github_answers(
    site: Site, github: FakeGitHub, processes: Processes, operation: str
) -> None:
    """What GitHub does after the worker's death is found by the next one."""
    github.inject(delayed(1.0), operation)
    first = await worker(processes)
    job = await site.trigger()
    if operation not in (LISTING, DISPATCH):
        (await site.followed(job)).finish()
    await eventually(lambda: asyncio.sleep(0, not github._injected), "nobody asked")
    first.kill()
    await worker(processes)
    run = await site.followed(job)
    run.finish()
    assert (await site.world.ended(job)).view.status == "success"
    assert [act.run_id for act in github.done("dispatch")] == [run.id]
    log = await site.log(job)
    assert log.count("output of Build") == 1
    assert sum(line.startswith("  ✓ build / Build") for line in log) == 1


async def test_a_worker_killed_while_it_cancels(site: Site, github: FakeGitHub, processes: Processes) -> None:
    """The next one cancels the run."""
    github.inject(delayed(1.0, acts=False), CANCEL)
    first = await worker(processes)
    job = await site.trigger()
    run = await site.followed(job)
    await site.world.jobs.cancel(job.view.id, ACTOR)
    await eventually(lambda: asyncio.sleep(0, not github._injected), "nobody cancelled")
    first.kill()
    await worker(processes)
    assert (await site.world.ended(job)).view.status == "cancelled"
    assert run.conclusion == "cancelled"


async def test_workers_killed_at_random(site: Site, github: FakeGitHub, processes: Processes) -> None:
    """Whenever it was: each of many builds has exactly one run, and ends as that does."""
    dice = random.Random(20261121)
    jobs = []
    running = [await worker(processes), await worker(processes)]
    for _ in range(4):
        jobs += [await site.trigger() for _ in range(5)]
        await asyncio.sleep(dice.uniform(0.05, 1.5))
        running.pop(0).kill()
        running.append(await worker(processes))
    for job in jobs:
        (await site.followed(job)).finish()
    for job in jobs:
        assert (await site.world.ended(job)).view.status == "success"
        assert (await site.log(job)).count("output of Build") == 1
    assert len(github.done("dispatch")) == len(jobs)
    assert len({act.run_id for act in github.done("dispatch")}) == len(jobs)
