"""A job on real servers, and the few things that its log's tests do with it."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import update

from libs.common.database import Database, now_sql
from libs.common.jobs import claims, store
from libs.common.jobs.claims import Claimed
from libs.common.jobs.joblog.entries import Line
from libs.common.jobs.joblog.reader import LogReader
from libs.common.jobs.joblog.writer import JobLog
from libs.common.jobs.kinds import Message, Outcome, Policy
from libs.common.jobs.live import Live
from libs.common.jobs.models import Job
from libs.common.jobs.view import LiveJob
from libs.common.redis import connect
from libs.common.settings import RuntimeSettings
from libs.common.settings.groups import database_url

# Only a machine that is stuck reaches it.
DEADLINE_S = 30.0
LEASE_S = 300.0


class Work(Message, frozen=True):
    """A job of no kind in particular."""

    kind: ClassVar[str] = "builds.work"
    policy: ClassVar[Policy] = Policy()

    n: int = 0


class World:
    """Database, Redis and what writes and reads a log; `close()` at the end."""

    def __init__(self, database: str, redis: str, **settings: Any) -> None:
        self.database = Database(database_url(database))
        self.redis: Redis = connect(redis)
        self.live = Live(self.redis)
        self.reader = LogReader(self.database, self.redis)
        self.settings = RuntimeSettings(**{"log_flush_ms": 5, **settings})

    async def close(self) -> None:
        await self.redis.aclose()
        await self.database.close()

    async def new_job(self, *, owner: int | None = None, subject: tuple[str, str] = ("build", "12")) -> LiveJob:
        """Insert a job and show it."""
        async with self.database.transaction() as tx:
            [job] = await store.insert_jobs(tx, [store.NewJob(message=Work(), subject=subject, owner=owner)])
        await self.show(job)
        return job

    async def claim(self, job_id: uuid.UUID, *, worker: str = "one") -> Claimed:
        """Claim a job that is free (or whose lease was made to lapse) and show it."""
        async with self.database.transaction() as tx:
            [claimed], _ = await claims.claim(tx, [job_id], worker, LEASE_S)
        await self.show(claimed.job)
        return claimed

    async def crash(self, job_id: uuid.UUID) -> None:
        """Make the job's lease lapse, as if its worker had died."""
        async with self.database.transaction() as tx:
            await tx.execute(update(Job).where(Job.id == job_id).values(lease_until=now_sql(tx.dialect, -1)))

    def log(self, claimed: Claimed, **more: Any) -> JobLog:
        return JobLog(claimed=claimed, live=self.live, database=self.database, settings=self.settings, **more)

    async def started(self, **job: Any) -> tuple[Claimed, JobLog]:
        """A new job, claimed, with its log."""
        claimed = await self.claim((await self.new_job(**job)).view.id)
        return claimed, self.log(claimed)

    async def end(self, claimed: Claimed, log: JobLog, *, show: bool = True) -> LiveJob:
        """End the job as the runtime does."""
        await log.flush()
        async with self.database.transaction() as tx:
            job = await claims.end(tx, claimed.lease, Outcome("success"))
            await log.finish(tx)
        if show:
            await self.show(job)
        await log.close()
        return job

    async def again(self, claimed: Claimed, log: JobLog) -> None:
        """End the step as the runtime does after `Again`; the job is due at once."""
        await log.flush()
        async with self.database.transaction() as tx:
            job = await claims.again(tx, claimed.lease, after_s=0, waiting_for=None)
            await log.finish(tx)
        await self.show(job)
        await log.close()

    async def show(self, job: LiveJob) -> None:
        with contextlib.suppress(RedisError, OSError):  # Redis may be down on purpose
            await self.live.publish([job])

    async def stored(self, job_id: uuid.UUID) -> list[Line]:
        """The whole log as the reader gives it."""
        return [line async for batch in self.reader.batches(job_id) for line in batch.decoded()]


async def until(condition: Callable[[], Awaitable[bool]] | Callable[[], bool], what: str) -> None:
    """Look again until the condition holds; fail, naming `what`, at the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        answer = condition()
        if await answer if isinstance(answer, Awaitable) else answer:
            return
        assert time.monotonic() < deadline, f"waited {DEADLINE_S:g} s for {what}"
        await asyncio.sleep(0.005)
