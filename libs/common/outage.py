"""Say once that something is away and once that it is back, however often it is tried in between."""

from typing import Any

import structlog

log = structlog.get_logger()


class Outage:
    """The state of one thing that is tried again and again; a line a try would bury whatever else is logged.

    `failed(error)` at each failure, `over()` at each success: only the first of each kind is logged, as
    `<what>_away` with the reason and `<what>_back` with the number of tries.
    """

    def __init__(self, what: str, **fields: Any) -> None:
        self._what = what
        self._fields = fields
        self._failures = 0

    def failed(self, reason: BaseException) -> None:
        self._failures += 1
        if self._failures == 1:
            log.warning(f"{self._what}_away", reason=repr(reason), **self._fields)  # noqa: G004 - constant for each object

    def over(self) -> None:
        if self._failures:
            log.info(f"{self._what}_back", failures=self._failures, **self._fields)  # noqa: G004
        self._failures = 0
