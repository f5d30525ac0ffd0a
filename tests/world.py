"""A small world for runtime tests: a database, a Redis, the facade, and kinds of jobs of a domain of their own."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import msgspec
from redis.asyncio import Redis

from libs.common.children import Children
from libs.common.database import Database
from libs.common.jobs import store
from libs.common.jobs.kinds import JobRules, Message, Policy
from libs.common.jobs.live import Live
from libs.common.jobs.service import Jobs
from libs.common.jobs.view import LiveJob
from libs.common.redis import connect
from libs.common.settings import RuntimeSettings
from libs.common.settings.groups import database_url as async_url
from libs.common.worker.context import Handler
from libs.common.worker.service import WorkerService

# Everything that takes seconds in production takes tenths here; the order of the lengths is the same.
QUICK = RuntimeSettings(
    lease_s=2.0,
    renew_every_s=0.3,
    give_up_after_s=1.2,
    child_silence_s=1.0,
    heartbeat_every_s=0.5,
    publisher_tick_s=0.1,
    publish_grace_s=0.3,
    republish_after_s=2.0,
    accept_publish_timeout_ms=1000,
    repair_every_s=0.2,
    repair_full_every_s=2.0,
    shutdown_grace_s=1.0,
    cancel_grace_s=2.0,
    poll_delay_s=0.1,
    slots_light=20,
    slots_heavy=2,
    metrics_port=0,
)
DEADLINE_S = 20.0


class Ping(Message, frozen=True):
    """A light job; `text` is for the handler."""

    kind = "demo.ping"
    policy = Policy(timeout_s=5, max_tries=3, cancel_timeout_s=2)

    text: str = ""


class Heavy(Message, frozen=True):
    kind = "demo.heavy"
    policy = Policy(timeout_s=5, job_class="heavy", cancel_timeout_s=2)

    text: str = ""


class Hasty(Message, frozen=True):
    kind = "demo.hasty"
    policy = Policy(timeout_s=0.2, cancel_timeout_s=0.2)

    text: str = ""


class Aging(Message, frozen=True):
    kind = "demo.aging"
    policy = Policy(timeout_s=5, deadline=timedelta(seconds=0.5))

    text: str = ""


@dataclass
class World:
    """What a test holds in its hands."""

    database: Database
    redis: Redis
    redis_url: str
    jobs: Jobs
    settings: RuntimeSettings

    async def add(
        self, *messages: Message, announce: bool = True, owner: int | None = None, **fields: object
    ) -> list[LiveJob]:
        """Insert jobs as a slice would, and announce them."""
        new = [
            store.NewJob(message=message, subject=("thing", "1"), owner=owner, **fields)  # type: ignore[arg-type]
            for message in messages
        ]
        async with self.database.transaction() as tx:
            jobs = await store.insert_jobs(tx, new)
        if announce:
            await self.jobs.announce(jobs)
        return jobs

    async def row(self, job_id: UUID) -> LiveJob:
        async with self.database.reading() as tx:
            job = await store.get(tx, job_id)
        assert job is not None
        return job

    async def ended(self, job: LiveJob) -> LiveJob:
        """Wait until the row is terminal."""
        return await self.until(job, lambda now: now.is_terminal)

    async def until(self, job: LiveJob, condition: Callable[[LiveJob], bool]) -> LiveJob:
        """Wait until the row fulfils the condition."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            now = await self.row(job.view.id)
            if condition(now):
                return now
            assert time.monotonic() < deadline, f"still {msgspec.json.encode(now.view).decode()}"
            await asyncio.sleep(0.01)

    @asynccontextmanager
    async def worker(
        self, *handlers: Handler, settings: RuntimeSettings | None = None, database_url: str | None = None
    ) -> AsyncIterator[WorkerService]:
        """Run a worker in this process for the length of the block; its domain is that of its handlers' kinds."""
        url = database_url or str(self.database.engine.url.render_as_string(hide_password=False))
        worker = WorkerService(
            handlers[0].message.domain(),
            handlers,
            database=Database(url),
            redis_url=self.redis_url,
            children=Children(),
            settings=settings or self.settings,
        )
        task = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            worker.stop()
            await asyncio.wait_for(task, DEADLINE_S)


async def eventually(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait until `condition()` holds; fails with `what` after the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not await condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.01)


@asynccontextmanager
async def make_world(
    database_url: str, redis_url: str, rules: Sequence[JobRules] = (), settings: RuntimeSettings = QUICK
) -> AsyncIterator[World]:
    """Open connections, make the facade, close everything at the end."""
    database, redis = Database(async_url(database_url)), connect(redis_url)
    known = {rule.message.kind: rule for rule in (*(JobRules(kind) for kind in (Ping, Heavy, Hasty, Aging)), *rules)}
    jobs = Jobs(database, Live(redis), list(known.values()), settings)
    try:
        yield World(database, redis, redis_url, jobs, settings)
    finally:
        await jobs.marker.close()
        await redis.aclose()
        await database.close()
