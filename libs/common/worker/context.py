"""What a job's handler gets: the job, its log, fenced transactions, and ways to tell how it goes."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import structlog
from redis.exceptions import RedisError
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.children import Children
from libs.common.database import Database
from libs.common.jobs import claims
from libs.common.jobs.claims import Claimed
from libs.common.jobs.joblog.writer import JobLog
from libs.common.jobs.kinds import Again, Cancelled, Done, Message, OnEnd
from libs.common.jobs.live import Live
from libs.common.jobs.view import JobView
from libs.common.worker.leases import Leases

log = structlog.get_logger()


class Context:
    """One step of one job, for its handler.

    A handler is safe to run twice: write the intent, look, act, write the reference. It calls `check()` before every
    effect outside and writes its slice's tables inside `transaction()` only, so that a zombie can do neither.
    """

    def __init__(
        self, claimed: Claimed, *, database: Database, live: Live, leases: Leases, children: Children, joblog: JobLog
    ) -> None:
        self._claimed = claimed
        self._database = database
        self._live = live
        self._leases = leases
        self.children: Final = children
        self.log: Final = joblog
        self.checkpoint: dict[str, Any] = claimed.checkpoint

    @property
    def job(self) -> JobView:
        """The public picture of the job at its claim."""
        return self._claimed.job.view

    @property
    def owner(self) -> int | None:
        """Whose job it is; None: shared."""
        return self._claimed.job.owner

    @property
    def is_first_run(self) -> bool:
        """False when an earlier step may have acted outside already (Again, retry, takeover): look before acting."""
        return self._claimed.lease.number == 1

    async def check(self) -> None:
        """Raise LeaseLost when this process may no longer act for the job; stands before every outside effect."""
        self._leases.check(self._claimed.lease)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that only the current claim can commit; raises LeaseLost otherwise."""
        async with self._database.transaction() as tx:
            await claims.check(tx, self._claimed.lease)
            yield tx

    async def progress(
        self,
        *,
        stage: str | None = None,
        percent: int | None = None,
        commit: str | None = None,
        checkpoint: dict[str, Any] | None = None,
        also: Callable[[AsyncConnection], Awaitable[None]] | None = None,
    ) -> None:
        """Store and show how far the job is, and which commit it is about; what is None stays as it was.

        `also(tx)` writes the slice's own rows in the same transaction. Raises LeaseLost.
        """
        given: Mapping[str, Any] = {"stage": stage, "progress": percent, "commit_sha": commit, "checkpoint": checkpoint}
        async with self._database.transaction() as tx:
            values = {name: value for name, value in given.items() if value is not None}
            job = await claims.update_progress(tx, self._claimed.lease, values)
            if also is not None:
                await also(tx)
        if checkpoint is not None:
            self.checkpoint = checkpoint
        try:
            await self._live.publish([job])
        except (RedisError, OSError) as error:
            log.warning("progress_not_shown", reason=repr(error))


Run = Callable[[Any, Context], Awaitable[Done | Again | Cancelled]]
Undo = Callable[[Any, Context], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Handler:
    """What a worker does for a kind: `run` one step; `cancel` undoes outside work (None: nothing to undo).

    `on_end` is the slice's rule for its own rows (see JobRules).
    """

    message: type[Message]
    run: Run
    cancel: Undo | None = None
    on_end: OnEnd | None = None
