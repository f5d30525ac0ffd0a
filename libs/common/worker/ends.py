"""End plain successful jobs many at a time: one transaction for what ended within a few milliseconds."""

import asyncio

from sqlalchemy.exc import SQLAlchemyError

from libs.common.database import Database
from libs.common.errors import LeaseLost
from libs.common.jobs import claims
from libs.common.jobs.claims import Lease
from libs.common.jobs.kinds import Outcome
from libs.common.jobs.view import LiveJob

# 3 ms of collecting costs a short job nothing that anybody sees and gives 2-4 times the throughput.
_COLLECT_S = 0.003
# One statement's worth; far below PostgreSQL's 32,767 bind parameters at three a job.
_MOST = 500


class EndBatch:
    """Collects ends of jobs that have no log, no lane and no rows of a slice; all with the same plain outcome."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[Lease, Outcome, asyncio.Future[LiveJob]]] = []
        self._task: asyncio.Task[None] | None = None

    async def end(self, lease: Lease, outcome: Outcome) -> LiveJob:
        """End one job with its neighbours; raises LeaseLost, or what the database raised."""
        future: asyncio.Future[LiveJob] = asyncio.get_running_loop().create_future()
        self._waiting.append((lease, outcome, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._flush())
        return await future

    async def _flush(self) -> None:
        await asyncio.sleep(_COLLECT_S)
        while self._waiting:
            batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
            try:
                async with self._database.transaction() as tx:
                    ended = await claims.end_many(tx, [(lease, outcome) for lease, outcome, _ in batch])
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                for _, _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            by_id = {job.view.id: job for job in ended}
            for lease, _, future in batch:
                if future.done():
                    continue
                if lease.job_id in by_id:
                    future.set_result(by_id[lease.job_id])
                else:
                    future.set_exception(LeaseLost(f"job {lease.job_id}: claim {lease.number} is over"))
