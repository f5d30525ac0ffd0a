"""Put runnable jobs into the workers' streams, level-triggered: whatever was missed is found at the next tick.

The publisher is a task of its own in every gateway and worker (never an arq cron: arq polls nothing while all of its
slots are busy); a lock in Redis lets one be active per domain. It keeps at most `publish_window` entries in a stream,
so that order, pause, lanes and fairness are decided in SQL and not by what was queued long ago.
"""

import asyncio
import secrets
from collections.abc import Sequence

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import and_, or_, select
from sqlalchemy.exc import SQLAlchemyError

from libs.common import keys
from libs.common.database import Database, now_sql
from libs.common.jobs import claims, store
from libs.common.jobs.kinds import JobClass
from libs.common.jobs.live import Live
from libs.common.jobs.models import Job
from libs.common.jobs.view import LiveJob, live_job
from libs.common.outage import Outage
from libs.common.settings import RuntimeSettings
from libs.common.tasks import end

log = structlog.get_logger()

CLASSES: tuple[JobClass, ...] = ("light", "heavy")
# Three ticks: a publisher that is a little late keeps its lock, a dead one is replaced within seconds.
_LOCK_TICKS = 3
# After a full batch there is more: 500 a tick of 2 s would hold a backlog of short jobs to 250 a second.
_BACKLOG_PAUSE_S = 0.05
_RENEW_LOCK = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
"""


async def epoch(redis: Redis) -> str:
    """The name of Redis's current data set; made when there is none, so that a loss of data changes it."""
    await redis.set(keys.EPOCH, secrets.token_hex(8), nx=True)
    name = await redis.get(keys.EPOCH)
    return name.decode() if name else ""


class Lock:
    """A lock in Redis that its holder keeps by asking again; good enough to spare work, not to guard correctness."""

    def __init__(self, redis: Redis, name: str, ttl_s: float) -> None:
        self._renew = redis.register_script(_RENEW_LOCK)
        self._name = name
        self._ttl_ms = int(ttl_s * 1000)
        self._token = secrets.token_hex(8)

    async def held(self) -> bool:
        """Take or keep the lock; False when another process has it."""
        return bool(await self._renew(keys=[self._name], args=[self._token, self._ttl_ms]))


class Publisher:
    """Publishes one domain's due jobs; `run()` until cancelled, `tick()` once."""

    def __init__(self, domain: str, database: Database, live: Live, settings: RuntimeSettings) -> None:
        self._domain = domain
        self._database = database
        self._live = live
        self._settings = settings
        self._outage = Outage("publisher", domain=domain)
        self._lock = Lock(live.redis, keys.publisher_lock(domain), settings.publisher_tick_s * _LOCK_TICKS)

    async def run(self) -> None:
        """Tick for ever; an outage of Redis or SQL is waited out."""
        while True:
            pause_s = self._settings.publisher_tick_s
            try:
                if await self._lock.held() and await self.tick() >= self._settings.publish_batch:
                    pause_s = _BACKLOG_PAUSE_S
            except (RedisError, OSError, SQLAlchemyError, TimeoutError) as error:
                self._outage.failed(error)
            else:
                self._outage.over()
            await asyncio.sleep(pause_s)

    async def tick(self, *, grace_s: float | None = None) -> int:
        """Fill each stream of the domain up to its window once; answers how many jobs were handed out.

        Jobs that became due less than `grace_s` ago (None: as in the settings) are left to whoever made them so.
        """
        ripe_s = self._settings.publish_grace_s if grace_s is None else grace_s
        current = await epoch(self._live.redis)
        handed_out = 0
        for job_class in CLASSES:
            waiting = await self._live.redis.xlen(keys.jobs_stream(self._domain, job_class))
            room = min(self._settings.publish_window - waiting, self._settings.publish_batch - handed_out)
            if room > 0:
                jobs = await self._due(job_class, current, room, ripe_s)
                done, _ = await self._live.enqueue(jobs, window=self._settings.publish_window)
                await mark(self._database, done, current)
                handed_out += len(done)
        return handed_out

    async def _due(self, job_class: JobClass, current: str, limit: int, ripe_s: float) -> list[LiveJob]:
        async with self._database.reading() as tx:
            # An accept or an alarm clock hands out by itself; what it left undone for some seconds is ours.
            ripe = Job.run_at <= now_sql(tx.dialect, -ripe_s)
            unpublished = or_(
                Job.published_at.is_(None),
                Job.published_epoch != current,
                Job.published_at <= now_sql(tx.dialect, -self._settings.republish_after_s),
            )
            mine = and_(Job.domain == self._domain, Job.job_class == job_class)
            query = select(Job.__table__).where(mine, ripe, unpublished, claims.claimable(tx))
            answer = await tx.execute(query.order_by(Job.run_at, Job.id).limit(limit))
            return [live_job(row) for row in answer]


class Marker:
    """Notes inline publishes in SQL a little later and many at once.

    Most jobs are claimed before that and need no note at all, so an accept costs no second write.
    """

    # Long enough that an idle worker has claimed the job, far below the publisher's grace of 3 s.
    DELAY_S = 0.2

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: dict[str, list[LiveJob]] = {}
        self._task: asyncio.Task[None] | None = None

    def note(self, jobs: Sequence[LiveJob], epoch: str) -> None:
        """Remember that these jobs were put into the streams of the Redis data set `epoch`.

        It is the one that took them and not the one of the time of writing: in between all may have been lost.
        """
        if jobs:
            self._noted.setdefault(epoch, []).extend(jobs)
        if self._noted and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._flush_later())

    async def close(self) -> None:
        """Drop what is not written: the publisher hands such a job out twice, which its claim forgives."""
        if self._task is not None:
            await end(self._task)

    async def _flush_later(self) -> None:
        await asyncio.sleep(self.DELAY_S)
        noted, self._noted = self._noted, {}
        try:
            for name, jobs in noted.items():
                await mark(self._database, jobs, name)
        except (OSError, SQLAlchemyError, TimeoutError) as error:
            log.warning("published_jobs_not_marked", reason=repr(error))


async def mark(database: Database, jobs: Sequence[LiveJob], current: str) -> None:
    """Note in SQL which jobs stand in the streams of the Redis data set `current`."""
    if jobs:
        async with database.transaction() as tx:
            await store.mark_published(tx, jobs, current)
