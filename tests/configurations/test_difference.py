"""Diffs of two recipes: what `diff -u` would say, whatever the texts are."""

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.builds.recipes.difference import difference

_TEXTS = st.lists(st.sampled_from(["a", "b", "c: 1", " d", "", "\r", "\x0b", "é"])).map("\n".join)
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@\n")


def applied(text: str, diff: str) -> str:
    """What `patch` makes of a text; checks the places and lengths of the hunks on the way."""
    if not diff:
        return text
    before, after, at = re.findall(r"[^\n]*\n|[^\n]+$", text), [], 0
    lines = diff.removesuffix("\n").split("\n")[2:]
    lines = [f"{line}\n" for line in lines]
    for number, line in enumerate(lines):
        if line == "\\ No newline at end of file\n":
            continue
        if hunk := _HUNK.fullmatch(line):
            old_start, old_length = int(hunk[1]), int(hunk[2] or 1)
            upto = old_start - 1 if old_length else old_start
            after += before[at:upto]
            at = upto
            assert len(after) == (int(hunk[3]) - 1 if int(hunk[4] or 1) else int(hunk[3]))
            continue
        bare = number + 1 < len(lines) and lines[number + 1].startswith("\\")
        content = line[1:].removesuffix("\n") if bare else line[1:]
        if line[0] in " -":
            assert before[at] == content
            at += 1
        if line[0] in " +":
            after.append(content)
    return "".join(after + before[at:])


@given(before=_TEXTS, after=_TEXTS)
def test_a_diff_leads_from_one_text_to_the_other(before: str, after: str) -> None:
    """Applied to the first text it gives the second, also where the last line has no end; equal texts have none."""
    diff = difference(before, after, "one", "two")
    assert applied(before, diff) == after
    assert (diff == "") is (before == after)


@pytest.mark.parametrize("lines", [0, 1, 2, 10])
def test_texts_that_differ_too_much_are_replaced(lines: int) -> None:
    """Between what is equal at both ends all is taken out and put in anew; that too leads to the second text."""
    head, tail = ["h"] * lines, ["t"] * lines
    before = "\n".join([*head, *(f"a{number}" for number in range(3000)), *tail])
    after = "\n".join([*head, *(f"b{number}" for number in range(2000)), *tail])
    diff = difference(before, after, "one", "two")
    assert applied(before, diff) == after
    assert diff.count("\n@@ ") == 1


def test_patch_takes_it(tmp_path: Path) -> None:
    """The real `patch` applies it."""
    before, after = "a\nb\nc\nd\ne", "a\nB\nc\nd\ne\nf\n"
    file = tmp_path / "recipe.yml"
    file.write_text(before)
    try:
        done = subprocess.run(
            ["patch", str(file)], input=difference(before, after, "recipe.yml", "recipe.yml"), text=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("there is no patch on this machine")
    assert (done.returncode, file.read_text()) == (0, after)
