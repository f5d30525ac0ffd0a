"""What changed between two texts, as `diff -u` and `patch` have it."""

import difflib
import io
from collections.abc import Iterator, Sequence
from itertools import takewhile

# Comparing takes as many steps as one text has lines for each line of the other. 1,000 lines each, three times the
# longest recipe that we know, take a fifth of a second at the worst; more is not compared line by line.
_MAX_STEPS = 1_000_000
_CONTEXT = 3  # lines around a change, as every diff has


def difference(before: str, after: str, before_name: str, after_name: str) -> str:
    """Compare two texts.

    Returns a unified diff (POSIX.1-2024, diff, "Diff -u Output Format") under these names; "" when the texts are equal.
    Where so much differs that comparing would take too long, all between the equal lines at both ends is replaced.
    """
    old, new = _lines(before), _lines(after)
    head = _equal(old, new)
    tail = _equal(old[head:][::-1], new[head:][::-1])
    if (len(old) - head - tail) * (len(new) - head - tail) > _MAX_STEPS:
        changes: Iterator[str] = _replaced(old, new, head, tail, before_name, after_name)
    else:
        changes = difflib.unified_diff(old, new, before_name, after_name, n=_CONTEXT)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in changes)


def _lines(text: str) -> list[str]:
    """Split after line feeds, and at nothing else that Unicode knows."""
    return io.StringIO(text, newline="\n").readlines()


def _equal(these: Sequence[str], those: Sequence[str]) -> int:
    """Count the lines that are equal from the start."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(these, those, strict=False)))


def _replaced(
    old: Sequence[str], new: Sequence[str], head: int, tail: int, before_name: str, after_name: str
) -> Iterator[str]:
    """One change, from behind the equal lines at the start to before those at the end."""
    start, before, after = max(0, head - _CONTEXT), len(old) - tail, len(new) - tail
    end = min(tail, _CONTEXT)
    yield f"--- {before_name}\n"
    yield f"+++ {after_name}\n"
    yield f"@@ -{start + 1},{before + end - start} +{start + 1},{after + end - start} @@\n"
    yield from (f" {line}" for line in old[start:head])
    yield from (f"-{line}" for line in old[head:before])
    yield from (f"+{line}" for line in new[head:after])
    yield from (f" {line}" for line in old[before : before + end])
