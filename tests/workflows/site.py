"""A builds worker beside a fake GitHub, with quick looks; the gateway's side is called directly."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select

from libs.common.audit import Actor
from libs.common.crypto import Sealer
from libs.common.database import Base
from libs.common.http.principal import Principal
from libs.common.jobs.joblog.reader import LogReader
from libs.common.jobs.models import Job
from libs.common.jobs.view import LiveJob
from libs.common.settings import Secret
from libs.common.worker.context import Handler
from libs.common.worker.service import WorkerService
from services.builds.models import Build, BuildState, Repository
from services.builds.providers.github.client import Server
from services.builds.service import RULES
from services.builds.service.lookup import new_repository
from services.builds.service.sealed import Vault
from services.builds.service.workflows import Workflows
from services.builds.settings import GitHubSettings
from services.builds.tasks import workflow_handler
from services.builds.tasks.notes import Pace
from tests.fakegithub.actions import Repository as FakeRepository
from tests.fakegithub.actions import Run
from tests.fakegithub.forge import TOKEN, FakeGitHub
from tests.gateway.serving import SECRET_KEY
from tests.world import World, eventually, make_world

MB = 1024 * 1024
# Everything that takes seconds takes tenths. A lost answer is settled after long enough for a few looks.
QUICK = Pace(first_s=0.05, settle_s=0.6, look_s=0.05, stop_s=1.0, force_s=1.0, stop_look_s=0.05)
GRACE = Principal(user_id=7, name="grace", scopes=frozenset({"builds:write"}))
ACTOR = Actor(user_id=7, name="grace", key_id=None, address=None, request_id="req-1")


@dataclass
class Site:
    """What a test holds in its hands; `repository` is the fake's acme/images."""

    world: World
    github: FakeGitHub
    repository: FakeRepository
    settings: GitHubSettings
    pace: Pace = QUICK
    servers: list[Server] = field(default_factory=list)

    @property
    def workflows(self) -> Workflows:
        return Workflows(self.world.database, self.world.jobs)

    @property
    def vault(self) -> Vault:
        return Vault(Sealer([SECRET_KEY]))

    def handler(self, *, log_max_bytes: int = 64 * MB) -> Handler:
        """The handler of another worker: it shares nothing with those before."""
        self.servers.append(Server(self.settings))
        return workflow_handler(
            self.servers[-1], self.vault, self.settings, log_max_bytes=log_max_bytes, pace=self.pace
        )

    @asynccontextmanager
    async def worker(self, **options: Any) -> AsyncIterator[WorkerService]:
        async with self.world.worker(self.handler(**options)) as worker:
            yield worker

    async def trigger(self, **changed: Any) -> LiveJob:
        """Ask for a build as the trigger's route does."""
        asked: dict[str, Any] = {"owner": 7, "run_repository": "acme/images", "ref": "main", "actor": "grace"}
        asked |= {"inputs": {"image_type": "fedora-bootc"}} | changed
        async with self.world.database.transaction() as tx:
            _, job = await self.workflows.start(tx, **asked)
        await self.world.jobs.announce([job])
        return job

    async def registered(self, *, token: str | None = None, operators: bool = False, **columns: Any) -> int:
        """Register a repository of GitHub's with a token of its own, or the operator's; answers its number."""
        values = new_repository("github", "acme/images", "https://github.com/acme/images.git", executor="github")
        values |= {"sealed_api_token": self.vault.seal(values["uid"], "sealed_api_token", token)}
        values |= {"uses_operator_token": operators, **columns}
        async with self.world.database.transaction() as tx:
            made: int = (await tx.execute(insert(Repository).values(values).returning(Repository.id))).scalar_one()
        return made

    async def build(self, job: LiveJob) -> Any:
        async with self.world.database.reading() as tx:
            query = select(Build.__table__).where(Build.id == job.view.build_id)
            return (await tx.execute(query)).one()

    async def rows(self, table: type[Base]) -> Sequence[Any]:
        async with self.world.database.reading() as tx:
            return (await tx.execute(select(table.__table__).order_by(table.__table__.c.id))).all()

    async def rows_of_jobs(self, build_id: int) -> list[UUID]:
        """The jobs of a build, oldest first."""
        return [row.id for row in await self.rows(Job) if row.build_id == build_id]

    async def states(self, job: LiveJob) -> list[tuple[str, int]]:
        """The history of a build: status and state code."""
        return [
            (row.status, row.state_code) for row in await self.rows(BuildState) if row.build_id == job.view.build_id
        ]

    async def run(self, number: int = 0) -> Run:
        """Wait until the fake has made its run of this number, from 0."""

        async def made() -> bool:
            return len(self.repository.runs) > number

        await eventually(made, "no run was made")
        return self.repository.runs[number]

    async def followed(self, job: LiveJob) -> Run:
        """Wait until the worker knows the build's run; answers the fake's."""

        async def known() -> bool:
            return (await self.build(job)).run_id is not None

        await eventually(known, "the run was never found")
        found = self.repository.run((await self.build(job)).run_id)
        assert found is not None
        return found

    async def log(self, job: LiveJob) -> list[str]:
        """The whole log of a job."""
        lines = LogReader(self.world.database, self.world.redis)
        page = await lines.page(job.view.id, after=0, limit=100_000)
        return [line.message for line in page.lines]

    async def waits_for(self, job: LiveJob, words: str) -> LiveJob:
        """Wait until a job says that it waits for this."""
        return await self.world.until(job, lambda now: words in (now.view.waiting_for or ""))


@asynccontextmanager
async def open_site(
    database: str, redis: str, github: FakeGitHub, *, pace: Pace = QUICK, workflow: str | None = None, **settings: Any
) -> AsyncIterator[Site]:
    """Connect to a fake that is being served; `settings` are GitHubSettings'."""
    chosen: dict[str, Any] = {"token": Secret(TOKEN), "api_url": github.url, "repository": "acme/images"}
    chosen |= {"poll_interval_s": 0.1} | settings
    repository = github.add_repository("acme/images", workflow=workflow)
    async with make_world(database, redis, rules=RULES) as world:
        site = Site(world, github, repository, GitHubSettings(**chosen), pace)
        try:
            yield site
        finally:
            for server in site.servers:
                await server.close()
