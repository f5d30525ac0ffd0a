"""The queue routes of the whole gateway, as an administrator, an ordinary person and a monitor see them."""

from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from libs.common.database import Database
from libs.common.jobs import heartbeats, store
from libs.common.jobs.models import Job
from libs.common.jobs.store import NewJob
from libs.common.redis import connect
from services.builds.jobs import RunBuild
from tests.gateway.serving import ADMIN_EMAIL, ADMIN_KEY, ADMIN_PASSWORD, KEY, with_driver
from tests.heartbeats import heartbeat, running
from tests.servers import RedisServer

ADMIN = {"X-API-Key": ADMIN_KEY}
PIPELINE = {"X-API-Key": KEY}
ADA = 4711  # a user who is neither of them


@pytest.fixture
async def queued(database: str) -> Sequence[str]:
    """Two shared builds and three of Ada's wait; answers the ids of the shared ones."""
    reached = Database(with_driver(database))
    of = [(None, "x/y")] * 2 + [(ADA, "ada/engine")] * 3
    new = [
        NewJob(message=RunBuild(build_id=n), subject=("build", str(n)), owner=owner, repository=repository)
        for n, (owner, repository) in enumerate(of)
    ]
    async with reached.transaction() as tx:
        jobs = await store.insert_jobs(tx, new)
    await reached.close()
    return [str(job.view.id) for job in jobs[:2]]


async def read(gateway: httpx.AsyncClient, path: str, headers: dict[str, str]) -> Any:
    answer = await gateway.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_numbers_of_all_and_jobs_of_ones_own(
    gateway: httpx.AsyncClient, redis: str, queued: Sequence[str]
) -> None:
    """A key without an owner counts everybody's jobs and reads shared ones; a superuser reads all."""
    client = connect(redis)
    mine, hers = running(), running(ADA)
    slots = {"heavy": heartbeats.SlotUse(used=2, total=2)}
    await heartbeats.beat(client, heartbeat(slots=slots, jobs=[mine, hers], started=10, ended=5))
    await client.aclose()

    [builds] = [one for one in (await read(gateway, "/queue", PIPELINE))["domains"] if one["domain"] == "builds"]
    assert (builds["waiting"], builds["running"], builds["paused"], builds["note"]) == (5, 0, False, None)
    assert builds["oldest_wait_s"] >= 0
    assert (builds["started_per_minute"], builds["ended_per_minute"]) == (2.0, 1.0)
    assert [job["id"] for job in builds["next"]] == list(queued)
    assert [job["position"] for job in builds["next"]] == [1, 3]
    [worker] = builds["workers"]
    assert (worker["name"], worker["slots"]["heavy"]) == ("builds-h1-0a", {"used": 2, "total": 2})
    assert [job["id"] for job in worker["jobs"]] == [str(mine.id)]

    token = await gateway.post("/api/auth/login", json={"username": ADMIN_EMAIL, "password": ADMIN_PASSWORD})
    root = {"Authorization": f"Bearer {token.json()['access_token']}"}
    whole = await read(gateway, "/queue/builds", root)
    assert [job["position"] for job in whole["next"]] == [1, 2, 3, 4, 5]
    assert len(whole["workers"][0]["jobs"]) == 2


async def test_the_same_under_its_other_names(gateway: httpx.AsyncClient, redis: str) -> None:
    """/metrics/queue answers as /queue does, and /agents its workers."""
    client = connect(redis)
    await heartbeats.beat(client, heartbeat())
    await client.aclose()
    domains = (await read(gateway, "/metrics/queue", PIPELINE))["domains"]
    assert [one["domain"] for one in domains] == ["builds", "vms", "deployer"]
    agents = await read(gateway, "/agents", PIPELINE)
    assert agents == {"agents": domains[0]["workers"], "note": None}


@pytest.mark.databases("sqlite")
async def test_whoever_polls_is_told_that_nothing_changed(gateway: httpx.AsyncClient) -> None:
    """A queue that stands as it did is answered by 304."""
    for path in ("/queue", "/queue/builds", "/agents"):
        tag = (await gateway.get(path, headers=PIPELINE)).headers["ETag"]
        again = await gateway.get(path, headers=PIPELINE | {"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")


async def test_a_waiting_job_says_for_what(gateway: httpx.AsyncClient, queued: Sequence[str]) -> None:
    """Place and reason stand in the job itself and in lists of jobs."""
    job = await read(gateway, f"/jobs/{queued[1]}", PIPELINE)
    assert (job["position"], job["waiting_for"]) == (3, "a worker of the domain builds: none is alive")
    listed = (await read(gateway, "/jobs?status=pending", PIPELINE))["jobs"]
    assert [(one["id"], one["position"]) for one in listed] == [(queued[1], 3), (queued[0], 1)]


async def test_pausing_and_resuming(gateway: httpx.AsyncClient, queued: Sequence[str], database: str) -> None:
    """It tells who, when and why, waiting jobs say so, and a resume hands them out."""
    asked = {"reason": "The registry is being moved"}
    paused = await gateway.post("/queue/builds/pause", json=asked, headers=ADMIN)
    assert paused.status_code == 200, paused.text
    body = paused.json()
    assert (body["paused"], body["reason"]) == (True, asked["reason"])
    assert body["paused_by"]
    assert body["paused_at"]
    job = await read(gateway, f"/jobs/{queued[0]}", PIPELINE)
    assert job["waiting_for"] == "its domain to be resumed"
    assert (await read(gateway, "/queue/vms", PIPELINE))["paused"] is False

    resumed = await gateway.post("/queue/builds/resume", headers=ADMIN)
    assert (resumed.status_code, resumed.json()["paused"], resumed.json()["reason"]) == (200, False, None)
    reached = Database(with_driver(database))
    async with reached.reading() as tx:
        handed_out = (await tx.scalars(select(Job.published_at))).all()
    await reached.close()
    assert len(handed_out) == 5
    assert None not in handed_out


@pytest.mark.databases("sqlite")
async def test_who_may_pause_what(gateway: httpx.AsyncClient) -> None:
    """Pausing needs the scope admin, a domain that exists and a body that says nothing else."""
    answer = await gateway.post("/queue/builds/pause", json={}, headers=PIPELINE)
    assert (answer.status_code, answer.json()["error"]["details"]) == (403, {"scope": "admin"})
    assert (await gateway.post("/queue/builds/resume", headers=PIPELINE)).status_code == 403
    for path in ("/queue/nothing/pause", "/queue/nothing/resume"):
        answer = await gateway.post(path, json={}, headers=ADMIN)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "DOMAIN_NOT_FOUND")
    assert (await gateway.get("/queue/nothing", headers=ADMIN)).status_code == 404
    for body in ({"why": "?"}, {"reason": "x" * 501}, {"reason": 1}):
        assert (await gateway.post("/queue/builds/pause", json=body, headers=ADMIN)).status_code == 422
    assert (await gateway.get("/queue/builds", headers=PIPELINE)).json()["paused"] is False


async def test_without_redis(gateway: httpx.AsyncClient, redis_server: RedisServer, queued: Sequence[str]) -> None:
    """What SQL knows is answered, and what it does not know is null, with a word why."""
    redis_server.stop()
    builds = await read(gateway, "/queue/builds", PIPELINE)
    assert (builds["waiting"], builds["workers"], builds["started_per_minute"]) == (5, None, None)
    assert "Redis" in builds["note"]
    assert [job["position"] for job in builds["next"]] == [1, 3]
    agents = await read(gateway, "/agents", PIPELINE)
    assert agents["agents"] is None
    assert "Redis" in agents["note"]
