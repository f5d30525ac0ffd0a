"""What a mapping, list or value of a recipe may hold, said once for two readers.

`check` compares a node of a document with its shape and says what differs, where; `schemas` writes the same shapes as
JSON Schema for editors. So what an editor underlines is what validation refuses.

    Text | Flag | Many | Table | Record | Either | ByKey | ByValue

Every shape has a `doc`: what an editor shows beside the key. Shapes are constants of the code; nothing here is made
from what a stranger wrote, except the nodes that are compared. Patterns are of the kind that Python and ECMAScript
read alike, and none of them can be made to backtrack over a long text.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from services.builds.recipes.document import List, Map, Node, Scalar

ONE_LINE = r"[^\x00-\x1f\x7f]+"
_MAX_LISTED = 12  # keys or choices that a message lists; more is a wall, and the documentation has them all


@dataclass(frozen=True, slots=True)
class Text:
    """A string. `pattern` "" lets any text pass; else the whole text has to fit, and `expected` says it in words.

    `choices`: the only texts there are. `numbers`: an integer is taken as its text too (`image-version: 43`).
    """

    doc: str = ""
    choices: tuple[str, ...] = ()
    pattern: str = ""
    expected: str = ""
    numbers: bool = False
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    doc: str = ""
    default: bool | None = None


@dataclass(frozen=True, slots=True)
class Many:
    """A list of things of one shape."""

    item: "Shape"
    doc: str = ""
    at_least: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping whose keys are the user's own; `keys` is a pattern for them, "" for any, `expected` its words."""

    value: "Shape"
    doc: str = ""
    keys: str = ""
    expected: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """A mapping with known keys. `open`: other keys are nobody's business. `name`: what it is called in the schema."""

    fields: Mapping[str, "Shape"]
    doc: str = ""
    required: tuple[str, ...] = ()
    open: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class Either:
    """One of several shapes, told apart by kind: text, true/false, list or mapping. At most one of each kind."""

    options: tuple["Shape", ...]
    doc: str = ""


@dataclass(frozen=True, slots=True)
class ByKey:
    """A mapping whose shape is told by a key that it has; the first of `marks` that is there decides."""

    marks: Mapping[str, "Shape"]
    otherwise: "Shape"
    doc: str = ""


@dataclass(frozen=True, slots=True)
class ByValue:
    """A mapping whose shape is told by the text of one key. `otherwise` None: other texts are refused.

    `name`: what it is called in the schema.
    """

    key: str
    variants: Mapping[str, "Shape"]
    otherwise: "Shape | None" = None
    doc: str = ""
    key_doc: str = ""
    name: str = ""


Shape = Text | Flag | Many | Table | Record | Either | ByKey | ByValue


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that differs: `path` leads from the node that was checked ("" is itself), `what` is said of it.

    Reads as "<path> <what>": "install.packages must be a list". `at` is where a person looks for it; `missing` is the
    key that is not there.
    """

    at: Node
    path: str
    what: str
    missing: str | None = None


def check(shape: Shape, node: Node, path: str = "") -> Iterator[Finding]:
    """Say in the order of the text what keeps this node from having this shape; nothing when it has it."""
    match shape:
        case Text():
            yield from _check_text(shape, node, path)
        case Flag():
            if not (isinstance(node, Scalar) and isinstance(node.value, bool)):
                yield Finding(node, path, f"must be true or false, not {kind(node)}")
        case Many():
            yield from _check_many(shape, node, path)
        case Table():
            yield from _check_table(shape, node, path)
        case Record():
            yield from _check_record(shape, node, path)
        case Either():
            yield from _check_either(shape, node, path)
        case ByKey():
            yield from _check_by_key(shape, node, path)
        case ByValue():
            yield from _check_by_value(shape, node, path)


def kind(node: Node) -> str:
    """Name what a node is, with its article."""
    match node:
        case List():
            return "a list"
        case Map():
            return "a dictionary"
        case Scalar(value=None):
            return "empty"
        case Scalar(value=bool()):
            return "true or false"
        case Scalar(value=int() | float()):
            return "a number"
        case Scalar():
            return "text"


def near(word: str, known: "tuple[str, ...] | list[str]") -> str:
    """Return "; did you mean ...?", or nothing where no known word is like it."""
    close = difflib.get_close_matches(word[:50].lower(), known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _check_text(shape: Text, node: Node, path: str) -> Iterator[Finding]:
    if not isinstance(node, Scalar) or not _is_text(shape, node):
        quotes = "; put it in quotes" if isinstance(node, Scalar) and node.value is not None else ""
        yield Finding(node, path, f"must be text, not {kind(node)}{quotes}")
    elif shape.choices and node.text not in shape.choices:
        yield Finding(node, path, f"must be one of {_listed(shape.choices)}{near(node.text, shape.choices)}")
    elif shape.pattern and not _compiled(shape.pattern).fullmatch(node.text):
        yield Finding(node, path, f"must be {shape.expected}")


def _is_text(shape: Text, node: Scalar) -> bool:
    if isinstance(node.value, str):
        return True
    return shape.numbers and isinstance(node.value, int) and not isinstance(node.value, bool)


def _check_many(shape: Many, node: Node, path: str) -> Iterator[Finding]:
    if not isinstance(node, List):
        yield Finding(node, path, "must be a list")
        return
    if len(node.items) < shape.at_least:
        yield Finding(node, path, f"must have at least {shape.at_least}")
    for at, item in enumerate(node.items):
        yield from check(shape.item, item, f"{path}[{at}]")


def _check_table(shape: Table, node: Node, path: str) -> Iterator[Finding]:
    if not isinstance(node, Map):
        yield Finding(node, path, "must be a dictionary")
        return
    for key, entry in node.entries.items():
        if shape.keys and not _compiled(shape.keys).fullmatch(key):
            yield Finding(entry.key, path, f"has the key {key!r}, which must be {shape.expected}")
        yield from check(shape.value, entry.value, _below(path, key))


def _check_record(shape: Record, node: Node, path: str) -> Iterator[Finding]:
    if not isinstance(node, Map):
        yield Finding(node, path, "must be a dictionary")
        return
    for name in shape.required:
        if name not in node:
            yield Finding(node, path, f"missing {name!r} field", missing=name)
    for key, entry in node.entries.items():
        inner = shape.fields.get(key)
        if inner is not None:
            yield from check(inner, entry.value, _below(path, key))
        elif not shape.open:
            known = tuple(shape.fields)
            yield Finding(entry.key, path, f"has the unknown key {key!r}; it knows {_listed(known)}{near(key, known)}")


def _check_either(shape: Either, node: Node, path: str) -> Iterator[Finding]:
    for option in shape.options:
        if _fits_kind(option, node):
            yield from check(option, node, path)
            return
    wanted = " or ".join(_KIND_OF[type(option)] for option in shape.options)
    yield Finding(node, path, f"must be {wanted}, not {kind(node)}")


def _check_by_key(shape: ByKey, node: Node, path: str) -> Iterator[Finding]:
    if not isinstance(node, Map):
        yield Finding(node, path, "must be a dictionary")
        return
    marked = (inner for mark, inner in shape.marks.items() if mark in node)
    yield from check(next(marked, shape.otherwise), node, path)


def _check_by_value(shape: ByValue, node: Node, path: str) -> Iterator[Finding]:
    if not isinstance(node, Map):
        yield Finding(node, path, "must be a dictionary")
        return
    tag = node.get(shape.key)
    if tag is None:
        yield Finding(node, path, f"missing {shape.key!r} field", missing=shape.key)
    elif not (isinstance(tag, Scalar) and isinstance(tag.value, str)):
        yield Finding(tag, _below(path, shape.key), f"must be text, not {kind(tag)}")
    elif (inner := shape.variants.get(tag.text, shape.otherwise)) is not None:
        yield from check(inner, node, path)
    else:
        yield Finding(tag, path, f"has the unknown {shape.key} {tag.text!r}{near(tag.text, tuple(shape.variants))}")


_KIND_OF = {
    Text: "text",
    Flag: "true or false",
    Many: "a list",
    Table: "a dictionary",
    Record: "a dictionary",
    ByKey: "a dictionary",
    ByValue: "a dictionary",
}


def _fits_kind(option: Shape, node: Node) -> bool:
    match option:
        case Text():
            return isinstance(node, Scalar) and _is_text(option, node)
        case Flag():
            return isinstance(node, Scalar) and isinstance(node.value, bool)
        case Many():
            return isinstance(node, List)
        case _:
            return isinstance(node, Map)


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _listed(words: tuple[str, ...]) -> str:
    """List words for a person; a long list ends in dots."""
    return ", ".join(words[:_MAX_LISTED]) + (", ..." if len(words) > _MAX_LISTED else "")


@cache  # patterns are constants of the code
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
