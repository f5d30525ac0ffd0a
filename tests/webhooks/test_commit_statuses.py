"""From a push to the status on its commit: who is told, when, and what the newest state makes of older ones."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from sqlalchemy import update

from libs.common.children import Children
from libs.common.crypto import Sealer
from libs.common.database import Database
from libs.common.jobs.models import Job
from libs.common.settings import Secret
from libs.common.worker.service import WorkerService
from services.builds import tasks
from services.builds.buildspec import BuildSpec
from services.builds.commitstatus import State
from services.builds.jobs import ReportStatus
from services.builds.models import Build, Repository
from services.builds.providers.base import LogSink, Outcome, OutcomeStatus, Progress
from services.builds.providers.github.client import Server
from services.builds.providers.statuses import posters
from services.builds.service import Builds
from services.builds.service.commit_statuses import read_status
from services.builds.service.sealed import Vault
from services.builds.settings import GitHubSettings
from tests.builds.forges.payloads import SHA, push_request
from tests.fakeforge.faults import refused, unavailable
from tests.fakegitea import TOKEN as GITEA_TOKEN
from tests.fakegitea import FakeGitea
from tests.fakegithub import LOGIN, FakeGitHub
from tests.fakegithub import TOKEN as GITHUB_TOKEN
from tests.gateway.serving import SECRET_KEY, with_driver
from tests.webhooks.people import REPOSITORIES, Caller, admin, person
from tests.webhooks.site import Site, webhook_settings
from tests.world import QUICK, eventually

SECRET = "s3cret-of-this-address"
PUBLIC_URL = "https://slipway.example"
DONE = Outcome(status=OutcomeStatus.SUCCESS)


class Patient:
    """A provider whose build ends as `outcome` as soon as `goes_on` is set."""

    name: ClassVar[str] = "local"

    def __init__(self) -> None:
        self.outcome = DONE
        self.goes_on = asyncio.Event()

    async def run(self, build: BuildSpec, *, log: LogSink, progress: Progress) -> Outcome:
        await self.goes_on.wait()
        return self.outcome


@asynccontextmanager
async def worker(database_url: str, redis_url: str, settings: GitHubSettings) -> AsyncIterator[Patient]:
    """Run a worker of builds that posts statuses."""
    database, provider, server = Database(with_driver(database_url)), Patient(), Server(settings)
    sealer = Sealer([SECRET_KEY])
    told = tasks.status_handler(Vault(sealer), posters(server, allow_insecure=True), PUBLIC_URL)
    service = WorkerService(
        "builds",
        [*tasks.handlers(Builds(database, sealer, webhook_settings()), {"local": provider}), told],
        database=database,
        redis_url=redis_url,
        children=Children(),
        settings=QUICK,
    )
    task = asyncio.create_task(service.run())
    try:
        yield provider
    finally:
        provider.goes_on.set()
        service.stop()
        await asyncio.wait_for(task, 20)
        await server.close()


@dataclass
class Pushed:
    """A person's repository on a fake Gitea, with an address that pushes are sent to."""

    site: Site
    person: Caller
    gitea: FakeGitea
    uid: str

    async def push(self, branch: str = "main") -> dict[str, Any]:
        clone_url = f"{self.gitea.web}/acme/app.git"
        answer = await self.site.post(
            "gitea", push_request("gitea", secret=SECRET, branch=branch, clone_url=clone_url), address=self.uid
        )
        assert answer.status_code == 202, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def reports(self) -> list[Any]:
        """The jobs that tell the forge."""
        return [row for row in await self.site.rows(Job) if row.kind == ReportStatus.kind]

    async def told(self, *states: str) -> None:
        """Wait until the forge was told these states last."""

        async def was_told() -> bool:
            return [status.state for status in self.gitea.statuses][-len(states) :] == list(states)

        await eventually(was_told, f"told {[status.state for status in self.gitea.statuses]}, not {states}")


@asynccontextmanager
async def pushed(site: Site, **body: Any) -> AsyncIterator[Pushed]:
    with FakeGitea() as gitea:
        grace = await person(site, "grace")
        given = {"clone_url": f"{gitea.web}/acme/app.git", "api_token": GITEA_TOKEN} | body
        yield Pushed(site, grace, gitea, await grace.with_secret(SECRET, **given))


async def test_a_push_is_pending_and_then_done(site: Site, database: str, redis: str) -> None:
    """The commit gets a pending status with a link to the build, and a success in its place when the build ends."""
    async with pushed(site) as here, worker(database, redis, GitHubSettings()) as provider:
        await here.push()
        await here.told("pending")
        provider.goes_on.set()
        await here.told("success")
        [build] = await site.rows(Build)
        assert {(status.sha, status.context) for status in here.gitea.statuses} == {(SHA, "slipway/acme/app")}
        assert {status.target_url for status in here.gitea.statuses} == {f"{PUBLIC_URL}/ui/builds/{build.uid}"}
        assert [row.build_id for row in await here.reports()] == [None, None]  # they are no jobs of the build


@pytest.mark.parametrize(
    ("outcome", "state", "description"),
    [
        (
            Outcome(status=OutcomeStatus.FAILURE, code="STEP_FAILED", message=f"step `test` {'x' * 200}", exit_code=1),
            "failure",
            f"step `test` {'x' * 127}…",
        ),
        (
            Outcome(status=OutcomeStatus.CANCELLED, code="SKIPPED", message="no path matches"),
            "success",
            "Nothing to build: no path matches",
        ),
    ],
    ids=["failed", "skipped"],
)
async def test_ends_have_words_of_their_own(
    site: Site, database: str, redis: str, outcome: Outcome, state: str, description: str
) -> None:
    """A failure says why, as long as forges take it; a pipeline that did not apply does not spoil its commit."""
    async with pushed(site) as here, worker(database, redis, GitHubSettings()) as provider:
        provider.outcome = outcome
        provider.goes_on.set()
        await here.push()
        await here.told(state)
        assert here.gitea.statuses[-1].description == description


@pytest.mark.slow
async def test_an_older_pending_comes_too_late(site: Site, database: str, redis: str) -> None:
    """Of a build that ended before anything was told, only its end is told; a retry is pending again."""
    async with pushed(site) as here:
        made = await here.push()
        assert (await here.person.post(f"/jobs/{made['job_id']}/cancel")).status_code == 202
        assert [row.lane for row in await here.reports()] == [f"status:{made['build_id']}"] * 2
        async with worker(database, redis, GitHubSettings()) as provider:
            await here.told("error", "error")
            assert (await here.person.post(f"/jobs/{made['job_id']}/retry")).status_code == 202
            await here.told("pending")
            provider.goes_on.set()
            await here.told("success")


@pytest.mark.slow
@pytest.mark.slow
async def test_an_outage_is_waited_out(site: Site, database: str, redis: str) -> None:
    """A forge that is away gets the status when it is back, and the waiting job says why it waits."""
    async with pushed(site) as here, worker(database, redis, GitHubSettings()) as provider:
        here.gitea.inject(unavailable(), times=None)
        await here.push()

        async def waits() -> bool:
            return any("FORGE_UNAVAILABLE" in (row.waiting_for or "") for row in await here.reports())

        await eventually(waits, "nobody waits for the forge")
        here.gitea.heal()
        provider.goes_on.set()
        await here.told("success")


@pytest.mark.slow
async def test_a_refusal_is_said_once_and_spoils_no_build(site: Site, database: str, redis: str) -> None:
    """The report ends as failed with the forge's words, the build is none the worse; a person retries the report."""
    async with pushed(site) as here, worker(database, redis, GitHubSettings()) as provider:
        provider.goes_on.set()
        here.gitea.inject(refused(403, {"message": "write access is missing"}), times=None)
        await here.push()

        async def refused_twice() -> bool:
            return [row.status for row in await here.reports()] == ["failed", "failed"]

        await eventually(refused_twice, "the reports have not failed")
        first, _ = await here.reports()
        assert (first.error["code"], first.tries) == ("STATUS_REFUSED", 0)
        assert "write access is missing" in first.error["message"]
        assert [build.status for build in await site.rows(Build)] == ["success"]
        here.gitea.heal()
        assert (await here.person.post(f"/jobs/{first.id}/retry")).status_code == 202
        await here.told("success")


@pytest.mark.parametrize("body", [{"api_token": None}, {"report_status": False}], ids=["no token", "switched off"])
@pytest.mark.slow
async def test_nobody_is_told_without_leave(site: Site, body: dict[str, Any]) -> None:
    """Without a token, or where the repository does not want it, no job is made."""
    async with pushed(site, **body) as here:
        await here.push()
        assert await here.reports() == []


async def test_what_a_person_started_is_not_told(site: Site) -> None:
    """A run by hand is of no push: its commit may not be known before it has begun."""
    async with pushed(site) as here:
        assert (await here.person.post("/jobs", {"repository": here.uid, "ref": "main"})).status_code == 202
        assert await here.reports() == []


@pytest.mark.slow
async def test_the_operators_token_needs_leave(site: Site, database: str, redis: str) -> None:
    """On GitHub the operator's token tells of a repository's builds only where a superuser allowed that."""
    with FakeGitHub() as github:
        repository = github.add_repository("acme/app", workflow="")
        uid = await site.register("github", SECRET)
        first = await site.post("github", push_request("github", secret=SECRET, branch="a"), address=uid)
        assert first.status_code == 202, first.text
        assert [row.kind for row in await site.rows(Job)] == ["builds.run_build"]
        changed = await admin(site).patch(f"{REPOSITORIES}/{uid}", {"uses_operator_token": True})
        assert changed.status_code == 200, changed.text
        settings = GitHubSettings(token=Secret(GITHUB_TOKEN), api_url=github.url)
        async with worker(database, redis, settings) as provider:
            provider.goes_on.set()
            await site.post("github", push_request("github", secret=SECRET, branch="b"), address=uid)

            async def was_told() -> bool:
                return [status.state for status in repository.statuses][-1:] == ["success"]

            await eventually(was_told, "GitHub was not told")
        assert {status.creator for status in repository.statuses} == {LOGIN}


async def test_a_token_is_kept_and_never_shown(site: Site) -> None:
    """It is sealed, named in no answer and no audit entry, taken away by null, and lost with the host it was for."""
    async with pushed(site) as here:
        path = f"{REPOSITORIES}/{here.uid}"

        async def has_token(answer: Any) -> bool:
            assert answer.status_code == 200, answer.text
            assert GITEA_TOKEN not in answer.text
            found: bool = answer.json()["has_api_token"]
            return found

        assert await has_token(await here.person.get(path))
        [row] = await site.rows(Repository)
        assert GITEA_TOKEN.encode() not in row.sealed_api_token
        assert Vault(Sealer([SECRET_KEY])).api_token(row) == GITEA_TOKEN

        assert await has_token(await here.person.patch(path, {"html_url": f"{here.gitea.web}/acme/app"}))
        assert not await has_token(await here.person.patch(path, {"html_url": "https://evil.example/acme/app"}))
        body = {"html_url": None, "api_token": GITEA_TOKEN}
        assert await has_token(await here.person.patch(path, body))
        assert not await has_token(await here.person.patch(path, {"api_token": None}))
        assert GITEA_TOKEN not in (await admin(site).get("/api/v1/audit")).text


@pytest.mark.slow
async def test_a_deleted_repository_is_not_told(site: Site, database: str, redis: str) -> None:
    """What was to be told of a repository that is gone ends quietly."""
    async with pushed(site) as here:
        await here.push()
        async with site.database.transaction() as tx:
            await tx.execute(update(Build).values(repository_id=None))
        async with worker(database, redis, GitHubSettings()):

            async def ended() -> bool:
                return [row.status for row in await here.reports()] == ["success"]

            await eventually(ended, "the report has not ended")
        assert here.gitea.statuses == []


@pytest.mark.slow
async def test_a_pipeline_of_its_own_has_a_context_of_its_own(site: Site) -> None:
    """Two registrations of one repository with different pipelines do not overwrite each other's status."""
    usual = {"executor": "local", "pipeline_path": ".slipway.yml", "workflow_file": None}
    contexts: dict[str, dict[str, str]] = {
        "slipway/acme/app": {},
        "slipway/ci/release.yml": {"pipeline_path": "ci/release.yml"},
        "slipway/image.yml": {"executor": "github", "pipeline_path": "ci/release.yml", "workflow_file": "image.yml"},
    }
    async with pushed(site) as here:
        made = await here.push()
        for context, columns in contexts.items():
            async with site.database.transaction() as tx:
                await tx.execute(update(Repository).values(usual | columns))
                told = await read_status(tx, made["build_id"], Vault(Sealer([SECRET_KEY])), None)
            assert told is not None
            assert told.context == context
            assert (told.state, told.description) == (State.PENDING, "Waiting to be built")
            assert (told.target_url, told.api) == (None, here.gitea.url)
