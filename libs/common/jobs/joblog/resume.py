"""Where a job's log goes on at a new claim: behind what SQL has, and behind what Redis has of a worker that died."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.common.database import Database
from libs.common.jobs.joblog import archive, stream
from libs.common.jobs.joblog.archive import Tail
from libs.common.jobs.joblog.entries import ORIGIN, Batch, EntryId

log = structlog.get_logger()

# Reading some MB takes milliseconds; a job must not wait for a Redis that does not answer.
_REDIS_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Beginning:
    """How a claim continues the log; the default is an empty log.

    `recovered` are batches of an earlier claim that Redis has and SQL not yet. `lossy` tells that lines between them
    and what a dead worker wrote last may be gone.
    """

    next_n: int = 1
    raw_bytes: int = 0
    last_id: EntryId = ORIGIN
    redis_bytes: int = 0
    recovered: Sequence[Batch] = field(default_factory=tuple)
    lossy: bool = False


class _Version(msgspec.Struct):
    version: int


async def begin(database: Database, redis: Redis, job_id: UUID, *, recover: bool) -> Beginning:
    """Look up the end of the log; with `recover` (the claim before this one crashed) also in Redis.

    A Redis that does not answer has nothing to recover from, which counts as loss. Raises what the database raises.
    """
    tail = await archive.tail(database, job_id)
    archived = Beginning(tail.last_n + 1, await archive.size_bytes(database, job_id), tail.last_id)
    try:
        async with asyncio.timeout(_REDIS_TIMEOUT_S):
            found = replace(archived, redis_bytes=await stream.size_bytes(redis, job_id))
            return await _recover(redis, job_id, tail, found) if recover else found
    except (RedisError, OSError, TimeoutError) as error:
        log.warning("log_in_redis_unreadable", job_id=str(job_id), reason=repr(error))
        return replace(archived, lossy=recover)


async def _recover(redis: Redis, job_id: UUID, tail: Tail, archived: Beginning) -> Beginning:
    recovered: list[Batch] = []
    next_n, last_id = archived.next_n, archived.last_id
    lossy = not await _is_whole(redis, job_id, tail)
    # What Redis has and SQL not is bounded by what a writer keeps in memory: some MB.
    async for batch in stream.log_batches(redis, job_id, tail.last_id if tail.last_n else None):
        if batch.next_n <= next_n:
            continue  # sent twice: the reply to the first time was lost
        lossy = lossy or batch.first_n > next_n
        recovered.append(batch.since(next_n))
        next_n, last_id = batch.next_n, batch.id
    raw_bytes = archived.raw_bytes + sum(len(batch.lines) for batch in recovered)
    found = replace(archived, next_n=next_n, last_id=last_id, raw_bytes=raw_bytes)
    return replace(found, recovered=recovered, lossy=lossy)


async def _is_whole(redis: Redis, job_id: UUID, tail: Tail) -> bool:
    """Tell whether Redis still has all that followed the archive: its last batch, or the job's very first picture."""
    if tail.last_n:
        return await stream.find(redis, job_id, tail.last_id) is not None
    entry = await stream.first(redis, job_id)
    if entry is None:
        return False
    batch = stream.as_batch(entry)
    if batch is not None:
        return batch.first_n == 1
    return msgspec.json.decode(entry[1][b"d"], type=_Version).version == 1
