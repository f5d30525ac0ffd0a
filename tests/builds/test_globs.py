"""Globs: one table of meanings, an oracle, and no pattern that stalls."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.builds.globs import matches

MEANINGS = [
    # pattern, value, matches
    ("main", "main", True),
    ("main", "Main", False),
    ("main", "main2", False),
    ("", "", True),
    ("", "a", False),
    ("*", "", True),
    ("*", "main", True),
    ("*", "feature/x", False),
    ("release/*", "release/1", True),
    ("release/*", "release/1/hotfix", False),
    ("release/**", "release/1/hotfix", True),
    ("release/**", "release", False),
    ("src/**", "src/a/b.py", True),
    ("**", "a/b/c", True),
    ("**.js", "a/b.js", True),
    ("*.js", "a/b.js", False),
    ("**/x", "x", True),
    ("**/x", "a/b/x", True),
    ("**/x", "ax", False),
    ("**/x", "a/bx", False),
    ("a/**/b", "a/b", True),
    ("a/**/b", "a/x/y/b", True),
    ("a/**/b", "axb", False),
    ("a/**/b", "a/xb", False),
    ("**/**/x", "x", True),
    ("**/**/x", "a/x", True),
    ("**/*.py", "setup.py", True),
    ("**/*.py", "a/b/setup.py", True),
    ("**/*.py", "a/b/setup.pyc", False),
    ("***/x", "a/x", True),
    ("**a*b", "a/ab", True),
    ("a**b", "a/x/b", True),
    ("a?c", "abc", True),
    ("a?c", "a/c", False),
    ("a?c", "ac", False),
    ("v[0-9]*", "v1.2", True),
    ("v[0-9]*", "va", False),
    ("v[!0-9]", "va", True),
    ("v[!0-9]", "v/", False),
    ("v[!0-9]", "v1", False),
    ("[abc]", "b", True),
    ("[a-]", "-", True),
    ("[z-a]", "m", False),
    ("[a--]", "x", False),
    ("[", "[", True),
    ("[]", "[]", True),
    ("[a/b]", "[a/b]", True),
    ("[[]id].tsx", "[id].tsx", True),
    ("a.b", "axb", False),
    ("a\nb", "a\nb", True),
    ("*", "a\nb", True),
    ("*ü*", "grün", True),
]


@pytest.mark.parametrize(("pattern", "value", "expected"), MEANINGS)
def test_a_pattern_means_what_the_table_says(pattern: str, value: str, expected: bool) -> None:
    """Each kind of wildcard matches exactly what the module's docstring promises."""
    assert matches([pattern], value) is expected


LISTS = [
    ([], "anything", True),
    (["main", "release/*"], "release/2", True),
    (["main", "release/*"], "topic", False),
    (["src/**", "!src/docs/**"], "src/docs/a.md", False),
    (["src/**", "!src/docs/**"], "src/a.py", True),
    (["src/**", "!src/docs/**", "src/docs/build.py"], "src/docs/build.py", True),
    (["!docs/**"], "src/a.py", True),
    (["!docs/**"], "docs/a.md", False),
    (["!docs/**", "docs/keep.md"], "docs/keep.md", True),
]


@pytest.mark.parametrize(("patterns", "value", "expected"), LISTS)
def test_the_last_matching_pattern_decides(patterns: list[str], value: str, expected: bool) -> None:
    """A list lets through what its last matching pattern lets through, and begins open when it begins with `!`."""
    assert matches(patterns, value) is expected


def _as_regex(pattern: str) -> str:
    """Translate a pattern of letters, `/`, `*` and `?` in the obvious way: slow in bad cases, right in all."""
    source = re.sub(r"\*{2,}", "\0", pattern)
    source = re.sub(r"(\A|(?<=/))\0/", "\1", source)
    words = {"\0": "(?:.*)", "\1": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    return "".join(words.get(character, re.escape(character)) for character in source)


@given(st.text("ab/*?", max_size=12), st.text("ab/", max_size=12))
def test_it_agrees_with_a_regular_expression(pattern: str, value: str) -> None:
    """For patterns of stars, question marks and letters the automaton decides as a regular expression does."""
    assert matches([pattern], value) is bool(re.fullmatch(_as_regex(pattern), value, re.DOTALL))


@given(st.lists(st.text(), max_size=4), st.text())
def test_no_pattern_raises(patterns: list[str], value: str) -> None:
    """Any text is a pattern and any text is a value."""
    assert matches(patterns, value) in {True, False}


def test_a_pattern_of_many_stars_ends() -> None:
    """A pattern that makes a backtracking engine run for years is answered (the suite's time-out would tell)."""
    assert not matches(["*a" * 100 + "b"], "a" * 1000)
    assert not matches(["**a" * 100 + "b"], "a" * 1000)
