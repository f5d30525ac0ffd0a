"""A job's log in SQL: chunks of consecutive lines, written under the fence of a claim, read by line or by position."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.database import Database
from libs.common.errors import LeaseLost
from libs.common.jobs import claims
from libs.common.jobs.claims import Lease
from libs.common.jobs.joblog.entries import ORIGIN, Batch, EntryId, pack, unpack
from libs.common.jobs.models import Job, JobLogChunk

# Below this a thread costs more than compressing or unpacking in place (64 KB: about 1 ms).
_THREAD_FROM_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Chunk:
    """Batches packed once; a write that has to be repeated stores the same bytes."""

    first_n: int
    last_n: int
    first_id: EntryId
    last_id: EntryId
    raw_bytes: int
    data: bytes

    @classmethod
    def of(cls, batches: Sequence[Batch]) -> "Chunk":
        data, raw_bytes = pack(batches)
        first, last = batches[0], batches[-1]
        return cls(first.first_n, last.next_n - 1, first.id, last.id, raw_bytes, data)


async def packed(batches: Sequence[Batch]) -> Chunk:
    """Make a chunk, outside of the event loop when that takes long."""
    if sum(len(batch.lines) for batch in batches) < _THREAD_FROM_BYTES:
        return Chunk.of(batches)
    return await asyncio.to_thread(Chunk.of, batches)


async def store(database: Database, lease: Lease, chunk: Chunk) -> None:
    """Store a chunk in a transaction of its own; one that is stored already (a COMMIT without reply) stays as it is.

    Raises LeaseLost when the claim is over.
    """
    async with database.transaction() as tx:
        # The row lock of this update is the fence: no other claim can begin before the commit.
        held = await tx.execute(update(Job).where(claims.held(lease)).values(log_lines=chunk.last_n).returning(Job.id))
        if held.one_or_none() is None:
            raise LeaseLost(f"job {lease.job_id}: claim {lease.number} is over")
        mine = (JobLogChunk.job_id == lease.job_id, JobLogChunk.first_n == chunk.first_n)
        if (await tx.execute(select(JobLogChunk.last_n).where(*mine))).one_or_none() is None:
            await _insert(tx, lease.job_id, chunk)


async def store_in(tx: AsyncConnection, lease: Lease, chunks: Sequence[Chunk]) -> None:
    """Store a step's last chunks in the transaction that ends the step (which has checked the fence itself)."""
    for chunk in chunks:
        await _insert(tx, lease.job_id, chunk)
    if chunks:
        this_claim = (Job.id == lease.job_id, Job.lease_no == lease.number)
        await tx.execute(update(Job).where(*this_claim).values(log_lines=chunks[-1].last_n))


async def _insert(tx: AsyncConnection, job_id: UUID, chunk: Chunk) -> None:
    row = {
        "job_id": job_id,
        "first_n": chunk.first_n,
        "last_n": chunk.last_n,
        "first_entry": chunk.first_id.key,
        "last_entry": chunk.last_id.key,
        "raw_bytes": chunk.raw_bytes,
        "data": chunk.data,
    }
    await tx.execute(insert(JobLogChunk).values(row))


@dataclass(frozen=True, slots=True)
class Tail:
    """Where a job's archive ends: its last line's number (0: empty) and the position of its last batch."""

    last_n: int
    last_id: EntryId


async def tail(database: Database, job_id: UUID) -> Tail:
    """Look up the archive's end by its last chunk."""
    query = select(JobLogChunk.last_n, JobLogChunk.last_entry).where(JobLogChunk.job_id == job_id)
    async with database.reading() as tx:
        row = (await tx.execute(query.order_by(JobLogChunk.first_n.desc()).limit(1))).one_or_none()
    return Tail(0, ORIGIN) if row is None else Tail(row.last_n, EntryId.from_key(row.last_entry))


async def size_bytes(database: Database, job_id: UUID) -> int:
    """The archive's size before compression."""
    async with database.reading() as tx:
        query = select(func.sum(JobLogChunk.raw_bytes)).where(JobLogChunk.job_id == job_id)
        return int((await tx.execute(query)).scalar_one() or 0)


async def batches_from(database: Database, job_id: UUID, n: int) -> list[Batch]:
    """Read the chunk that holds line `n`, or the first one after it; empty when the archive ends before `n`.

    The first batch may begin before `n`.
    """
    holding = select(func.max(JobLogChunk.first_n)).where(JobLogChunk.job_id == job_id, JobLogChunk.first_n <= n)
    query = (
        select(JobLogChunk.data, JobLogChunk.raw_bytes)
        .where(
            JobLogChunk.job_id == job_id,
            JobLogChunk.first_n >= func.coalesce(holding.scalar_subquery(), 0),
            JobLogChunk.last_n >= n,
        )
        .order_by(JobLogChunk.first_n)
        .limit(1)
    )
    async with database.reading() as tx:
        row = (await tx.execute(query)).one_or_none()
    if row is None:
        return []
    return [batch for batch in await _unpacked(row.data, row.raw_bytes) if batch.next_n > n]


async def find(database: Database, job_id: UUID, position: EntryId) -> Batch | None:
    """Find the batch that stands at a position; None when no archived one does."""
    query = select(JobLogChunk.data, JobLogChunk.raw_bytes).where(
        JobLogChunk.job_id == job_id,
        JobLogChunk.first_entry <= position.key,
        JobLogChunk.last_entry >= position.key,
    )
    async with database.reading() as tx:
        row = (await tx.execute(query.limit(1))).one_or_none()
    if row is None:
        return None
    return next((batch for batch in await _unpacked(row.data, row.raw_bytes) if batch.id == position), None)


async def newest_first(database: Database, job_id: UUID) -> AsyncIterator[list[Batch]]:
    """Yield the chunks' batches from the end of the archive to its start."""
    below: int | None = None
    while True:
        query = select(JobLogChunk.first_n, JobLogChunk.data, JobLogChunk.raw_bytes).where(JobLogChunk.job_id == job_id)
        if below is not None:
            query = query.where(JobLogChunk.first_n < below)
        async with database.reading() as tx:
            row = (await tx.execute(query.order_by(JobLogChunk.first_n.desc()).limit(1))).one_or_none()
        if row is None:
            return
        below = row.first_n
        yield await _unpacked(row.data, row.raw_bytes)


async def _unpacked(data: bytes, raw_bytes: int) -> list[Batch]:
    if raw_bytes < _THREAD_FROM_BYTES:
        return list(unpack(data))
    return await asyncio.to_thread(lambda: list(unpack(data)))
