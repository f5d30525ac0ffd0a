"""Places in a queue in which sharers take turns: an estimate from how many jobs of each sharer wait. Pure.

In each round every sharer who has a job left starts one: the third job of anybody comes after the first two of all
others, however many these have. Whoever has fewer jobs running comes first in a round. What is not known here moves
the true order: each worker begins its round somewhere else (turns.py), and lanes keep jobs back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Share:
    """What one sharer has in one queue: jobs that wait and are due, since when the oldest does, and jobs that run."""

    sharer: str
    waiting: int
    running: int
    oldest: datetime | None


class Line:
    """The queue of one domain and class of jobs."""

    def __init__(self, shares: Sequence[Share]) -> None:
        self.shares = sorted(shares, key=lambda share: (share.running, share.sharer))
        self._order = {share.sharer: number for number, share in enumerate(self.shares)}

    def place(self, sharer: str, number: int) -> int:
        """The place of the sharer's job `number` (1: its oldest) among all that wait; 1 is next."""
        mine = self._order.get(sharer, -1)
        before = sum(min(share.waiting, number - 1) for share in self.shares)
        return before + sum(share.waiting >= number for share in self.shares[: max(mine, 0)]) + 1

    def first(self, most: int, visible: Callable[[str], bool]) -> dict[str, int]:
        """Which are the next `most` jobs of the sharers that are `visible`: so many of each one's oldest."""
        seen = [share for share in self.shares if share.waiting and visible(share.sharer)]
        taken = dict.fromkeys((share.sharer for share in seen[:most]), 0)
        left = most
        while left and seen:
            for share in seen[:left]:
                taken[share.sharer] += 1
            left -= len(seen[:left])
            seen = [share for share in seen if share.waiting > taken.get(share.sharer, share.waiting)]
        return taken
