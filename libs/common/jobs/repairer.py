"""Make Redis agree with SQL again: whatever a crash or an outage kept from being shown is shown a little later.

It follows a cursor over changed rows, with an overlap for transactions that commit late, and remembers what it has
seen in the overlap, so that a quiet system costs one small query a tick. All live rows are compared when the Redis
data set changed (its `epoch` key is gone) and once a minute. Whatever there is to compare, one tick does some of it.
"""

import asyncio
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from redis.exceptions import RedisError
from sqlalchemy import select, tuple_
from sqlalchemy.exc import SQLAlchemyError

from libs.common import keys
from libs.common.database import Database, clock
from libs.common.jobs import store
from libs.common.jobs.live import Live
from libs.common.jobs.models import ACTIVE_WORDS, Job
from libs.common.jobs.publisher import Lock, epoch
from libs.common.outage import Outage
from libs.common.settings import RuntimeSettings

log = structlog.get_logger()

# A transaction of ours lasts milliseconds, so nearly all that commits late is found by looking back two seconds. 30 s
# also cover one that waited for its locks; at 1,000 changes a second that is half a second's work, so it is done now
# and then.
_NEAR = timedelta(seconds=2)
_FAR = timedelta(seconds=30)
_FAR_EVERY_S = 15.0
# Rows compared in one go, of changed ones and of a full pass: 10 to 20 ms of work, 50 when all hashes are gone.
_BATCH = 500
# Rows that were seen before cost their reading only, so a tick passes over this many portions of them: 20 ms.
_KNOWN_PORTIONS = 4
# Between two ticks while there is more to compare: 20,000 rows take seconds, and the loop is free most of the time.
_PAUSE_S = 0.05


@dataclass(slots=True)
class _Look:
    """A look at what changed: it began at `began`, by the database's clock, and goes on behind `at`."""

    began: datetime
    at: tuple[datetime, uuid.UUID]
    far: bool


class Repairer:
    """Compares rows with hashes for all domains; `run()` until cancelled, `tick()` once."""

    def __init__(self, database: Database, live: Live, settings: RuntimeSettings) -> None:
        self._database = database
        self._live = live
        self._settings = settings
        self._outage = Outage("repairer")
        self._lock = Lock(live.redis, keys.REPAIRER_LOCK, settings.repair_every_s * 3)
        self._cursor: datetime | None = None
        self._seen: dict[uuid.UUID, tuple[int, datetime]] = {}
        self._epoch: str | None = None
        self._full_at = self._far_at = 0.0
        # Where a full pass stands: of which status it compares the rows, and the last id; None: none is under way.
        self._pass: tuple[int, uuid.UUID] | None = None
        self._look: _Look | None = None  # the look at changes that is under way
        self.repaired = 0

    async def run(self) -> None:
        """Tick for ever; an outage of Redis or SQL is waited out."""
        while True:
            try:
                if await self._lock.held():
                    await self.tick()
            except (RedisError, OSError, SQLAlchemyError, TimeoutError) as error:
                self._outage.failed(error)
            else:
                self._outage.over()
            more = self._pass is not None or self._look is not None
            await asyncio.sleep(_PAUSE_S if more else self._settings.repair_every_s)

    async def tick(self) -> int:
        """Compare some of what changed, and some of what is alive when it is time to compare all of it.

        Answers how many hashes were mended.
        """
        before = self.repaired
        current = await epoch(self._live.redis)
        time_for_all = self._pass is None and time.monotonic() - self._full_at > self._settings.repair_full_every_s
        if current != self._epoch or time_for_all:
            self._pass = (0, uuid.UUID(int=0))
            self._epoch, self._full_at = current, time.monotonic()
        await self._compare_changed()
        if self._pass is not None:
            self._pass = await self._compare_live(*self._pass)
        return self.repaired - before

    async def _compare_changed(self) -> None:
        """Compare the next of what changed behind the cursor, which follows the clock when a look is at its end."""
        look = self._look or await self._begin_look()
        self._look = look
        for _ in range(_KNOWN_PORTIONS):
            async with self._database.reading() as tx:
                query = select(Job.id, Job.version, Job.updated_at).where(tuple_(Job.updated_at, Job.id) > look.at)
                rows = (await tx.execute(query.order_by(Job.updated_at, Job.id).limit(_BATCH))).all()
            fresh = {row.id: row.version for row in rows if self._seen.get(row.id, (0,))[0] < row.version}
            await self._compare(fresh)
            self._seen |= {row.id: (row.version, row.updated_at) for row in rows}
            if len(rows) < _BATCH:
                self._end_look(look)
                return
            look.at = (rows[-1].updated_at, rows[-1].id)
            if fresh:
                return

    async def _begin_look(self) -> _Look:
        """Look back a little, and now and then far enough for commits that came late."""
        far = time.monotonic() - self._far_at > _FAR_EVERY_S
        async with self._database.reading() as tx:
            now = await clock(tx)
        cursor = self._cursor or now - timedelta(seconds=self._settings.repair_full_every_s)
        return _Look(now, (cursor - (_FAR if far else _NEAR), uuid.UUID(int=0)), far)

    def _end_look(self, look: _Look) -> None:
        self._look, self._cursor = None, look.began
        if look.far:
            self._far_at = time.monotonic()
            self._seen = {one: seen for one, seen in self._seen.items() if seen[1] > look.began - _FAR}

    async def _compare_live(self, status: int, last: uuid.UUID) -> tuple[int, uuid.UUID] | None:
        """Compare the next live rows of a full pass; answers where it goes on, None at its end.

        It goes by status and id, the order of an index; what changes its status meanwhile is seen as changed.
        """
        async with self._database.reading() as tx:
            alive = (Job.status == ACTIVE_WORDS[status], Job.id > last)
            query = select(Job.id, Job.version).where(*alive).order_by(Job.id).limit(_BATCH)
            rows = (await tx.execute(query)).all()
        await self._compare({row.id: row.version for row in rows})
        if len(rows) == _BATCH:
            return status, rows[-1].id
        return (status + 1, uuid.UUID(int=0)) if status + 1 < len(ACTIVE_WORDS) else None

    async def _compare(self, versions: dict[uuid.UUID, int]) -> None:
        """Show again each job whose hash is missing or older than its row."""
        ids = list(versions)
        for start in range(0, len(ids), _BATCH):
            batch = ids[start : start + _BATCH]
            pipe = self._live.redis.pipeline(transaction=False)
            for job_id in batch:
                pipe.hget(keys.job_hash(job_id), "version")
            shown = await pipe.execute()
            behind = [one for one, known in zip(batch, shown, strict=True) if int(known or 0) < versions[one]]
            if behind:
                async with self._database.reading() as tx:
                    jobs = await store.get_many(tx, behind)
                await self._live.publish(jobs)
                self.repaired += len(jobs)
