"""An installation under test: its processes, its database and Redis, repositories to build, and what a forge would do.

repository, head = site.repository(pipeline)
job_id = await site.push(repository, head)
job = await site.ended(job_id)
"""

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx
from redis.asyncio import Redis
from sqlalchemy import Row, select

from libs.common import keys
from libs.common.database import Database
from libs.common.jobs.models import Job
from libs.common.jobs.states import TERMINAL
from libs.common.redis import connect
from libs.common.settings.groups import database_url as async_url
from services.builds.models import Build, BuildState
from services.builds.states import ENDED, OF_JOB
from tests.builds.forges.payloads import SignedRequest, push_request
from tests.builds.repositories import Repository, serve_daemon
from tests.builds.running import open_folder
from tests.e2e.processes import QUICK, Process, Processes
from tests.gateway.serving import ADMIN_KEY, SECRET_KEY

BUILDS: Final = "workers.builds"
SECRET: Final = "the forge's secret"
DEADLINE_S: Final = 60.0  # several leases on a machine that does much else
LOOK_S: Final = 0.02


class Marks:
    """Files through which the steps of builds and their test talk; steps may run as any user.

    `alone` is a script that notes its run, reports when another run of it is not over yet, and waits for the gate.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        folder.chmod(0o777)

    def alone(self, *, then: str = "until [ -e {folder}/gate ]; do sleep 0.05; done") -> str:
        """The script. Its lock goes with the last process of the run, however that ends; perl is wherever git is."""
        return f"""
            umask 0
            exec 9>>{self.folder}/$SLIPWAY_JOB_ID.lock
            perl -MFcntl=:flock -e 'open(my $f, ">&=9") or exit 1; exit !flock($f, LOCK_EX | LOCK_NB)' \\
                || echo "$SLIPWAY_JOB_ID" >>{self.folder}/violations
            echo "$SLIPWAY_JOB_ID" >>{self.folder}/runs
            echo began
            {then.format(folder=self.folder)}
            echo went on
        """

    def open_gate(self) -> None:
        (self.folder / "gate").touch()

    def runs(self) -> list[str]:
        """The jobs whose step began, in order, once for each time."""
        return self._words("runs")

    def violations(self) -> list[str]:
        """Jobs whose step began while another run of it was not over."""
        return self._words("violations")

    def _words(self, name: str) -> list[str]:
        file = self.folder / name
        return file.read_text().split() if file.exists() else []


def pipeline(*steps: str | Mapping[str, Any], **more: Any) -> str:
    """Write a pipeline file; a step is its script, or all of its fields. (JSON is YAML.)"""
    made = [{"name": f"step {n}", **({"run": step} if isinstance(step, str) else step)} for n, step in enumerate(steps)]
    return json.dumps({"steps": made, **more}, indent=1)


class Installation:
    """What may outlive one test: processes, addresses and folders; `Site` is a test's hold on it."""

    def __init__(
        self, folder: Path, database_url: str, redis_url: str, clone_url: str, lengths: Mapping[str, str]
    ) -> None:
        self.folder = folder
        self.database_url = database_url
        self.redis_url = redis_url
        self.clone_url = clone_url
        self.names = (f"r{n}" for n in itertools.count())
        environ = {
            **lengths,
            "ENV": "test",
            "SECRET_KEY": SECRET_KEY,
            "DATABASE_URL": database_url,
            "DATABASE_POOL_SIZE": "5",
            "REDIS_URL": redis_url,
            "API_KEYS": f"{ADMIN_KEY}=admin",
            "WEBHOOK_SECRET": SECRET,
            "LOCAL_PROVIDER": "true",
            "ALLOW_INSECURE_CLONE": "true",
            "LOCAL_WORK_FOLDER": str(folder / "work"),
            "METRICS_PORT": "0",
        }
        (folder / "logs").mkdir()
        self.processes = Processes(folder / "logs", environ)


@contextmanager
def install(database_url: str, redis_url: str, lengths: Mapping[str, str] = QUICK) -> Iterator[Installation]:
    """Make folders and serve repositories; ends every process that was started, at the end.

    `lengths` are settings of time; {} for those that the product has by default.
    """
    with open_folder() as folder:
        (folder / "repositories").mkdir()
        with serve_daemon(folder / "repositories") as clone_url:
            made = Installation(folder, database_url, redis_url, clone_url, lengths)
            try:
                yield made
            finally:
                made.processes.close()


@dataclass
class Site:
    """A test's hold on an installation. `client` talks to the gateway that was started last."""

    installed: Installation
    database: Database
    redis: Redis
    client: httpx.AsyncClient
    gateways: list[Process] = field(default_factory=list)

    # --- processes --------------------------------------------------------------------------------------------------

    async def start(self, *processes: Process) -> None:
        """Wait until processes that were just started are ready."""
        for process in processes:
            await self.until(process.is_settled, f"{process.name} to be ready")
            assert process.is_running, f"{process.name} ended: {process.said()}"
            if process.url:
                self.gateways.append(process)
                self.client.base_url = httpx.URL(process.url)

    async def gateway(self, port: int | None = None, **environ: str) -> Process:
        process = self.installed.processes.gateway(port, **environ)
        await self.start(process)
        return process

    async def worker(self, module: str = BUILDS, **environ: str) -> Process:
        process = self.installed.processes.worker(module, **environ)
        await self.start(process)
        return process

    async def open(self, *, workers: int = 1, **environ: str) -> list[Process]:
        """Start one gateway and some workers at the same time; answers the workers."""
        processes = self.installed.processes
        gateway, *others = (
            processes.gateway(None, **environ),
            *(processes.worker(BUILDS, **environ) for _ in range(workers)),
        )
        await self.start(gateway, *others)
        return others

    async def until(self, condition: Callable[[], Any], what: str, within_s: float = DEADLINE_S) -> Any:
        """Look again until `condition()` (awaited where it must be) is true; answers what it gave."""
        deadline = time.monotonic() + within_s
        while True:
            found = condition()
            value = await found if isinstance(found, Awaitable) else found
            if value:
                return value
            assert time.monotonic() < deadline, f"waited {within_s:g} s for {what}"
            await asyncio.sleep(LOOK_S)

    # --- a forge and its users --------------------------------------------------------------------------------------

    def marks(self) -> Marks:
        return Marks(self.installed.folder / f"marks-{next(self.installed.names)}")

    def repository(self, text: str | None, **files: str) -> tuple[Repository, str]:
        """Make a repository with this pipeline file (None: without); answers it and its head."""
        repository = Repository.make(self.installed.folder / "repositories", next(self.installed.names))
        given = {".slipway.yml": text} if text is not None else {"other": "file"}
        return repository, repository.commit({**given, **files})

    def delivery(self, repository: Repository, sha: str, **more: Any) -> SignedRequest:
        """What a Gitea would send for a push."""
        more.setdefault("clone_url", f"{self.installed.clone_url}/{repository.name}")
        return push_request("gitea", secret=SECRET, repository=f"acme/{repository.name}", sha=sha, **more)

    async def send(self, delivery: SignedRequest) -> httpx.Response:
        return await self.client.post("/webhook/gitea", content=delivery.body, headers=delivery.headers)

    async def push(self, repository: Repository, sha: str, **more: Any) -> UUID:
        """Deliver a push that starts a build; answers its job's id."""
        answer = await self.send(self.delivery(repository, sha, **more))
        assert answer.status_code == 202, answer.text
        return UUID(answer.json()["job_id"])

    async def build(self, text: str | None, **more: Any) -> UUID:
        """Make a repository with this pipeline and push it."""
        repository, head = self.repository(text)
        return await self.push(repository, head, **more)

    # --- what came of it --------------------------------------------------------------------------------------------

    async def job(self, job_id: UUID) -> dict[str, Any]:
        """What `GET /jobs/{id}` answers."""
        answer = await self.client.get(f"/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def ended(self, job_id: UUID, within_s: float = DEADLINE_S) -> dict[str, Any]:
        """Wait for the row's end, then for clients to be shown it."""
        await self.until(lambda: self._is_terminal(job_id), f"the end of job {job_id}", within_s)

        async def shown() -> dict[str, Any] | None:
            job = await self.job(job_id)
            return job if job["status"] in TERMINAL else None

        return dict(await self.until(shown, f"the end of job {job_id} to be shown"))

    async def _is_terminal(self, job_id: UUID) -> bool:
        return (await self.row(job_id)).status in TERMINAL

    async def row(self, job_id: UUID) -> Row[Any]:
        async with self.database.reading() as tx:
            return (await tx.execute(select(Job.__table__).where(Job.id == job_id))).one()

    async def build_of(self, job_id: UUID) -> Row[Any]:
        build_id = (await self.row(job_id)).build_id
        async with self.database.reading() as tx:
            return (await tx.execute(select(Build.__table__).where(Build.id == build_id))).one()

    async def history(self, job_id: UUID) -> list[tuple[str, int, str | None]]:
        """(status, state code, message) of the build of a job, from its beginning."""
        build_id = (await self.row(job_id)).build_id
        query = select(BuildState.status, BuildState.state_code, BuildState.message)
        async with self.database.reading() as tx:
            rows = await tx.execute(query.where(BuildState.build_id == build_id).order_by(BuildState.id))
            return [(row.status, row.state_code, row.message) for row in rows]

    async def lines(self, job_id: UUID) -> list[dict[str, Any]]:
        """The whole stored log, by pages of JSON."""
        lines: list[dict[str, Any]] = []
        after: int | None = 0
        while after is not None:
            headers = {"Accept": "application/json"}
            answer = await self.client.get(f"/jobs/{job_id}/logs", params={"after": after}, headers=headers)
            assert answer.status_code == 200, answer.text
            lines += answer.json()["lines"]
            after = answer.json()["next_after"]
        return lines

    async def text(self, job_id: UUID) -> str:
        """The whole log as plain text."""
        answer = await self.client.get(f"/jobs/{job_id}/logs", headers={"Accept": "text/plain"})
        assert answer.status_code == 200, answer.text
        return answer.text

    async def ends_in_events(self) -> Counter[str]:
        """How many `end` events each job has in the event stream that Redis has now."""
        entries = await self.redis.xrange(keys.EVENTS)
        return Counter(fields[b"j"].decode() for _, fields in entries if fields[b"t"] == b"end")

    async def check_ledger(self, jobs: Sequence[UUID], *, events_lost: bool = False) -> None:
        """Every job has exactly one end: in its row, its build, its build's history and (unless lost) in the events."""
        for job_id in jobs:
            row, build = await self.row(job_id), await self.build_of(job_id)
            assert row.status in TERMINAL
            assert row.lease_owner is None
            assert build.status == OF_JOB[row.status].value
            query = select(BuildState.status).where(BuildState.job_id == job_id)
            async with self.database.reading() as tx:
                states = list((await tx.execute(query)).scalars())
            assert [state for state in states if state in ENDED] == [build.status]
        names = {str(job_id) for job_id in jobs}
        if not events_lost:
            await self.until(lambda: self._all_in_events(names), "every end to be an event")
        ends = await self.ends_in_events()
        assert [name for name in names if ends[name] > 1] == []

    async def _all_in_events(self, names: set[str]) -> bool:
        return names <= set(await self.ends_in_events())

    async def is_live(self, job_id: UUID) -> bool:
        """Tell whether Redis shows the job."""
        return bool(await self.redis.exists(keys.job_hash(job_id)))


@asynccontextmanager
async def visit(installed: Installation) -> AsyncIterator[Site]:
    """Open a test's own connections to an installation."""
    database, redis = Database(async_url(installed.database_url)), connect(installed.redis_url)
    headers = {"X-API-Key": ADMIN_KEY}
    try:
        async with httpx.AsyncClient(headers=headers, timeout=30) as client:
            yield Site(installed, database, redis, client)
    finally:
        await redis.aclose()
        await database.close()
