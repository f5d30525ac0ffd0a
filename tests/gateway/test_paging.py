"""The arithmetic of lists."""

from uuid import UUID

import pytest

from libs.common.errors import Invalid
from libs.common.http.paging import Window, next_cursor, read_cursor
from libs.common.http.principal import Principal

IDS = [UUID(int=number) for number in range(3)]


def test_pages_are_windows() -> None:
    """Page 1 begins at the first thing, page n after n-1 pages."""
    assert Window.of_page(1, 20) == Window(limit=20, offset=0)
    assert Window.of_page(4, 25) == Window(limit=25, offset=75)
    assert Window.of_page(4, 25).page == 4


@pytest.mark.parametrize(
    ("limit", "offset", "total", "expected"),
    [(20, 0, 0, None), (20, 0, 20, None), (20, 0, 21, 20), (20, 20, 21, None), (1, 5, 7, 6), (20, 500, 21, None)],
)
def test_next_offset(limit: int, offset: int, total: int, expected: int | None) -> None:
    """The next offset is where the next part begins, null when there is none."""
    assert Window(limit, offset).next_offset(total) == expected


def test_cursor_goes_there_and_back() -> None:
    """A cursor names the last thing of a page; there is none behind the last page."""
    assert read_cursor(next_cursor(IDS, more=True)) == IDS[-1]
    assert next_cursor(IDS, more=False) is None
    assert next_cursor([], more=True) is None
    assert read_cursor(None) is None


@pytest.mark.parametrize("cursor", ["", "x", "1", "a" * 500, "\0"])
def test_foreign_cursor_is_refused(cursor: str) -> None:
    """What no page ever answered is 422, naming the parameter."""
    with pytest.raises(Invalid) as refused:
        read_cursor(cursor)
    assert refused.value.details[0]["loc"] == ["query", "cursor"]


def test_who_sees_what() -> None:
    """A person sees their own and what is shared; a key what is shared; a superuser everything."""
    person = Principal(user_id=7, name="ada", scopes=frozenset())
    key = Principal(user_id=None, name="pipeline", scopes=frozenset())
    root = Principal(user_id=1, name="root", scopes=frozenset(), is_superuser=True)
    assert [person.may_see(owner) for owner in (7, 8, None)] == [True, False, True]
    assert [key.may_see(owner) for owner in (7, 8, None)] == [False, False, True]
    assert all(root.may_see(owner) for owner in (7, 8, None))
