"""Take published jobs from Redis: one reader per class of jobs, on a connection of its own.

A read asks for as many entries as there are free slots, claims as many jobs in SQL, starts what was claimed and deletes
all entries: at this hand-off SQL has taken over. The jobs are those of the entries, unless more wait than may run: then
those whose turn it is (libs.common.jobs.turns), and entries whose jobs were passed over go back into the stream. An
entry whose reader died stays pending in the group; it is taken over after a minute, when the publisher would publish
its job again anyway.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError
from sqlalchemy.exc import SQLAlchemyError

from libs.common import keys
from libs.common.jobs.claims import Claimed
from libs.common.outage import Outage
from libs.common.redis import connect_blocking
from libs.common.worker.slots import Slots

log = structlog.get_logger()

# Idle cost: one command every 2 s; a stop waits for nothing because the task is cancelled.
_BLOCK_S = 2.0
# Claims of one statement; more would only hold row locks longer.
_MOST = 200
# A busy worker waits so long for more free slots; an idle one takes a job at once.
_COLLECT_S = 0.002
_TAKE_OVER_AFTER_S = 60.0
# A consumer is forgotten when its process was silent for an hour and left nothing pending (else entries were lost).
_FORGET_AFTER_MS = 3600 * 1000

Entry = tuple[bytes, dict[bytes, bytes]]
Start = Callable[[Sequence[Claimed]], Awaitable[None]]


class Claim(Protocol):
    """Claims as many jobs as entries were read; answers also those whose entries go back into the stream.

    `scarce` says that more may wait than there are free slots.
    """

    async def __call__(
        self, read: Sequence[uuid.UUID], *, scarce: bool
    ) -> tuple[list[Claimed], Sequence[uuid.UUID]]: ...


class Intake:
    """Reads one stream (domain and class) for one worker; `run()` until cancelled."""

    def __init__(
        self, domain: str, job_class: str, redis_url: str, *, consumer: str, slots: Slots, claim: Claim, start: Start
    ) -> None:
        self._stream = keys.jobs_stream(domain, job_class)
        self._class = job_class
        self._redis: Redis = connect_blocking(redis_url, block_s=_BLOCK_S)
        self._consumer = consumer
        self._slots = slots
        self._claim = claim
        self._start = start
        self._outage = Outage("intake", stream=self._stream)
        self._next_take_over = time.monotonic() + _TAKE_OVER_AFTER_S

    async def run(self) -> None:
        """Read, claim, start for ever; outages of Redis and SQL are waited out."""
        try:
            while True:
                free = await self._slots.wait_free(self._class)
                if free < _MOST and self._slots.running:
                    await asyncio.sleep(_COLLECT_S)  # jobs that end together make one claim of several
                    free = self._slots.free(self._class)
                try:
                    if free > 0:
                        await self._once(min(free, _MOST))
                    self._outage.over()
                except (RedisError, OSError, SQLAlchemyError, TimeoutError) as error:
                    await self._recover(error)
        finally:
            await self._redis.aclose()

    async def _once(self, count: int) -> None:
        entries: list[Entry] = []
        if time.monotonic() >= self._next_take_over:
            self._next_take_over = time.monotonic() + _TAKE_OVER_AFTER_S
            entries = await self._left_behind(count)
        if not entries:
            answer = await self._redis.xreadgroup(
                keys.GROUP, self._consumer, {self._stream: ">"}, count=count, block=int(_BLOCK_S * 1000)
            )
            entries = answer[0][1] if answer else []
        if entries:
            await self._hand_off(entries, scarce=len(entries) >= count)

    async def _hand_off(self, entries: Sequence[Entry], *, scarce: bool) -> None:
        ids = list(dict.fromkeys(uuid.UUID(fields[b"id"].decode()) for _, fields in entries))
        # Due work may have taken slots while the read was waiting; running a few more than planned beats handing back.
        for _ in ids:
            self._slots.take(self._class)
        claimed: list[Claimed] = []
        passed_over: Sequence[uuid.UUID] = ()
        try:
            claimed, passed_over = await self._claim(ids, scarce=scarce)
        finally:
            for _ in range(len(ids) - len(claimed)):
                await self._slots.give_back(self._class)
        if claimed:
            await self._start(claimed)
        entry_ids = [entry_id for entry_id, _ in entries]
        pipe = self._redis.pipeline(transaction=False)
        by_id: dict[uuid.UUID, Any] = {uuid.UUID(fields[b"id"].decode()): fields for _, fields in entries}
        for one in passed_over:
            pipe.xadd(self._stream, by_id[one])
        pipe.xack(self._stream, keys.GROUP, *entry_ids)
        pipe.xdel(self._stream, *entry_ids)
        await pipe.execute()

    async def _left_behind(self, count: int) -> list[Entry]:
        """Take over entries of dead readers, and forget those readers."""
        answer: Any = await self._redis.xautoclaim(
            self._stream, keys.GROUP, self._consumer, min_idle_time=int(_TAKE_OVER_AFTER_S * 1000), count=count
        )
        for consumer in await self._redis.xinfo_consumers(self._stream, keys.GROUP):
            name = consumer["name"].decode()
            if consumer["pending"] == 0 and consumer["idle"] > _FORGET_AFTER_MS and name != self._consumer:
                await self._redis.xgroup_delconsumer(self._stream, keys.GROUP, name)
        entries: list[Entry] = [entry for entry in answer[1] if entry[1]]
        return entries

    async def _recover(self, error: Exception) -> None:
        if isinstance(error, ResponseError) and "NOGROUP" in str(error):
            await self._make_group()
            return
        self._outage.failed(error)
        await asyncio.sleep(0.5)  # an outage: often enough to be back soon, seldom enough not to spin

    async def _make_group(self) -> None:
        """Create stream and group at id 0, so that what was published before the first worker is not skipped."""
        try:
            await self._redis.xgroup_create(self._stream, keys.GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        except (RedisError, OSError):
            await asyncio.sleep(0.5)
