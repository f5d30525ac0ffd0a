"""The patterns of both dialects on long texts: one that tries all divisions of a text would never end."""

import re
from collections.abc import Iterator

import pytest

from services.builds.recipes import Dialect, schema

# What patterns repeat: letters and digits, with the marks between them that they know.
_PIECES = ("1", "1m", "a", "A", "_", "a.", "a/", "../", "a-", "a@", "a:", "--", "$", "%", " ", "a a", "0", "é", "\\")
_LENGTH = 20_000  # characters; a pattern that is quadratic takes seconds here, one that is exponential all of the time


def patterns(node: object) -> Iterator[str]:
    """Yield each pattern of a JSON Schema."""
    match node:
        case dict():
            if isinstance(node.get("pattern"), str):
                yield node["pattern"]
            for value in node.values():
                yield from patterns(value)
        case list():
            for value in node:
                yield from patterns(value)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("dialect", Dialect)
def test_no_pattern_backtracks(dialect: Dialect) -> None:
    """Each pattern answers for a long repetition of anything, also where the last character does not fit."""
    found = {re.compile(pattern) for pattern in patterns(schema(dialect))}
    assert len(found) > 10
    for piece in _PIECES:
        text = piece * (_LENGTH // len(piece))
        for pattern in found:
            pattern.search(text)
            pattern.search(f"{text}\n")
