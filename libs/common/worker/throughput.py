"""How many things happened lately, in as much memory as a few numbers."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

WINDOW_S: Final = 300.0
# Thirty numbers are five minutes; the oldest of them may be counted 10 s too long.
_BUCKET_S: Final = 10.0


class Throughput:
    """Counts events and forgets them after WINDOW_S; `clock_s` tells seconds that only grow."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._buckets: deque[tuple[float, int]] = deque()

    def add(self, count: int) -> None:
        """Count what happened just now."""
        now_s = self._clock_s()
        if self._buckets and now_s - self._buckets[-1][0] < _BUCKET_S:
            since_s, counted = self._buckets.pop()
            self._buckets.append((since_s, counted + count))
        else:
            self._buckets.append((now_s, count))

    def total(self) -> int:
        """How many there were in the last five minutes."""
        oldest_s = self._clock_s() - WINDOW_S
        while self._buckets and self._buckets[0][0] < oldest_s:
            self._buckets.popleft()
        return sum(count for _, count in self._buckets)
