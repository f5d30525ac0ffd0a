"""How much a worker runs at once: a number of slots for each class of jobs, and running alone."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from libs.common.jobs.heartbeats import SlotUse


class Slots:
    """Counts what runs, by class (`light`, `heavy`); ten long builds leave the light slots free for short steps."""

    def __init__(self, limits: Mapping[str, int]) -> None:
        self._limits = dict(limits)
        self._used = dict.fromkeys(limits, 0)
        self._changed = asyncio.Condition()
        self._closed = False
        self._alone = False

    @property
    def running(self) -> int:
        return sum(self._used.values())

    def use(self) -> dict[str, SlotUse]:
        """How many slots of each class are in use."""
        return {name: SlotUse(used=self._used[name], total=total) for name, total in self._limits.items()}

    def free(self, job_class: str) -> int:
        """Slots of a class that may be taken now; 0 while the intake is closed or a job runs alone."""
        return 0 if self._closed or self._alone else self._limits[job_class] - self._used[job_class]

    def take(self, job_class: str) -> None:
        """Take a slot; the caller has looked at `free` in the same turn of the loop."""
        self._used[job_class] += 1

    async def give_back(self, job_class: str) -> None:
        async with self._changed:
            self._used[job_class] -= 1
            self._changed.notify_all()

    async def wait_free(self, job_class: str) -> int:
        """Wait until at least one slot of the class may be taken; answers how many."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.free(job_class) > 0)
            return self.free(job_class)

    async def wait_idle(self) -> None:
        """Wait until nothing runs."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.running == 0)

    def close(self) -> None:
        """Take nothing new any more: shutdown."""
        self._closed = True

    @asynccontextmanager
    async def alone(self, timeout_s: float) -> AsyncIterator[bool]:
        """Wait until the caller's job is the only one, and keep it so inside the block.

        Yields False when the others did not end in `timeout_s`, or another job wants to be alone already.
        """
        if self._alone:
            yield False
            return
        self._alone = True
        try:
            yield await self._wait_last(timeout_s)
        finally:
            self._alone = False
            async with self._changed:
                self._changed.notify_all()

    async def _wait_last(self, timeout_s: float) -> bool:
        async with self._changed:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._changed.wait_for(lambda: self.running <= 1)
            except TimeoutError:
                return False
        return True
