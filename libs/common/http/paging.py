"""Cutting lists, in the three ways that the documented clients know. Everything is newest first.

| routes | asks with | answers with |
|---|---|---|
| `/api/config`, `/api/build` | `page` from 1, `page_size` | `page`, `page_size` |
| `/api/v1/*` | `limit`, `offset` | `limit`, `offset`, `next_offset` |
| `/jobs` | `limit`, `offset` or `cursor` | `limit`, `offset`, `next_cursor` |

All have `total`, the number of things the filter finds. A value out of range is a 422, by the parameters' types.
"""

from collections.abc import Sequence
from typing import Annotated, Final
from uuid import UUID

import msgspec
from litestar.params import QueryParameter

from libs.common.http.errors import Detail, invalid

DEFAULT_SIZE: Final = 20
# Documented by all three families; a page of 100 builds is 60 KB.
MAX_SIZE: Final = 100
# Far behind any real list; an offset is work for the database, so it has an end.
MAX_OFFSET: Final = 10_000_000

Limit = Annotated[int, QueryParameter(ge=1, le=MAX_SIZE, description="How many to answer at most")]
Offset = Annotated[int, QueryParameter(ge=0, le=MAX_OFFSET, description="How many to pass over")]
Page = Annotated[int, QueryParameter(ge=1, le=MAX_OFFSET // MAX_SIZE, description="Which page, from 1")]
PageSize = Annotated[int, QueryParameter(ge=1, le=MAX_SIZE, description="How many on a page")]
Cursor = Annotated[
    str | None, QueryParameter(description="The `next_cursor` of the page before; stays right while new ones arrive")
]


class Window(msgspec.Struct, frozen=True):
    """The part of a list that was asked for, as SQL takes it."""

    limit: int
    offset: int

    @classmethod
    def of_page(cls, page: int, page_size: int) -> "Window":
        return cls(limit=page_size, offset=(page - 1) * page_size)

    @property
    def page(self) -> int:
        return self.offset // self.limit + 1

    def next_offset(self, total: int) -> int | None:
        """Where the next part begins, None after the last."""
        following = self.offset + self.limit
        return following if following < total else None


def next_cursor(ids: Sequence[UUID], *, more: bool) -> str | None:
    """The cursor behind the ids of a page, in the page's order; None when nothing follows (`more`)."""
    return str(ids[-1]) if more and ids else None


def read_cursor(cursor: str | None) -> UUID | None:
    """The id before which to go on; None: from the newest. Raises Invalid for what no page ever answered."""
    if cursor is None:
        return None
    try:
        return UUID(cursor)
    except ValueError:
        raise invalid([Detail(["query", "cursor"], "This is not a cursor of ours", "value_error")]) from None
