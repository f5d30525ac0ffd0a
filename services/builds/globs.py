"""Glob patterns for branch names and file paths: `release/*`, `src/**`, `!docs/**`. Standard library only.

Used by a repository's filters (in the gateway) and by a pipeline file's `when:` (in the runner), so that one pattern
means the same in both places.

    *       any run of characters without `/`, also none
    **      any run of characters, `/` included, also none
    **/     at the start of a component: any number of whole directories, also none (`**/x` matches `x` and `a/b/x`)
    ?       one character, not `/`
    [a-z]   one character of a class, `[!a-z]` one outside of it; never `/`; an unclosed `[` stands for itself
    !rest   in front: whatever `rest` matches is taken out again

A pattern covers the whole value, case counts, everything else stands for itself.

A match takes a few integer operations per character of the value, whatever the pattern: patterns are written by users
and are matched in the gateway, where a backtracking engine could be made to stall by `*a*a*a*a*a*b`.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

CACHED_PATTERNS = 512  # a pattern is asked about once per changed file; 512 are the filters of many busy repositories

_TOKEN = re.compile(r"(?P<stars>\*+)|\[(?P<class>!?[^]/]+)\]|(?P<one>\?)|.", re.DOTALL)
_CLASS_MEMBER = re.compile(r"(?P<low>.)-(?P<high>.)|(?P<single>.)", re.DOTALL)


def matches(patterns: Sequence[str], value: str) -> bool:
    """Tell whether the patterns let `value` through; the last pattern that matches it decides.

    A list that begins with a negated pattern, or has none at all, lets everything through to begin with:
    `["!docs/**"]` means "all but docs", `[]` means no restriction. Never raises.
    """
    allowed = not patterns or patterns[0].startswith("!")
    for pattern in patterns:
        if _compiled(pattern.removeprefix("!")).matches(value):
            allowed = not pattern.startswith("!")
    return allowed


class _Glob:
    """One pattern as a non-deterministic automaton whose live states are the bits of one integer.

    Bit i is set while the first i tokens can account for what was read so far. A token takes exactly one character,
    loops over any number of them, or is the gate of a `**/`: the free choice between its loop and leaving it out.
    """

    def __init__(self, pattern: str) -> None:
        self._literals: dict[str, int] = {}  # character -> the tokens that take it
        self._any = 0  # `?`
        self._classes: list[tuple[int, _Class]] = []
        self._loops = 0  # `*` and `**`
        self._loops_over_slash = 0  # `**`
        self._gates = 0  # one in front of the `**` of each `**/`
        self._length = 0
        previous = "/"  # the start of a pattern is the start of a component
        for token in _TOKEN.finditer(pattern):
            if token["stars"]:
                whole_component = previous == "/" and pattern[token.end() : token.end() + 1] == "/"
                if len(token["stars"]) > 1 and whole_component:
                    self._gates |= self._next()
                loop = self._next()
                self._loops |= loop
                self._loops_over_slash |= loop if len(token["stars"]) > 1 else 0
            elif token["class"]:
                self._classes.append((self._next(), _Class(token["class"])))
            elif token["one"]:
                self._any |= self._next()
            else:
                self._literals[token[0]] = self._literals.get(token[0], 0) | self._next()
            previous = token[0]

    def matches(self, value: str) -> bool:
        live = self._without_reading(1)
        for character in value:
            stay = self._loops_over_slash if character == "/" else self._loops
            live = self._without_reading((live & self._takes(character)) << 1 | live & stay)
            if not live:
                return False
        return bool(live >> self._length)

    def _next(self) -> int:
        """Number one more token and return its bit."""
        self._length += 1
        return 1 << (self._length - 1)

    def _without_reading(self, live: int) -> int:
        """Add the states that cost no character: through a gate (into its loop, or past loop and slash), past loops."""
        while (further := live | (live & self._gates) << 1 | (live & self._gates) << 3) != live:
            live = further
        return live | (live & self._loops) << 1

    def _takes(self, character: str) -> int:
        """Return the tokens that take this one character."""
        found = self._literals.get(character, 0)
        if character != "/":
            found |= self._any
            for bit, members in self._classes:
                found |= bit if members.contain(character) else 0
        return found


class _Class:
    """The members of a `[...]`: single characters and ranges, perhaps negated."""

    def __init__(self, source: str) -> None:
        self._negated = source.startswith("!")
        self._ranges = [
            (found["low"] or found["single"], found["high"] or found["single"])
            for found in _CLASS_MEMBER.finditer(source.removeprefix("!"))
        ]

    def contain(self, character: str) -> bool:
        return any(low <= character <= high for low, high in self._ranges) != self._negated


@lru_cache(maxsize=CACHED_PATTERNS)
def _compiled(pattern: str) -> _Glob:
    return _Glob(pattern)
