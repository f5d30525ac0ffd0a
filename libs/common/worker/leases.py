"""Keep a worker's leases alive, and tell it at once what it must stop.

One statement renews all leases every `renew_every_s`. What the answer leaves out is lost; what carries a cancel flag is
cancelled. A worker that could not renew for `give_up_after_s` (database away, process frozen) stops its handlers by
itself before the leases lapse, so that a job never runs in two places.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from enum import StrEnum

import structlog
from sqlalchemy.exc import SQLAlchemyError

from libs.common.database import Database
from libs.common.errors import LeaseLost
from libs.common.jobs import claims
from libs.common.jobs.claims import Lease
from libs.common.settings import RuntimeSettings

log = structlog.get_logger()

# CLOCK_BOOTTIME also counts the time that a laptop slept; macOS counts it in CLOCK_MONOTONIC.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def clock_s() -> float:
    """Seconds on a clock that nobody sets and that also runs while this process or machine is asleep."""
    return time.clock_gettime(_CLOCK)


class Interrupt(StrEnum):
    """Why a running handler is told to stop."""

    CANCEL = "cancel"
    LEASE_LOST = "lease_lost"
    SHUTDOWN = "shutdown"
    TIMEOUT = "timeout"


class Leases:
    """The leases that this worker holds; `run()` renews them until cancelled.

    `interrupt(job_id, why)` stops a handler; `renewed(leases)` is awaited after each success (children's heartbeat,
    arq's keys).
    """

    def __init__(
        self,
        owner: str,
        database: Database,
        settings: RuntimeSettings,
        *,
        interrupt: Callable[[uuid.UUID, Interrupt], None],
        renewed: Callable[[list[Lease]], Awaitable[None]],
    ) -> None:
        self._owner = owner
        self._database = database
        self._settings = settings
        self._interrupt = interrupt
        self._renewed = renewed
        self._held: dict[uuid.UUID, Lease] = {}
        self._since: dict[uuid.UUID, float] = {}
        self._kick = asyncio.Event()

    def __len__(self) -> int:
        return len(self._held)

    @property
    def held(self) -> list[Lease]:
        return list(self._held.values())

    def add(self, lease: Lease, claimed_at_s: float) -> None:
        """Begin to renew; `claimed_at_s` is `clock_s()` from before the claim was sent."""
        self._held[lease.job_id] = lease
        self._since[lease.job_id] = claimed_at_s

    def remove(self, lease: Lease) -> None:
        """Stop renewing; a newer claim of the same job is left alone."""
        if self._held.get(lease.job_id) == lease:
            del self._held[lease.job_id], self._since[lease.job_id]

    def check(self, lease: Lease) -> None:
        """Raise LeaseLost when the last renewal is so old that somebody else may have the job."""
        since = self._since.get(lease.job_id)
        if since is None or self._held[lease.job_id] != lease or clock_s() - since > self._settings.give_up_after_s:
            raise LeaseLost(f"job {lease.job_id}: not renewed for {self._settings.give_up_after_s:g} s")

    def look_now(self) -> None:
        """Renew at once instead of at the next beat: somebody may have asked for a cancel."""
        self._kick.set()

    async def run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._settings.renew_every_s):
                    await self._kick.wait()
            except TimeoutError:
                pass
            self._kick.clear()
            await self.renew()

    async def renew(self) -> None:
        """Renew everything once; on failure give up what has become too old."""
        leases = self.held
        if not leases:
            return
        sent_at_s = clock_s()
        try:
            async with asyncio.timeout(self._settings.give_up_after_s), self._database.transaction() as tx:
                answer = await claims.renew(tx, leases, self._owner, self._settings.lease_s)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("leases_not_renewed", leases=len(leases), reason=repr(error))
            self._give_up_old()
            return
        for lease in leases:
            if self._held.get(lease.job_id) != lease:
                continue  # ended while the statement ran
            if lease.job_id in answer:
                self._since[lease.job_id] = sent_at_s
                if answer[lease.job_id]:
                    self._interrupt(lease.job_id, Interrupt.CANCEL)
            else:
                self._interrupt(lease.job_id, Interrupt.LEASE_LOST)
        await self._renewed([lease for lease in leases if lease.job_id in answer])

    def _give_up_old(self) -> None:
        oldest_s = clock_s() - self._settings.give_up_after_s
        for job_id, since in list(self._since.items()):
            if since < oldest_s:
                self._interrupt(job_id, Interrupt.LEASE_LOST)
