"""Scripts in RUN instructions: the documented layout where it is right, and always the meaning of the script."""

import textwrap

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.builds.recipes.shell import run
from tests.builds.recipes.builder import instructions, is_shell, meaning, runs

LAYOUTS = {
    "one line": (["  echo hi  "], "RUN echo hi"),
    "one line among empty ones": (["\n\necho hi\n\n"], "RUN echo hi"),
    "several lines": (["echo a\n\n  echo b\n"], "RUN set -e; \\\n    echo a; \\\n    echo b"),
    "several scripts": (["echo a", "echo b"], "RUN set -euxo pipefail; \\\n    echo a; \\\n    echo b"),
    "blocks": (
        ["if a; then\n  a\nelif x; then\n  b\nelse\n  c\nfi"],
        "RUN set -e; \\\n    if a; then \\\n    a; \\\n    elif x; then \\\n    b; \\\n    else \\\n    c; \\\n    fi",
    ),
    "a loop": (
        ["for x in a b\ndo\n  echo $x\ndone"],
        "RUN set -e; \\\n    for x in a b; \\\n    do \\\n    echo $x; \\\n    done",
    ),
    "continued lines": (["a \\\n  b \\\n  c\nd"], "RUN set -e; \\\n    a \\\n    b \\\n    c; \\\n    d"),
    "comments": (["# first\na\n# second\nb\n# last"], "RUN set -e; \\\n# first\n    a; \\\n# second\n    b\n# last"),
    "operators": (["a &&\nb |\nc &\nd;\ne"], "RUN set -e; \\\n    a && \\\n    b | \\\n    c & \\\n    d; \\\n    e"),
    "an escaped semicolon": (["find . -exec ls {} \\;\na"], "RUN set -e; \\\n    find . -exec ls {} \\;; \\\n    a"),
    "an argument that is a reserved word": (["echo then\na"], "RUN <<'SCRIPT'\nset -e\necho then\na\nSCRIPT"),
    "a heredoc": (
        ["cat > /etc/x <<EOF\n  a  \n\n# b\nEOF\necho c"],
        "RUN <<'SCRIPT'\nset -e\ncat > /etc/x <<EOF\n  a  \n\n# b\nEOF\necho c\nSCRIPT",
    ),
    "a comment behind a command": (["a # b\nc"], "RUN <<'SCRIPT'\nset -e\na # b\nc\nSCRIPT"),
    "text over several lines": (["echo 'a\n  b'\nc"], "RUN <<'SCRIPT'\nset -e\necho 'a\n  b'\nc\nSCRIPT"),
    "a line that ends our heredoc": (
        ["cat <<SCRIPT\n SCRIPT2\nSCRIPT"],
        "RUN <<'SCRIPT3'\nset -e\ncat <<SCRIPT\n SCRIPT2\nSCRIPT\nSCRIPT3",
    ),
    "one line that would go on": (["echo \\"], "RUN <<'SCRIPT'\nset -e\necho \\\nSCRIPT"),
    "one line with an open heredoc": (["cat <<EOF"], "RUN <<'SCRIPT'\nset -e\ncat <<EOF\nSCRIPT"),
    "Windows line ends": (["a\r\nb\r\n"], "RUN set -e; \\\n    a; \\\n    b"),
}  # fmt: skip
NOTHING: list[list[str]] = [[], [""], ["\n \n"], ["# only a comment"], ["", "# and another\n"]]


@pytest.mark.parametrize(("scripts", "expected"), LAYOUTS.values(), ids=LAYOUTS)
def test_scripts_are_laid_out_as_documented(scripts: list[str], expected: str) -> None:
    """Simple lines are joined by semicolons, or by the backslash alone; what cannot be joined stands as it is."""
    assert run(scripts) == expected


@pytest.mark.parametrize("scripts", NOTHING, ids=repr)
def test_there_is_no_run_without_a_command(scripts: list[str]) -> None:
    """A script of comments and empty lines has no instruction."""
    assert run(scripts) is None


# Beside what real scripts hold, whatever is easily taken for something else by who joins lines.
SIMPLE = [
    "echo a", "  dnf install -y vim", "echo 'it is' \"$(rpm -E %fedora)\"", "x=1", "export A=\"b c\"", "! false",
    "ls | wc -l", "[ -f /x ] && rm /x", "[[ $a == b* && -n \"$c\" ]] || true", "((i++)) || true", "a=(1 2 3)",
    "echo \"${x:-y}\" ${#a[@]} $# $$ $?", "cat <<< \"text\"", "f 2>&1 >/dev/null &", "sed -i 's/a#b/c/' x",
    "echo then", "echo do", "echo \"a # b\" c#d", "find . -name '*.x' -exec rm {} \\;", "sleep 1 & wait", "true;",
    "(cd /tmp && ls)", "{ echo a; echo b; }", "while read -r l; do echo \"$l\"; done < x", "echo $((1 + 2))",
    "echo $'a\\nb'", "diff <(ls a) <(ls b)", "echo \\# \\\\ \\\"", "if a; then b; fi", "echo `date`", "trap 'x' EXIT",
    "echo a # trailing", "echo 'a' # it's", "case $x in a) b ;; esac", "f() { echo x; }", "echo \"$(echo \"a b\")\"",
]  # fmt: skip
BLOCKS = [
    "if true; then\n{}\nfi", "if a\nthen\n{}\nelse\n{}\nfi", "for x in 1 2; do\n{}\ndone", "while false\ndo\n{}\ndone",
    "{{\n{}\n}}", "(\n{}\n)", "g() {{\n{}\n}}", "g()\n{{\n{}\n}}", "case $x in\na)\n{}\n;;\n*) {}\n;;\nesac",
    "until true; do\n{}\ndone", "if ! a; then\n{}\nelif b; then\n{}\nfi", "if [[ -n $x ]]; then\n{}\nfi",
]  # fmt: skip
LINES = [
    "# a comment", "#! not a comment; \\", "", "   ", "echo a \\\n   b \\\n\t c", "echo a\\\nb",
    "a && \\\n  b || \\\n  c",
    "a &&\nb", "a |\n  b", "cat > x <<EOF\n a\n# b\n\\\nEOF", "cat <<-'END' | sort\n\ta ; b\n\tEND", "echo 'a\n  b'",
    "echo \"a\n  b; c\"", "a=(\n1\n2\n)", "x=$(\nls\n)", "echo \"$(ls\n  pwd)\"", "echo a \\\n# comment\nb", "a;\nb &",
    "echo 'a \\\n  b'", "echo \"a \\\n  b\"", "echo ${x:-a \\\n  b}", "a \\\n\nb", "[[ a &&\n b ]]", "echo a \\ \nb",
    "echo a\\\\\nb", "echo a \\\\\nb",
]  # fmt: skip


def scripts() -> st.SearchStrategy[str]:
    """Make scripts of lines and blocks within blocks."""
    lines = st.sampled_from(SIMPLE) | st.sampled_from(LINES)

    def blocks(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        block = st.tuples(st.sampled_from(BLOCKS), inner, inner).map(lambda made: made[0].format(made[1], made[2]))
        return st.lists(block | lines, min_size=1, max_size=3).map("\n".join)

    return st.recursive(lines, blocks, max_leaves=6)


@pytest.mark.parametrize("piece", SIMPLE + LINES + [block.format("a", "b") for block in BLOCKS])
def test_each_kind_of_line_keeps_its_meaning(piece: str) -> None:
    """Whatever a line holds, bash reads the same from the instruction, with another command behind it too."""
    script = f"echo first\n{piece}\necho last"
    made = run([script])
    assert made is not None
    assert meaning(runs(made)[0]) == meaning(f"set -e\n{script}") is not None


@given(st.lists(scripts(), min_size=1, max_size=3))
@settings(max_examples=60)
@example(["echo a", "if x; then", "b; fi"])
def test_scripts_keep_their_meaning(some: list[str]) -> None:
    """What bash reads from a RUN is what it reads from the scripts, one after the other."""
    _keeps_its_meaning(some)


@pytest.mark.slow
@given(st.lists(scripts(), min_size=1, max_size=4))
@settings(max_examples=3000)
def test_many_scripts_keep_their_meaning(some: list[str]) -> None:
    """What bash reads from a RUN is what it reads from the scripts, one after the other; tried for longer."""
    _keeps_its_meaning(some)


def _keeps_its_meaning(some: list[str]) -> None:
    made = run(some)
    if made is None:
        return
    options = "set -e" if len(some) == 1 else "set -euxo pipefail"
    only_line = len([line for one in some for line in one.split("\n") if line.strip()]) == 1
    expected = meaning("\n".join([*([] if only_line and not made.startswith("RUN <<") else [options]), *some]))
    (body,) = runs(made)
    assert meaning(body) == expected


@given(st.lists(st.text(st.sampled_from("ab \t\n\\'\"`$(){}[];|&<>#!=-EOF"), max_size=30), min_size=1, max_size=3))
@settings(max_examples=150)
def test_no_script_gets_out_of_its_instruction(some: list[str]) -> None:
    """Whatever is written in a script, a builder reads one RUN, and then the next instruction."""
    made = run(some) or "RUN nothing"
    assert [one.keyword for one in instructions(f"{made}\nLABEL a=b\n")] == ["RUN", "LABEL"]


def test_a_documented_script_is_shell() -> None:
    """The layouts above are what bash can read."""
    for given_scripts, expected in LAYOUTS.values():
        assert all(map(is_shell, runs(expected))), textwrap.shorten("\n".join(given_scripts), 100)
