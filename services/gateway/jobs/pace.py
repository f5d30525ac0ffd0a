"""What an open stream does by the clock."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Allowed = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a stream does what no event asks for, in seconds.

    `ping_s`: a comment, so that proxies and clients see that the stream lives (nginx cuts it after 75 s of silence).
    `recheck_s`: a look at the credentials. `gap_s`: how long lines are waited for that come next and are not stored:
    Redis was wiped, and their writer archives them within 10 s. `gap_look_s`: between two looks for them.
    """

    ping_s: float = 15.0
    recheck_s: float = 60.0
    gap_s: float = 15.0
    gap_look_s: float = 0.25


class Watch:
    """Looks at a stream's credentials now and then: a stream may outlive the token it was opened with."""

    def __init__(self, pace: Pace, allowed: Allowed) -> None:
        self._every_s = pace.recheck_s
        self._allowed = allowed
        self._looked_at = time.monotonic()

    async def denies(self) -> bool:
        """True when the credentials were looked at and are not valid any more."""
        if time.monotonic() - self._looked_at < self._every_s:
            return False
        self._looked_at = time.monotonic()
        return not await self._allowed()
