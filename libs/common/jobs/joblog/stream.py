"""A job's log as Redis has it: the entries of `log:<id>`, read in pages of bounded size."""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

from redis.asyncio import Redis

from libs.common import keys
from libs.common.jobs.joblog.entries import Batch, EntryId

# A batch has at most some 100 KB (see writer), so a page stays under 2 MB.
_PAGE = 16

Entry = tuple[bytes, dict[bytes, bytes]]


async def log_batches(redis: Redis, job_id: UUID, after: EntryId | None) -> AsyncIterator[Batch]:
    """Yield the batches behind a position (None: from the start). Raises RedisError."""
    start = "-" if after is None else f"({after}"
    while True:
        page: Sequence[Entry] = await redis.xrange(keys.job_log(job_id), min=start, count=_PAGE)
        for entry in page:
            batch = as_batch(entry)
            if batch is not None:
                yield batch
        if len(page) < _PAGE:
            return
        start = f"({page[-1][0].decode()}"


async def find(redis: Redis, job_id: UUID, position: EntryId) -> Batch | None:
    """Find the batch at exactly this position. Raises RedisError."""
    page: Sequence[Entry] = await redis.xrange(keys.job_log(job_id), min=str(position), max=str(position))
    return as_batch(page[0]) if page else None


async def first(redis: Redis, job_id: UUID) -> Entry | None:
    page: Sequence[Entry] = await redis.xrange(keys.job_log(job_id), count=1)
    return page[0] if page else None


async def newest(redis: Redis, job_id: UUID) -> Batch | None:
    """Find the last batch of lines; None when Redis has none. Raises RedisError."""
    end = "+"
    while page := await redis.xrevrange(keys.job_log(job_id), max=end, count=_PAGE):
        for entry in page:
            if (batch := as_batch(entry)) is not None:
                return batch
        end = f"({page[-1][0].decode()}"
    return None


async def end_position(redis: Redis, job_id: UUID) -> EntryId | None:
    """Where the job's end stands, None when Redis does not have it (any more). Raises RedisError."""
    page: Sequence[Entry] = await redis.xrevrange(keys.job_log(job_id), count=1)
    return EntryId.parse(page[0][0]) if page and page[0][1].get(b"t") == b"end" else None


async def size_bytes(redis: Redis, job_id: UUID) -> int:
    """About how much memory Redis spends on the job's log. Raises RedisError."""
    size: Any = await redis.memory_usage(keys.job_log(job_id))
    return int(size or 0)


def as_batch(entry: Entry) -> Batch | None:
    """Read a batch of lines from an entry; None for entries of other types."""
    entry_id, fields = EntryId.parse(entry[0]), entry[1]
    if entry_id is None or fields.get(b"t") != b"log":
        return None
    return Batch(entry_id, int(fields[b"n"]), int(fields[b"c"]), fields[b"d"])
