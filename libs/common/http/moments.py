"""Times in queries: `?since=2026-11-20&until=2026-11-20T18:00:00Z`."""

from datetime import UTC, datetime
from typing import Annotated

from litestar.params import QueryParameter

from libs.common.http.errors import Detail, invalid

Since = Annotated[
    str | None, QueryParameter(description="Then or later: a date or time of ISO 8601, UTC without a zone")
]
Until = Annotated[str | None, QueryParameter(description="Before then: a date or time of ISO 8601, UTC without a zone")]


def read_moment(text: str | None, parameter: str) -> datetime | None:
    """Read the value of a query's parameter as a time in UTC; None stays None. Raises Invalid, naming the parameter."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # OverflowError: the calendar's first or last day in another zone
        detail = Detail(["query", parameter], "Must be a date or time, as in 2026-11-20T18:00:00Z", "value_error")
        raise invalid([detail]) from None
