"""The worker's side of a job's log: numbered lines, live through Redis, archived in SQL while they come.

A line goes through three places: the open batch (up to 100 ms), the batches that Redis has not taken yet, the batches
that SQL has not taken yet. One task of the log moves them on; `write` waits while too much is on the way, so a program
that prints faster than Redis and SQL can take is slowed down and memory stays bounded.

Redis is not needed: what it does not take within 10 s or 1 MB gets positions of our own and goes straight to SQL,
where readers find it by line number. SQL is: a claim whose archive cannot be written cannot be renewed either.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from typing import Final

import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.database import Database
from libs.common.errors import LeaseLost
from libs.common.jobs.claims import Claimed
from libs.common.jobs.joblog import archive
from libs.common.jobs.joblog.archive import Chunk
from libs.common.jobs.joblog.batches import OpenBatch, RedisShare, Unsent
from libs.common.jobs.joblog.entries import ORIGIN, Batch, EntryId, Level
from libs.common.jobs.joblog.lines import LineBuffer
from libs.common.jobs.joblog.masking import Masker
from libs.common.jobs.joblog.resume import Beginning, begin
from libs.common.jobs.live import Live
from libs.common.settings import RuntimeSettings

log = structlog.get_logger()

TRUNCATED: Final = "[truncated]"
SOME_MISSING: Final = "[some log lines may be missing]"

# What may still be said behind [truncated]: the exit codes of some hundred steps and why the job ended.
_OWN_WORDS: Final[frozenset[Level]] = frozenset({"info", "error"})
_OWN_WORDS_MAX_BYTES = 64 * 1024

# What an outage of Redis may hold back before it goes to SQL without having been shown: some 10,000 lines.
_UNSENT_MAX_BYTES = 1024 * 1024
# A Redis that takes longer than this is treated as down; its socket time-out is meant for calls that may wait.
_SEND_TIMEOUT_S = 2.0
# After a failure: soon enough that nobody waits for a log, seldom enough that an outage costs nothing.
_RETRY_S = 1.0


class JobLog:
    """The log of one claim of a job; making one costs nothing, the first `write` looks where the log goes on.

    `flush()` before the transaction that ends the step, `finish(tx)` in it, `close()` at the very end. A write after
    `finish`, or after another claim took the job over, raises LeaseLost.
    """

    def __init__(
        self,
        *,
        claimed: Claimed,
        live: Live,
        database: Database,
        settings: RuntimeSettings,
        secrets: Iterable[str] = (),
    ) -> None:
        self._lease = claimed.lease
        self._job = claimed.job
        self._crashed = claimed.crashes > 0
        self._live = live
        self._database = database
        self._settings = settings
        self._masker = Masker(secrets)
        self._buffers: dict[Level, LineBuffer] = {}
        self._begun = False
        self._next_n = 1
        self._bytes = 0
        self._truncated = False
        self._source: str | None = None
        self._open = OpenBatch(1)
        self._unsent: deque[Unsent] = deque()
        self._unarchived: deque[Batch] = deque()
        self._unarchived_since = 0.0
        self._held_bytes = 0  # of the batches in both queues
        self._last_id = ORIGIN
        self._share = RedisShare(settings.log_redis_max_bytes)
        self._chunk: Chunk | None = None  # packed, and to be stored as it is until it is
        self._redis_again_at = 0.0
        self._sql_again_at = 0.0
        self._writing = asyncio.Lock()  # lines of one write stay together
        self._moving = asyncio.Lock()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._settled = True  # nothing to do until the next line
        self._lost: LeaseLost | None = None  # why nothing may be written any more
        self._finished = False
        self._task: asyncio.Task[None] | None = None

    @property
    def is_empty(self) -> bool:
        """True when this claim has nothing to add to the job's log, so that `finish` would write nothing."""
        return not self._begun and not self._crashed

    def add_secrets(self, values: Iterable[str]) -> None:
        """Mask these values in every line from now on; values under 4 characters cannot be (see masking)."""
        self._masker = Masker(self._masker.secrets | set(values))

    async def source(self) -> str | None:
        """Where the last adopted line came from, so that following the outside log goes on behind it; None: nowhere."""
        async with self._writing:
            await self._begin()
            if self._source is None and self._lease.number > 1:
                async for batches in archive.newest_first(self._database, self._lease.job_id):
                    self._source = _last_source(batches)
                    if self._source is not None:
                        break
            return self._source

    async def write(self, text: str, level: Level = "stdout", source: str | None = None, *, more: bool = False) -> None:
        """Add whole lines; a final newline ends the last one and starts no empty one.

        With `more` the last line goes on in the next write of the same level and is held back until then. `source`
        is where the last of these lines stands outside. Waits while Redis and SQL are behind. Raises LeaseLost, and
        what the database raises when the log's end cannot be looked up.
        """
        async with self._writing:
            self._check()
            if self._finished:
                raise LeaseLost(f"job {self._lease.job_id}: the step is over")
            if self._is_full(level):
                return
            await self._begin()
            buffer = self._buffers.setdefault(level, LineBuffer(self._settings.log_line_max_bytes))
            for message in buffer.feed(text, self._masker, more=more):
                await self._add(message, level, source)

    async def flush(self) -> None:
        """Bring all lines to Redis, or set them aside for SQL, and rest until the next write. Raises LeaseLost."""
        async with self._writing:
            if self._crashed:
                await self._begin()
            for level, buffer in self._buffers.items():
                for message in buffer.flush(self._masker):
                    await self._add(message, level, None)
        async with self._moving:
            self._check()
            self._seal()
            await self._send()
            self._set_aside()
            self._settled = True

    async def finish(self, tx: AsyncConnection) -> None:
        """Write what is not archived yet into the transaction that ends the step; can be repeated after a roll-back.

        Takes no lock and talks to nobody but `tx`, which may be the only connection that can write. Comes after
        `flush`.
        """
        self._finished = True
        chunks = [] if self._chunk is None else [self._chunk]
        waiting = [batch for batch in self._unarchived if self._chunk is None or batch.first_n > self._chunk.last_n]
        while waiting:
            some = _chunkful(waiting, self._settings.log_chunk_bytes)
            chunks.append(await archive.packed(some))
            del waiting[: len(some)]
        await archive.store_in(tx, self._lease, chunks)

    async def close(self) -> None:
        """End the log's task; what is neither in Redis nor in SQL by now is dropped."""
        self._finished = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # --- lines become batches ---------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        """Find out, once, where the log goes on; a first claim starts an empty one without asking anybody."""
        if self._begun:
            return
        found = Beginning()
        if self._lease.number > 1:
            found = await begin(self._database, self._live.redis, self._lease.job_id, recover=self._crashed)
        self._begun = True
        self._next_n, self._bytes, self._last_id = found.next_n, found.raw_bytes, found.last_id
        self._truncated = found.raw_bytes >= self._settings.log_max_bytes
        self._share.start(found.redis_bytes)
        self._open = OpenBatch(self._next_n)
        for batch in found.recovered:
            self._keep(batch)
            self._held_bytes += len(batch.lines)
        self._settled = not found.recovered
        self._source = _last_source(found.recovered)
        self._task = asyncio.create_task(self._run())
        self._crashed = False
        if found.lossy and not self._truncated:
            await self._add(SOME_MISSING, "info", None)

    async def _add(self, message: str, level: Level, source: str | None) -> None:
        if self._bytes > self._settings.log_max_bytes and not self._truncated:
            self._truncated = True
            await self._add(TRUNCATED, "info", None)
        if self._is_full(level):
            return
        self._bytes += self._open.add(message, level, source)
        self._next_n = self._open.next_n
        self._source = source or self._source
        self._settled = False
        full = self._open.is_full(self._settings.log_flush_lines)
        if full:
            self._seal()
        if full or self._open.count == 1:
            self._wake.set()
        while self._held_bytes > self._held_max_bytes:
            self._room.clear()
            await self._room.wait()
            self._check()

    def _is_full(self, level: Level) -> bool:
        """Tell whether lines of this level are dropped: what a job prints first, then our own words about it, too."""
        if level in _OWN_WORDS:
            return self._bytes > self._settings.log_max_bytes + _OWN_WORDS_MAX_BYTES
        return self._truncated

    def _seal(self) -> None:
        if self._open.count:
            batch = self._open.sealed()
            self._unsent.append(batch)
            self._held_bytes += len(batch.lines)
            self._open = OpenBatch(self._next_n)

    @property
    def _held_max_bytes(self) -> int:
        """What may be on the way before `write` waits: an outage's share and one chunk."""
        return _UNSENT_MAX_BYTES + self._settings.log_chunk_bytes

    def _check(self) -> None:
        if self._lost is not None:
            raise self._lost

    # --- batches move on --------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            while not self._finished:
                try:
                    async with asyncio.timeout(self._due_in_s()):
                        await self._wake.wait()
                except TimeoutError:
                    pass
                self._wake.clear()
                async with self._moving:
                    await self._move()
                if self._held_bytes <= self._held_max_bytes:
                    self._room.set()
        except LeaseLost as error:
            self._lost = error
        except Exception as error:
            log.exception("job_log_broken", job_id=str(self._lease.job_id))
            self._lost = LeaseLost(f"job {self._lease.job_id}: its log cannot be written: {error!r}")
        finally:
            self._room.set()

    def _due_in_s(self) -> float | None:
        """Seconds until there is something to do without a new line; None: nothing."""
        if self._settled:
            return None
        due = []
        if self._open.count:
            due.append(self._open.since + self._settings.log_flush_ms / 1000)
        if self._unsent:
            due.append(self._redis_again_at)
        if self._unarchived:
            old_at = 0.0 if self._is_chunkful else self._unarchived_since + self._settings.log_chunk_every_s
            due.append(max(old_at, self._sql_again_at))
        return max(0.0, min(due) - _now()) if due else None

    async def _move(self) -> None:
        if self._open.count and _now() >= self._open.since + self._settings.log_flush_ms / 1000:
            self._seal()
        # By turns, so that what Redis has beyond SQL stays about a chunk, and Redis's part can be cut.
        while not self._settled and not self._finished:
            await self._send(pause=_now() >= self._sql_again_at)
            waiting_bytes = sum(len(batch.lines) for batch in self._unsent)
            oldest_s = _now() - self._unsent[0].since if self._unsent else 0.0
            if waiting_bytes > _UNSENT_MAX_BYTES or oldest_s > self._settings.log_chunk_every_s:
                self._set_aside()
            await self._archive()
            if not self._unsent or _now() < self._redis_again_at:
                return

    async def _send(self, *, pause: bool = False) -> None:
        """Show the waiting batches through Redis, in order; stop at the first that it does not take.

        With `pause` also stop when there is a chunk to be archived.
        """
        while self._unsent and _now() >= self._redis_again_at and not (pause and self._is_chunkful):
            batch = self._unsent[0]
            trim = self._share.trim_before(len(batch.lines), self._archived_n)
            try:
                async with asyncio.timeout(_SEND_TIMEOUT_S):
                    entry_id = await self._live.log(
                        job_id=self._lease.job_id,
                        lease_no=self._lease.number,
                        owner=self._job.owner,
                        subject=f"{self._job.view.subject.type}:{self._job.view.subject.id}",
                        lines=batch.lines,
                        first_n=batch.first_n,
                        count=batch.count,
                        trim_before=None if trim is None else str(trim),
                    )
            except (RedisError, OSError, TimeoutError) as error:
                if not self._redis_again_at:  # once per outage, not once a second for each job
                    log.warning("log_not_shown", job_id=str(self._lease.job_id), reason=repr(error))
                self._redis_again_at = _now() + _RETRY_S
                return
            if entry_id is None:
                self._lost = LeaseLost(f"job {self._lease.job_id}: claim {self._lease.number} is over")
                raise self._lost
            self._redis_again_at = 0.0
            self._unsent.popleft()
            # Redis's clock may have gone back with a fail-over; positions in the archive never do.
            self._last_id = max(EntryId.parse(entry_id) or ORIGIN, self._last_id.next)
            self._share.add(self._last_id, batch)
            self._keep(batch.at(self._last_id))

    def _set_aside(self) -> None:
        """Give the batches that Redis does not take positions between the last one it gave and its next one."""
        while self._unsent:
            self._last_id = self._last_id.next
            self._keep(self._unsent.popleft().at(self._last_id))

    def _keep(self, batch: Batch) -> None:
        if not self._unarchived:
            self._unarchived_since = _now()
        self._unarchived.append(batch)

    @property
    def _archived_n(self) -> int:
        """The last line that SQL has."""
        if self._unarchived:
            return self._unarchived[0].first_n - 1
        return (self._unsent[0].first_n if self._unsent else self._open.first_n) - 1

    @property
    def _is_chunkful(self) -> bool:
        return sum(len(batch.lines) for batch in self._unarchived) >= self._settings.log_chunk_bytes

    async def _archive(self) -> None:
        """Store what fills a chunk or has waited long enough."""
        while self._unarchived and _now() >= self._sql_again_at:
            if not self._is_chunkful and _now() < self._unarchived_since + self._settings.log_chunk_every_s:
                return
            try:
                await self._store_chunk()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("log_chunk_not_archived", job_id=str(self._lease.job_id), reason=repr(error))
                self._sql_again_at = _now() + _RETRY_S

    async def _store_chunk(self) -> None:
        if self._chunk is None:
            self._chunk = await archive.packed(_chunkful(self._unarchived, self._settings.log_chunk_bytes))
        await archive.store(self._database, self._lease, self._chunk)
        while self._unarchived and self._unarchived[0].first_n <= self._chunk.last_n:
            self._held_bytes -= len(self._unarchived.popleft().lines)
        self._chunk, self._unarchived_since = None, _now()


def _chunkful(batches: Iterable[Batch], chunk_bytes: int) -> list[Batch]:
    """As many of the first batches as fill a chunk; at least one."""
    some: list[Batch] = []
    size = 0
    for batch in batches:
        some.append(batch)
        size += len(batch.lines)
        if size >= chunk_bytes:
            break
    return some


def _last_source(batches: Iterable[Batch]) -> str | None:
    sources = [line.source for batch in batches for line in batch.decoded() if line.source is not None]
    return sources[-1] if sources else None


def _now() -> float:
    return time.monotonic()
