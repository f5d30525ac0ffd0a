"""If-Match, as clients and proxies write it."""

import pytest

from libs.common.errors import Invalid, PreconditionFailed
from libs.common.http.preconditions import read_if_match


def test_no_header_is_no_condition() -> None:
    """Without it the last one wins."""
    assert read_if_match(None) is None


@pytest.mark.parametrize("text", ["*", ' "7" ', 'W/"7" , "x"', '"x","7",'])
def test_who_names_the_version_has_seen_it(text: str) -> None:
    """Its tag alone or among others, strong or weak, or `*`."""
    seen = read_if_match(text)
    assert seen is not None
    seen.check(7)


@pytest.mark.parametrize("text", ['"77"', '""', '"6", "8"', 'W/"70"'])
def test_who_names_another_version_has_not(text: str) -> None:
    """The refusal tells the version of now."""
    seen = read_if_match(text)
    assert seen is not None
    with pytest.raises(PreconditionFailed) as refused:
        seen.check(7)
    assert (refused.value.details, refused.value.headers) == ({"version": 7}, {"ETag": '"7"'})


@pytest.mark.parametrize("text", ["", "7", '"7" "8"', "W/7", '"a"b"', ",", '*, "7"'])
def test_what_is_no_list_of_tags_is_invalid(text: str) -> None:
    """It is not taken for no condition."""
    with pytest.raises(Invalid):
        read_if_match(text)
