"""Runs that are asked for by hand: which ref, whose repository, by which rules; and what the worker makes of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest

from libs.common.audit.models import AuditEntry
from libs.common.children import Children
from libs.common.crypto import Sealer
from libs.common.database import Database
from libs.common.jobs.models import Job
from libs.common.worker.service import WorkerService
from services.builds import tasks
from services.builds.buildspec import BuildSpec
from services.builds.models import Build
from services.builds.providers.base import LogSink, Outcome, OutcomeStatus, Progress
from services.builds.service import Builds
from services.builds.service.runs import Ref
from tests.builds.forges.payloads import SHA, push_request
from tests.gateway.serving import SECRET_KEY, with_driver
from tests.webhooks.people import REPOSITORIES, person, pipeline
from tests.webhooks.site import SECRETS, Site, webhook_settings
from tests.world import QUICK, eventually

SECRET = "s3cret-of-this-address"


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("main", Ref(branch="main")),
        ("refs/heads/main", Ref(branch="main")),
        ("feature/x", Ref(branch="feature/x")),
        ("refs/tags/v1.0", Ref(tag="v1.0")),
        ("v1.0", Ref(branch="v1.0")),
        (SHA.upper(), Ref(sha=SHA)),
        ("a" * 64, Ref(sha="a" * 64)),
        (SHA[:12], Ref(branch=SHA[:12])),
    ],
)
def test_refs_are_read(text: str, ref: Ref) -> None:
    """Short names are branches, whole ids are commits, everything else says what it is."""
    assert Ref.parse(text) == ref


@pytest.mark.parametrize(
    "text",
    ["refs/pull/1/head", "refs/heads/", "refs/", "a b", "-x", "a..b", "x\n", "/x", "x/", "a:b", "x" * 256, "@{u}"],
)
def test_what_is_no_ref(text: str) -> None:
    """Other refs, options, revision syntax and names that git does not allow are refused."""
    with pytest.raises(ValueError, match="Must be a branch"):
        Ref.parse(text)


async def test_a_branch_is_run(site: Site) -> None:
    """A job and a build are made as a push would make them, but for the event, who asked and the commit."""
    grace = await person(site, "grace")
    uid = await grace.with_secret(SECRET)
    await site.post("gitea", push_request("gitea", secret=SECRET), address=uid)
    answer = await grace.post("/jobs", {"repository": uid, "ref": "main"})
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert answer.headers["Location"] == f"/jobs/{job['id']}"
    assert (job["status"], job["repo"], job["branch"], job["commit"]) == ("pending", "acme/app", "main", None)
    assert job["waiting_for"]  # the answer says it at once, as the page and lists do
    pushed, manual = await site.rows(Job)
    assert (str(manual.id), manual.lane, manual.owner) == (job["id"], pushed.lane, grace.id)
    build = (await site.rows(Build))[-1]
    assert (build.event, build.branch, build.commit_sha, build.owner) == ("manual", "main", None, grace.id)
    [entry] = [entry for entry in await site.rows(AuditEntry) if entry.action == "build.requested"]
    assert (entry.actor, entry.subject_id, entry.details) == ("grace", uid, entry.details | {"ref": "main"})
    assert (await grace.get("/jobs")).json()["total"] == 2


@pytest.mark.databases("sqlite")
async def test_repositories_are_named(site: Site) -> None:
    """By uid or full name; one's own goes before a shared one; a name that stays unclear is a 409 that lists them."""
    grace, eve = await person(site, "grace"), await person(site, "eve")
    own = await grace.registered()
    await site.register("github")
    for caller, owner in ((grace, grace.id), (eve, None)):
        answer = await caller.post("/jobs", {"repository": "acme/app", "ref": "main"})
        assert answer.status_code == 202, answer.text
        assert (await site.rows(Job))[-1].owner == owner
    second = await grace.registered(forge="gitlab")
    answer = await grace.post("/jobs", {"repository": "acme/app", "ref": "main"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "AMBIGUOUS_REPOSITORY")
    assert [choice["uid"] for choice in answer.json()["error"]["details"]] == [own, second]
    assert (await eve.post("/jobs", {"repository": own, "ref": "main"})).status_code == 404
    assert (await eve.post("/jobs", {"repository": "acme/none", "ref": "main"})).status_code == 404


@pytest.mark.databases("sqlite")
async def test_what_is_not_run(site: Site) -> None:
    """Filtered branches, inactive repositories, no leave for local builds, wrong refs and unknown fields."""
    grace = await person(site, "grace")
    uid = await grace.registered(filters={"events": ["tag"], "branches": ["main"]})
    for body, status, code in (
        ({"ref": "other"}, 409, "RUN_FILTERED"),
        ({"ref": "refs/pull/1/head"}, 422, "VALIDATION_ERROR"),
        ({"ref": ""}, 422, "VALIDATION_ERROR"),
        ({"ref": "main", "commit": SHA}, 422, "VALIDATION_ERROR"),
        ({"ref": "refs/tags/v1"}, 202, None),
        ({"ref": SHA}, 202, None),
        ({"ref": "main"}, 202, None),
    ):
        answer = await grace.post("/jobs", {"repository": uid, **body})
        assert answer.status_code == status, answer.text
        assert code is None or answer.json()["error"]["code"] == code
    await grace.patch(f"{REPOSITORIES}/{uid}", {"active": False})
    answer = await grace.post("/jobs", {"repository": uid, "ref": "main"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "REPOSITORY_INACTIVE")
    await site.post("github", push_request("github", secret=SECRETS["github"]))
    answer = await pipeline(site).post("/jobs", {"repository": "acme/app", "ref": "main"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "LOCAL_NOT_ALLOWED")


@pytest.mark.databases("sqlite")
async def test_a_run_is_started_once_per_key(site: Site) -> None:
    """The same Idempotency-Key answers the same job."""
    grace = await person(site, "grace")
    uid = await grace.registered()
    body = {"repository": uid, "ref": "main"}
    answers = [await grace.post("/jobs", body, **{"Idempotency-Key": "run-1"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    assert len(await site.rows(Job)) == 1


class Resolving:
    """A provider that finds out the commit, as the runner does, and keeps what it was given."""

    name: ClassVar[str] = "local"

    def __init__(self) -> None:
        self.specs: list[BuildSpec] = []

    async def run(self, build: BuildSpec, *, log: LogSink, progress: Progress) -> Outcome:
        self.specs.append(build)
        await progress(commit=SHA)
        return Outcome(status=OutcomeStatus.FAILURE, code="STEP_FAILED", message="no", exit_code=1)


@asynccontextmanager
async def worker(database_url: str, redis_url: str) -> AsyncIterator[Resolving]:
    """Run a worker of builds with that provider."""
    database = Database(with_driver(database_url))
    provider = Resolving()
    builds = Builds(database, Sealer([SECRET_KEY]), webhook_settings())
    service = WorkerService(
        "builds",
        tasks.handlers(builds, {"local": provider}),
        database=database,
        redis_url=redis_url,
        children=Children(),
        settings=QUICK,
    )
    task = asyncio.create_task(service.run())
    try:
        yield provider
    finally:
        service.stop()
        await asyncio.wait_for(task, 20)


async def test_the_worker_tells_which_commit_it_was(site: Site, database: str, redis: str) -> None:
    """Build and job name the commit once it is known; a retry builds the same one; secrets reach the provider."""
    grace = await person(site, "grace")
    uid = await grace.registered(env={"A": "1"})
    assert (await grace.put(f"{REPOSITORIES}/{uid}/secrets/TOKEN", {"value": "t0k"})).status_code == 204
    credentials = {"username": "ci", "password": "pw"}
    assert (await grace.put(f"{REPOSITORIES}/{uid}/credentials", credentials)).status_code == 204

    async def ended(job_id: str) -> dict[str, Any]:
        async def has_ended() -> bool:
            return bool((await grace.get(f"/jobs/{job_id}")).json()["status"] == "failed")

        await eventually(has_ended, "the job has not ended")
        found: dict[str, Any] = (await grace.get(f"/jobs/{job_id}")).json()
        return found

    async with worker(database, redis) as provider:
        made = (await grace.post("/jobs", {"repository": uid, "ref": "main"})).json()
        assert (await ended(made["id"]))["commit"] == SHA
        retried = (await grace.post(f"/jobs/{made['id']}/retry")).json()
        await ended(retried["id"])
    first, second = provider.specs
    assert (first.commit, second.commit) == (None, SHA)
    assert (first.event, first.branch, first.tag) == ("manual", "main", None)
    assert (first.secrets, first.env) == ({"TOKEN": "t0k"}, {"A": "1"})
    assert (first.username, first.password) == ("ci", "pw")
    assert [build.commit_sha for build in await site.rows(Build)] == [SHA]


async def test_a_build_whose_repository_went_away_is_cancelled(site: Site, database: str, redis: str) -> None:
    """A worker that gets such a job ends it as cancelled, with the reason, and asks no provider."""
    grace = await person(site, "grace")
    uid = await grace.registered()
    made = (await grace.post("/jobs", {"repository": uid, "ref": "main"})).json()
    async with site.database.transaction() as tx:
        await tx.exec_driver_sql("UPDATE builds SET repository_id = NULL")
    async with worker(database, redis) as provider:

        async def has_ended() -> bool:
            return bool((await grace.get(f"/jobs/{made['id']}")).json()["status"] == "cancelled")

        await eventually(has_ended, "the job has not ended")
    assert (await grace.get(f"/jobs/{made['id']}")).json()["error"]["code"] == "REPOSITORY_GONE"
    assert provider.specs == []


@pytest.mark.databases("sqlite")
async def test_ended_builds_are_counted(site: Site) -> None:
    """/metrics counts each build that ended, by who ran it and how it ended."""
    counted = 'slipway_builds_total{provider="local",status="cancelled"}'

    async def count() -> float:
        lines = (await site.client.get("/metrics")).text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(counted))

    before = await count()
    grace = await person(site, "grace")
    uid = await grace.with_secret(SECRET)
    pushed = (await site.post("gitea", push_request("gitea", secret=SECRET), address=uid)).json()
    assert (await grace.post(f"/jobs/{pushed['job_id']}/cancel")).status_code == 202
    assert await count() == before + 1
