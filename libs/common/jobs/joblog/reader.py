"""Everybody's side of a job's log: the archive, then what Redis has beyond it, joined by line number."""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from datetime import UTC
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.common.database import Database
from libs.common.jobs.joblog import archive, stream
from libs.common.jobs.joblog.ansi import SGR
from libs.common.jobs.joblog.entries import Batch, EntryId, Line
from libs.common.jobs.view import LiveJob

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Page:
    """Lines in order. `position` is where a stream goes on behind them; None when more are stored, or no line is."""

    lines: list[Line]
    position: EntryId | None


class LogReader:
    """Reads logs in pages of bounded size; without Redis it reads what is archived."""

    def __init__(self, database: Database, redis: Redis) -> None:
        self._database = database
        self._redis = redis

    async def batches(self, job_id: UUID, next_n: int = 1) -> AsyncGenerator[Batch, None]:
        """Yield the stored lines from number `next_n` on, in order and none twice, up to what is stored now.

        A batch that begins later than the one before it ended says that the lines between them are stored nowhere,
        or that their writer is about to archive them (Redis lost its data a moment ago).
        """
        looked_again_at = 0
        while True:
            tail = await archive.tail(self._database, job_id)
            while next_n <= tail.last_n and (found := await archive.batches_from(self._database, job_id, next_n)):
                for batch in found:
                    yield batch.since(next_n)
                    next_n = batch.next_n
            try:
                async for batch in stream.log_batches(self._redis, job_id, tail.last_id):
                    if batch.next_n <= next_n:
                        continue  # sent twice: the reply to the first time was lost
                    if batch.first_n > next_n != looked_again_at:
                        looked_again_at = next_n  # archived and cut in Redis since we looked
                        break
                    yield batch.since(next_n)
                    next_n = batch.next_n
                else:
                    return
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("log_read_from_the_archive_only", job_id=str(job_id), reason=repr(error))
                return

    async def line_after(self, job_id: UUID, position: EntryId) -> int | None:
        """The number of the line that follows the batch at `position`.

        None when no batch stands there: the position is made up, or Redis lost it before it was archived.
        """
        batch = await archive.find(self._database, job_id, position)
        if batch is None:
            try:
                batch = await stream.find(self._redis, job_id, position)
            except (RedisError, OSError, TimeoutError):
                return None
        return None if batch is None else batch.next_n

    async def end_position(self, job: LiveJob) -> EntryId:
        """The position of an ended job's `end` event; where Redis has it no longer, one that follows from the row."""
        try:
            position = await stream.end_position(self._redis, job.view.id)
        except (RedisError, OSError, TimeoutError):
            position = None
        if position is not None:
            return position
        tail = await archive.tail(self._database, job.view.id)
        finished = job.view.finished_at or job.view.created_at
        return max(tail.last_id.next, EntryId(int(finished.timestamp() * 1000), 0))

    async def page(self, job_id: UUID, *, after: int, limit: int) -> Page:
        """Read the first `limit` lines behind number `after`."""
        lines: list[Line] = []
        position = None
        async for batch in self.batches(job_id, after + 1):
            lines += batch.decoded()
            position = batch.id
            if len(lines) > limit:
                return Page(lines[:limit], None)
        return Page(lines, position)

    async def tail(self, job_id: UUID, *, limit: int) -> Page:
        """Read the last `limit` lines."""
        lines: deque[Line] = deque(maxlen=limit)
        position = None
        async for batch in self.batches(job_id, max(1, await self._last_n(job_id) - limit + 1)):
            lines += batch.decoded()
            position = batch.id
        return Page(list(lines), position)

    async def _last_n(self, job_id: UUID) -> int:
        """The number of the newest stored line, 0 when there is none."""
        archived = (await archive.tail(self._database, job_id)).last_n
        try:
            newest = await stream.newest(self._redis, job_id)
        except (RedisError, OSError, TimeoutError):
            return archived
        return archived if newest is None else max(archived, newest.next_n - 1)

    async def text(self, job_id: UUID, *, timestamps: bool = False) -> AsyncIterator[bytes]:
        """Yield the log as plain text without colours, a batch at a time; `timestamps` puts UTC in front of lines."""
        async for batch in self.batches(job_id):
            out = [_plain(line, timestamps=timestamps) for line in batch.decoded()]
            yield "".join(out).encode()


def _plain(line: Line, *, timestamps: bool) -> str:
    message = SGR.sub("", line.message)
    if not timestamps:
        return f"{message}\n"
    return f"{line.timestamp.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z {message}\n"
