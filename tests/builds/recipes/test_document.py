"""YAML text -> nodes: values, places, and bounds that hold for any text."""

from contextlib import suppress

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from services.builds.recipes.document import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_NODES,
    List,
    Map,
    Scalar,
    Unreadable,
    data_of,
    parse,
)


def refusal(text: str) -> str:
    """Return why a text is refused, as line:column: message."""
    with pytest.raises(Unreadable) as caught:
        parse(text)
    problem = caught.value.problem
    return f"{problem.line}:{problem.column}: {problem.message}"


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\nb: [two, 3.5, -4, 1e3, .5]",
        "a: {b: ~, c: null, d: , e: yes, f: No, g: TRUE}",
        "a: 'it''s'\nb: \"x\\ty\\u00e9\"\nc: |\n  one\n  two\nd: >-\n  one\n  two",
        "a: 0644\nb: 0x1F\nc: 0b101\nd: 1_000\ne: +5\nf: 0",
        "a: .inf\nb: -.INF\nc: 08\nd: 0o17\ne: 1.2.3",
        "base: &base {x: 1, y: 2}\nmine: {<<: *base, y: 3}\nagain: *base\nboth: {<<: [*base, {z: 4}]}",
        "? a\n: b",
        "- 'null'\n- !!str 5\n- !!int 7",
    ],
)
def test_values_are_those_of_yaml_1_1(text: str) -> None:
    """What PyYAML constructs for a text is what its nodes hold."""
    assert data_of(parse(text).root) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("2020-01-01", "2020-01-01"), ("1:30", "1:30"), ("1:30.5", "1:30.5"), ("9" * 41, "9" * 41)],
)
def test_dates_base_60_and_huge_numbers_stay_text(text: str, value: str) -> None:
    """What people never mean as a number is none."""
    assert data_of(parse(text).root) == value


def test_nodes_know_their_places_and_what_was_written() -> None:
    """Lines and columns count from 1, in characters; a mode in octal is still there as text."""
    root = parse('\ufeffnäme: "x"\nfiles:\n  - mode: 0644\n').root
    assert isinstance(root, Map)
    name, files = root.get("näme"), root.get("files")
    assert isinstance(name, Scalar)
    assert isinstance(files, List)
    (item,) = files.items
    assert isinstance(item, Map)
    mode = item.get("mode")
    assert isinstance(mode, Scalar)
    assert (name.text, name.quoted, name.line, name.column) == ("x", True, 1, 7)
    assert (mode.text, mode.value, mode.quoted, mode.line, mode.column) == ("0644", 420, False, 3, 11)
    assert root.entries["files"].key.line == 2


@pytest.mark.parametrize("text", ["", "\n", "# nothing", "---", "--- # nothing\n...\n"])
def test_an_empty_text_has_no_root(text: str) -> None:
    """Comments and markers alone are nothing."""
    assert parse(text).root is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3", "3:1: the key 'a' stands here twice"),
        ("a: {b: 1, 'b': 2}", "1:11: the key 'b' stands here twice"),
        ("a:\n  1: x", "2:3: the key 1 is no text to YAML; expected it in quotes"),
        ("on: x", "1:1: the key on is no text to YAML; expected it in quotes"),
        ("[a]: x", "1:1: expected a key of plain text"),
        ("a: \0", "1:4: the character U+0000 is not allowed in YAML"),
        ("a: b\nc: \ud800", "2:4: the character U+D800 is not allowed in YAML"),
        ("a: '\x1b'", "1:5: the character U+001B is not allowed in YAML"),
        ('a: "\\0"', "1:4: the character U+0000 is not allowed in a value"),
        ("a: 1\n---\nb: 2", "2:1: a second document begins here; expected one"),
        ("&a [*a]", "1:5: the alias *a stands inside of what it names"),
        ("a: *b", "1:4: the alias *b names nothing that stands before it"),
        ("a: !!python/name:os.system x", "1:4: the tag tag:yaml.org,2002:python/name:os.system is not supported"),
        ("a: !mine x", "1:4: the tag !mine is not supported"),
        ("a: !!set {b}", "1:4: the tag tag:yaml.org,2002:set is not supported"),
        ("<<: 3", "1:5: expected a mapping, or a list of them, to merge"),
        ("a: " + "[" * MAX_DEPTH, f"1:{3 + MAX_DEPTH}: nested deeper than {MAX_DEPTH} levels"),
        ("- a\n" * (MAX_NODES + 1), f"{MAX_NODES}:3: more than {MAX_NODES} values, aliases followed"),
        ("a" * (MAX_BYTES + 1), f"1:1: the text is larger than {MAX_BYTES} bytes"),
        ("ä" * (MAX_BYTES // 2 + 1), f"1:1: the text is larger than {MAX_BYTES} bytes"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_cannot_be_read_is_refused_with_its_place(text: str, expected: str) -> None:
    """A refusal says line, column and what was expected."""
    assert refusal(text) == expected


@pytest.mark.parametrize(
    "text", ["a: [", "a: 'x", "a: b: c", "\t- a", "%YAML 9999999999999.1\n---\na", "@", 'a: "\\ud800"']
)
def test_a_syntax_error_has_a_place(text: str) -> None:
    """What the parser says comes with its line and column."""
    with pytest.raises(Unreadable) as caught:
        parse(text)
    assert caught.value.problem.line is not None
    assert "column" in caught.value.problem.message


def test_aliases_count_as_what_they_repeat() -> None:
    """A few lines that stand for a billion values, a terabyte of text or a thousand levels are refused."""
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
    assert "more than 20000 values" in refusal(bomb)
    assert "more than 1000000 characters" in refusal(f"a: &a {'x' * 500_000}\nb: [*a, *a]")
    deep = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 30))
    assert "nested deeper than 20 levels, aliases followed" in refusal(deep)
    merged = f"a: &a {{{', '.join(f'k{n}: v' for n in range(5_000))}}}\n" + "".join(
        f"b{n}: {{<<: *a}}\n" for n in range(100)
    )
    assert "more than 20000 values" in refusal(merged)


@pytest.mark.parametrize(
    "piece",
    [
        "[",
        "{",
        "- ",
        "? ",
        "{? ",
        "&a ",
        "*a ",
        "!",
        "#",
        "%",
        "---\n",
        "x: ",
        "a: b\n ",
        "'",
        '"\\n',
        "|\n",
        "<<: {a: b}\n",
        "a\\",
        "\n",
    ],
)
def test_a_megabyte_of_anything_is_answered(piece: str) -> None:
    """No repetition of what means something to YAML is read without end or past the stack."""
    _tried(piece * (MAX_BYTES // len(piece)))


# Pieces that mean something to YAML: random characters alone rarely get past the scanner.
_PIECES = st.sampled_from(
    ["a", "b: ", "- ", "\n", "  ", "[", "]", "{", "}", ",", ": ", "? ", "&x ", "*x", "<<: ", "!!str ", "!t ", "'", '"',
     "|\n ", ">\n ", "#", "---\n", "...\n", "%YAML 1.1\n", "0644", "~", "\t", "\\", "\0", "\ud800", "\x85", "é"]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=40).map("".join) | st.text(max_size=60))
@settings(max_examples=300)
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but Unreadable is ever raised."""
    _tried(text)


@pytest.mark.slow
@given(st.lists(_PIECES, max_size=200).map("".join) | st.text(max_size=200))
@settings(max_examples=5_000)
def test_any_longer_text_is_read_or_refused(text: str) -> None:
    """Nothing but Unreadable is ever raised; tried for longer."""
    _tried(text)


def _tried(text: str) -> None:
    with suppress(Unreadable):
        data_of(parse(text).root)
