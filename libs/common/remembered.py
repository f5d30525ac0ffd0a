"""An answer that many ask for within a moment is looked up once."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """Asks `ask` at most once in `for_s` seconds and shares the answer, or the error, with everybody who wants it."""

    def __init__(self, ask: Callable[[], Awaitable[T]], *, for_s: float) -> None:
        self._ask = ask
        self._for_s = for_s
        self._asked_s = 0.0
        self._answer: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """Answer what is known, or ask; a caller that is cancelled does not cancel it for the others."""
        now_s = time.monotonic()
        if self._answer is None or now_s - self._asked_s > self._for_s:
            self._asked_s = now_s
            self._answer = asyncio.create_task(self._look())
        return await asyncio.shield(self._answer)

    def forget(self) -> None:
        """Ask anew the next time: something was changed."""
        self._answer = None

    async def _look(self) -> T:
        return await self._ask()
