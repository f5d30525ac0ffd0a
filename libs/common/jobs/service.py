"""What the gateway and the slices do with jobs: read, list, announce, cancel, retry."""

import asyncio
import contextlib
import uuid
from collections.abc import Mapping, Sequence

import msgspec
import structlog
from redis.exceptions import RedisError
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common import audit, keys
from libs.common.audit import Actor
from libs.common.batch import Batch
from libs.common.database import Database
from libs.common.errors import Conflict, NotFound
from libs.common.jobs import cancelling, store
from libs.common.jobs.kinds import JobRules
from libs.common.jobs.live import Happening, Live
from libs.common.jobs.publisher import Marker
from libs.common.jobs.queue import Queue
from libs.common.jobs.store import JobFilter
from libs.common.jobs.view import LiveJob, from_hash
from libs.common.outage import Outage
from libs.common.settings import RuntimeSettings

log = structlog.get_logger()


class Jobs:
    """The jobs of all domains, as one process sees them.

    `rules` are the kinds that this process knows; ending or retrying a job of another kind touches no slice's rows
    and is therefore refused.
    """

    def __init__(self, database: Database, live: Live, rules: Sequence[JobRules], settings: RuntimeSettings) -> None:
        self.database = database
        self.live = live
        self.marker = Marker(database)
        self.queue = Queue(database, live, settings)
        self._rules: Mapping[str, JobRules] = {rule.message.kind: rule for rule in rules}
        self._settings = settings
        # No wait: an announcement goes at once when none is under way. 500 jobs take Redis 20 ms.
        self._announcements: Batch[Sequence[LiveJob], None] = Batch(self._announce_all, collect_s=0, most=500)
        self._outage = Outage("announcing")  # the publisher announces meanwhile

    async def get(self, job_id: uuid.UUID) -> LiveJob | None:
        """Read a job from its live hash, from SQL when Redis has none or does not answer; None when there is none."""
        try:
            fields = await self.live.redis.hgetall(keys.job_hash(job_id))  # type: ignore[misc] # redis-py's stub says Awaitable | dict
            if fields:
                return from_hash(fields)
        except (RedisError, OSError, KeyError, msgspec.MsgspecError):
            log.debug("live_hash_unreadable", job_id=str(job_id), exc_info=True)
        async with self.database.reading() as tx:
            return await store.get(tx, job_id)

    async def find(
        self, wanted: JobFilter, *, limit: int, offset: int = 0, before: uuid.UUID | None = None
    ) -> tuple[list[LiveJob], int]:
        """List jobs newest first with the total of the filter; `before` is the last id of the page before."""
        async with self.database.reading() as tx:
            return await store.find(tx, wanted, limit=limit, offset=offset, before=before)

    async def announce(self, jobs: Sequence[LiveJob]) -> None:
        """After the commit: show the jobs and hand them to their workers while their streams have room.

        Bounded in time and never raises for Redis: a job that is not handed out here is found by the publisher.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.accept_publish_timeout_ms / 1000):
                await self._announcements.do(jobs)

    async def _announce_all(self, announcements: Sequence[Sequence[LiveJob]]) -> Sequence[None]:
        """Send what was announced while the announcement before was under way, in one round trip."""
        jobs = [job for some in announcements for job in some]
        try:
            async with asyncio.timeout(self._settings.accept_publish_timeout_ms / 1000):
                handed_out, epoch = await self.live.enqueue(jobs, window=self._settings.publish_window)
        except (RedisError, OSError, TimeoutError) as error:
            self._outage.failed(error)
        else:
            self._outage.over()
            self.marker.note(handed_out, epoch)
        return [None] * len(announcements)

    async def tell(self, happenings: Sequence[Happening]) -> None:
        """After the commit: show what happened to things without a job of theirs.

        Bounded in time and never raises for Redis: whoever reads the thing anew sees it all the same.
        """
        try:
            async with asyncio.timeout(self._settings.accept_publish_timeout_ms / 1000):
                await self.live.tell(happenings)
        except (RedisError, OSError, TimeoutError) as error:
            self._outage.failed(error)
        else:
            self._outage.over()

    async def cancel(self, job_id: uuid.UUID, actor: Actor | None = None) -> LiveJob:
        """Cancel a job: one that never started ends at once, any other is told and ends when its work is undone.

        `actor` is who asks; None: the product itself, which the audit log does not note.

        Raises NotFound, and Conflict (JOB_ENDED) for a terminal job. Asking again changes nothing.
        """
        async with self.database.transaction() as tx:
            job = await self._lock(tx, job_id)
            if job.is_terminal:
                raise Conflict(f"Job {job_id} has ended as {job.view.status}", code="JOB_ENDED")
            on_end = self._rule(job).on_end if job.view.started_at is None else None
            job = await cancelling.cancel(tx, job, on_end=on_end)
            if actor is not None:
                await audit.record(tx, actor, "job.cancelled", ("job", str(job_id)), kind=job.view.kind)
        await self.tell_cancelled([job])
        return job

    async def tell_cancelled(self, jobs: Sequence[LiveJob]) -> None:
        """After the commit: show jobs that were cancelled, and tell the workers of those that run.

        One that waits between two steps is handed out, because a worker has to claim it for its cancel step; for one
        whose worker is in the middle of a step the entry means nothing. Never raises for Redis.
        """
        ended = [job for job in jobs if job.is_terminal]
        told = [job for job in jobs if not job.is_terminal]
        await self.announce(told)
        try:
            async with asyncio.timeout(self._settings.accept_publish_timeout_ms / 1000):
                await self.live.publish(ended)
                for job in told:
                    await self.live.redis.publish(keys.CANCEL_CHANNEL, str(job.view.id))
        except (RedisError, OSError, TimeoutError):
            log.warning("cancel_not_announced", job_ids=[str(job.view.id) for job in jobs])

    async def retry(self, job_id: uuid.UUID, actor: Actor | None = None) -> LiveJob:
        """Make a new job that does the same on the same subject and points back (`retry_of`).

        `actor` as in `cancel`.

        Raises NotFound, and Conflict when the job has not ended (JOB_NOT_ENDED), its kind cannot be retried
        (NOT_RETRYABLE) or the slice refuses.
        """
        async with self.database.transaction() as tx:
            old = await self._lock(tx, job_id)
            if not old.is_terminal:
                raise Conflict(f"Job {job_id} is {old.view.status}; only an ended job is retried", code="JOB_NOT_ENDED")
            rule = self._rule(old)
            if rule.on_retry is None:
                raise Conflict(f"Jobs of kind {old.view.kind} cannot be retried", code="NOT_RETRYABLE")
            new = await store.insert_retry(tx, job_id, None if actor is None else actor.request_id)
            await rule.on_retry(tx, old, new)
            if actor is not None:
                subject = ("job", str(new.view.id))
                await audit.record(tx, actor, "job.retried", subject, kind=new.view.kind, retry_of=str(job_id))
        await self.announce([new])
        return new

    async def wake(self, job_id: uuid.UUID) -> None:
        """Let a waiting job run now instead of at the end of its `Again`; harmless for any other."""
        async with self.database.transaction() as tx:
            job = await store.wake(tx, job_id)
        if job is not None:
            await self.announce([job])

    def _rule(self, job: LiveJob) -> JobRules:
        try:
            return self._rules[job.view.kind]
        except KeyError:
            raise Conflict(f"Kind {job.view.kind} is not known to this version", code="UNKNOWN_KIND") from None

    @staticmethod
    async def _lock(tx: AsyncConnection, job_id: uuid.UUID) -> LiveJob:
        job = await store.get(tx, job_id, lock=True)
        if job is None:
            raise NotFound(f"Job not found: {job_id}", code="JOB_NOT_FOUND")
        return job
