"""Batches on their way: the one that is being filled, the ones Redis has not taken, and what it keeps of the others."""

import time
from collections import deque
from dataclasses import dataclass, field

import msgspec

from libs.common.database import utcnow
from libs.common.jobs.joblog.entries import ORIGIN, Batch, EntryId, Level, Line

# With at most 64 lines and this much text a batch stays below 100 KB with its JSON (one line of 16 KB may come on
# top), so that some of them fit into a client's queue of 256 KB.
BATCH_MAX_BYTES = 32 * 1024


@dataclass(frozen=True, slots=True)
class Unsent:
    """A closed batch without a position; `since` is when its first line was written (monotonic seconds)."""

    first_n: int
    count: int
    lines: bytes
    since: float

    def at(self, position: EntryId) -> Batch:
        return Batch(position, self.first_n, self.count, self.lines)


@dataclass(slots=True)
class OpenBatch:
    """The batch that lines are added to."""

    first_n: int
    since: float = 0.0
    _lines: list[bytes] = field(default_factory=list)
    _bytes: int = 0

    @property
    def count(self) -> int:
        return len(self._lines)

    @property
    def next_n(self) -> int:
        return self.first_n + len(self._lines)

    def add(self, message: str, level: Level, source: str | None) -> int:
        """Number, date and encode a line; answers its size in bytes."""
        if not self._lines:
            self.since = time.monotonic()
        line = msgspec.json.encode(Line(self.next_n, utcnow(), level, message, source))
        self._lines.append(line)
        self._bytes += len(line)
        return len(line)

    def is_full(self, most_lines: int) -> bool:
        return len(self._lines) >= most_lines or self._bytes >= BATCH_MAX_BYTES

    def sealed(self) -> Unsent:
        return Unsent(self.first_n, len(self._lines), b"[" + b",".join(self._lines) + b"]", self.since)


class RedisShare:
    """Knows about how much of a job's log Redis keeps, and from where on it should, to stay within `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: deque[tuple[EntryId, int, int]] = deque()  # position, last line, bytes
        self._bytes = 0

    def start(self, size_bytes: int) -> None:
        """Count what earlier claims left in Redis; it is archived and goes first."""
        self._kept.append((ORIGIN, 0, size_bytes))
        self._bytes = size_bytes

    def add(self, position: EntryId, batch: Unsent) -> None:
        self._kept.append((position, batch.first_n + batch.count - 1, len(batch.lines)))
        self._bytes += len(batch.lines)

    def trim_before(self, coming_bytes: int, archived_n: int) -> EntryId | None:
        """Where Redis's part should begin once `coming_bytes` are added; None when nothing has to go.

        Lines that SQL does not have (above `archived_n`) stay whatever their size.
        """
        cut = False
        while len(self._kept) > 1 and self._bytes + coming_bytes > self._max_bytes and self._kept[0][1] <= archived_n:
            self._bytes -= self._kept.popleft()[2]
            cut = True
        return self._kept[0][0] if cut else None
