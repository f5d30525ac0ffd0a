"""News of workflow runs: they wake the job of the build that waits, are kept as deliveries, and start nothing."""

import asyncio
import uuid
from typing import Any

import pytest
from sqlalchemy import insert, update

from libs.common.database import utcnow
from libs.common.jobs import store
from libs.common.jobs.models import Job
from services.builds.jobs import RunWorkflow
from services.builds.models import Build, Delivery
from services.builds.states import BuildStatus
from services.builds.tasks.notes import Pace
from tests.builds.forges.payloads import SignedRequest, push_request, sign
from tests.fakegithub import FakeGitHub
from tests.fakegithub.webhooks import Webhooks
from tests.webhooks.site import SECRETS, Site
from tests.workflows import site as workflows

RUN = 16_000_000_001
SECRET = "s3cret-of-this-address"


def news(
    event: str = "workflow_run", *, run_id: int = RUN, repository: str = "acme/images", **signed: Any
) -> SignedRequest:
    """What GitHub sends when a run, or a job of it, has ended."""
    about = {"id": run_id, "run_id": run_id, "head_branch": "main", "name": "build"}
    payload = {"action": "completed", event: about, "repository": {"full_name": repository}}
    return sign("github", event, payload, **{"secret": SECRETS["github"], **signed})


async def waiting(
    site: Site, *, run_id: int | None = RUN, run_repository: str = "acme/images"
) -> tuple[int, uuid.UUID]:
    """A build that runs on GitHub, whose job comes back in an hour; answers both ids."""
    now = utcnow()
    build = {
        "uid": uuid.uuid4().hex[:22],
        "executor": "github",
        "status": BuildStatus.IN_PROGRESS.value,
        "run_repository": run_repository,
        "run_id": run_id,
        "created_at": now,
        "updated_at": now,
    }
    async with site.database.transaction() as tx:
        build_id = (await tx.execute(insert(Build).values(build).returning(Build.id))).scalar_one()
        job = store.NewJob(
            message=RunWorkflow(build_id=build_id), subject=("build", str(build_id)), owner=None, delay_s=3600
        )
        [made] = await store.insert_jobs(tx, [job])
        await tx.execute(update(Build).where(Build.id == build_id).values(job_id=made.view.id))
    return build_id, made.view.id


async def is_due(site: Site, job_id: uuid.UUID) -> bool:
    [row] = [row for row in await site.rows(Job) if row.id == job_id]
    return bool(row.run_at <= utcnow()) and row.wake_requested_at is not None


@pytest.mark.databases("sqlite", "postgresql")
@pytest.mark.parametrize("event", ["workflow_run", "workflow_job"])
async def test_news_wake_the_job(site: Site, event: str) -> None:
    """The job is due at once; the answer and the kept delivery name it and its build."""
    build_id, job_id = await waiting(site)
    answer = await site.post("github", news(event, delivery="d-1"))
    assert answer.status_code == 202, answer.text
    assert answer.json() == {
        "job_id": str(job_id),
        "build_id": build_id,
        "message": f"Job {job_id} looks at its workflow run now",
        "duplicate": False,
    }
    assert await is_due(site, job_id)
    [kept] = await site.rows(Delivery)
    assert (kept.verdict, kept.build_id, kept.job_id) == ("accepted", build_id, job_id)
    assert (kept.event["kind"], kept.event["run_id"]) == ("workflow", RUN)

    again = await site.post("github", news(event, delivery="d-1"))
    assert (again.status_code, again.json()["duplicate"]) == (200, True)
    assert len(await site.rows(Delivery)) == 1


async def test_case_is_ignored_in_names(site: Site) -> None:
    """GitHub's names are the same in any case; GITHUB_REPO need not be written as GitHub writes it."""
    _, job_id = await waiting(site, run_repository="ACME/Images")
    assert (await site.post("github", news())).status_code == 202
    assert await is_due(site, job_id)


@pytest.mark.parametrize("other", [{"run_id": RUN + 1}, {"repository": "acme/other"}])
async def test_foreign_runs_are_ignored(site: Site, other: dict[str, Any]) -> None:
    """A run that no build waits for: 200 with a reason, kept as ignored without its body, and nobody is woken."""
    _, job_id = await waiting(site)
    answer = await site.post("github", news(**other))
    assert (answer.status_code, answer.json()["reason"]) == (200, "RUN_UNKNOWN")
    kept = [(row.verdict, row.reason_code, row.body) for row in await site.rows(Delivery)]
    assert kept == [("ignored", "RUN_UNKNOWN", None)]
    assert not await is_due(site, job_id)


async def test_ended_builds_sleep_on(site: Site) -> None:
    """News of a run whose build has ended wake nobody: somebody ran it again on GitHub's own page."""
    _, job_id = await waiting(site)
    async with site.database.transaction() as tx:
        await tx.execute(update(Build).values(status=BuildStatus.SUCCESS.value))
    assert (await site.post("github", news())).json()["reason"] == "RUN_UNKNOWN"
    assert not await is_due(site, job_id)


async def test_unproven_news_are_refused(site: Site) -> None:
    """A wrong signature is a 401 and wakes nobody."""
    _, job_id = await waiting(site)
    assert (await site.post("github", news(secret="guessed"))).status_code == 401
    assert not await is_due(site, job_id)


async def test_an_address_tells_only_of_its_own_runs(site: Site) -> None:
    """The secret of one repository's address wakes builds that run there, and no others."""
    uid = await site.register("github", SECRET, full_name="acme/app")
    _, other_id = await waiting(site)
    _, own_id = await waiting(site, run_id=RUN + 1, run_repository="acme/app")
    answer = await site.post("github", news(secret=SECRET), address=uid)
    assert (answer.status_code, answer.json()["reason"]) == (200, "REPOSITORY_DIFFERS")
    own = news(run_id=RUN + 1, repository="acme/app", secret=SECRET)
    assert (await site.post("github", own, address=uid)).status_code == 202
    assert [await is_due(site, job_id) for job_id in (other_id, own_id)] == [False, True]


async def test_news_and_pushes_arrive_together(site: Site) -> None:
    """In one transaction with pushes each delivery gets its own answer, twins included."""
    _, first = await waiting(site)
    _, second = await waiting(site, run_id=RUN + 1)
    push = push_request("github", secret=SECRETS["github"], branch="main", delivery="p-1")
    twin = news("workflow_job", delivery="n-1")
    requests = [push, twin, twin, news(run_id=RUN + 1), news(run_id=RUN + 2), news("workflow_run")]
    answers = await asyncio.gather(*(site.post("github", request) for request in requests))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 202, 202, 202, 202]
    assert sorted(answer.json().get("reason", "") for answer in answers) == ["", "", "", "", "", "RUN_UNKNOWN"]
    assert await is_due(site, first)
    assert await is_due(site, second)
    verdicts = sorted(row.verdict for row in await site.rows(Delivery))
    assert verdicts == ["accepted"] * 4 + ["ignored"]


async def test_githubs_webhooks_alone_carry_a_build_to_its_end(site: Site, database: str, redis: str) -> None:
    """With polling an hour away a build follows its run: GitHub tells the gateway, and the gateway the worker."""
    address = str(site.client.base_url.join("/webhook/github"))
    patient = Pace(first_s=3600, look_s=0.05)
    with FakeGitHub() as github, Webhooks(github, address, SECRETS["github"]):
        opened = workflows.open_site(database, redis, github, pace=patient, poll_interval_s=3600)
        async with opened as here, here.worker():
            job = await here.trigger()
            run = await here.followed(job)
            run.advance()
            await here.world.until(job, lambda now: now.view.stage is not None)
            run.finish()
            assert (await here.world.ended(job)).view.status == "success"
