"""YAML text -> a tree of nodes that know where they stand; bounded, so that any text is read or refused quickly.

The text comes from strangers. It is read from the parser's events (libyaml's where PyYAML has it, ten times as fast as
PyYAML's own), without recursion; values are never constructed by tag, so nothing in a text can make an object. Scalars
keep their text as it was written beside the value that YAML 1.1 gives them: `0644` is the text "0644" and the number
420. Aliases and merge keys (`<<`) are read; what they repeat counts as often as it is repeated.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from services.builds.recipes.problem import Problem

MAX_BYTES = 1_000_000  # of the text, and of what its aliases make of it; the API's bound on a body is the same
MAX_NODES = 20_000  # after aliases; the largest recipe known has under 1,000, and these take a tenth of a second
MAX_DEPTH = 20  # levels, after aliases; a recipe needs 6, and those who walk the tree recurse once per level

_MAX_NUMBER = 40  # characters; a longer run of digits stays text (CPython refuses to convert 4,301)

_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# YAML 1.1, section 5.1: what a stream may hold. It leaves out NUL and lone surrogates, which no file takes.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(_TAG + name for name in ("null", "bool", "int", "float", "timestamp", "value", "merge"))
_INTEGER = re.compile(r"[-+]?(?:0b_*[01][01_]*|0x_*[0-9a-fA-F][0-9a-fA-F_]*|0[0-7_]*|[1-9][0-9_]*)")
_TRUE = ("yes", "true", "on")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value. `text` is what was written, without quotes and escapes; `value` what YAML 1.1 reads there.

    A quoted value is always a string, and so are timestamps and numbers in base 60 (`1:30`).
    """

    text: str
    value: str | int | float | bool | None
    quoted: bool
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class List:
    """A sequence."""

    items: "tuple[Node, ...]"
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of a mapping with its value."""

    key: Scalar
    value: "Node"


@dataclass(frozen=True, slots=True)
class Map:
    """A mapping by the text of its keys, in the order of the text; what was merged in comes last."""

    entries: dict[str, Entry]
    line: int
    column: int

    def get(self, key: str) -> "Node | None":
        """Return the value of a key; None when the key is absent. A null is a Scalar."""
        entry = self.entries.get(key)
        return entry.value if entry else None

    def __contains__(self, key: str) -> bool:
        return key in self.entries


Node = Scalar | List | Map


@dataclass(frozen=True, slots=True)
class Document:
    """A text that was read. `root` None: there is nothing but comments in it."""

    text: str
    root: Node | None


class Unreadable(ValueError):
    """The text is not one YAML document within the bounds; `problem` says why and where."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        self.problem = Problem("error", message, line, column)
        super().__init__(self.problem.message)


def parse(text: str) -> Document:
    """Read a text; lines and columns of nodes count from 1.

    Raises Unreadable, and nothing else for any text: syntax, bounds, a key that stands twice in a mapping or is no
    text, a character that YAML does not allow, tags beside YAML's own, a second document.
    """
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise Unreadable(f"the text is larger than {MAX_BYTES} bytes", 1, 1)
    if found := _FORBIDDEN.search(text):
        line, column = _position(text, found.start())
        raise Unreadable(f"the character U+{ord(found[0]):04X} is not allowed in YAML", line, column)
    return Document(text, _Builder().build(_events(text)))


def data_of(node: Node | None) -> object:
    """Return the plain value: dict, list, str, int, float, bool or None."""
    match node:
        case None:
            return None
        case Scalar():
            return node.value
        case List():
            return [data_of(item) for item in node.items]
        case Map():
            return {key: data_of(entry.value) for key, entry in node.entries.items()}


def _position(text: str, index: int) -> tuple[int, int]:
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)


def _events(text: str) -> Iterator[yaml.Event]:
    try:
        yield from yaml.parse(text.removeprefix("\ufeff"), Loader=_PARSER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = " ".join(part for part in (error.context, error.problem) if part)
        if mark is None:
            raise Unreadable(message) from error
        line, column = mark.line + 1, mark.column + 1
        raise Unreadable(f"{message} (line {line}, column {column})", line, column) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # an absurd \U escape, a %YAML 9…9 directive
        raise Unreadable(str(error)) from error


# --- events -> nodes ---


@dataclass(slots=True)
class _Weight:
    """What a node costs those who walk it: nodes and characters with aliases followed, and levels."""

    nodes: int = 1
    chars: int = 0
    levels: int = 1

    def add(self, child: "_Weight") -> None:
        self.nodes += child.nodes
        self.chars += child.chars
        self.levels = max(self.levels, child.levels + 1)


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come. `key` is the key that waits for its value."""

    is_map: bool
    anchor: str | None
    line: int
    column: int
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    merged: list[Map] = field(default_factory=list)
    key: Scalar | None = None
    weight: _Weight = field(default_factory=_Weight)


class _Builder:
    def __init__(self) -> None:
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Node, _Weight] | None] = {}  # None: it still stands open
        self._root: Node | None = None
        self._total = _Weight(nodes=0)

    def build(self, events: Iterator[yaml.Event]) -> Node | None:
        for event in events:
            line, column = (event.start_mark.line + 1, event.start_mark.column + 1) if event.start_mark else (1, 1)
            match event:
                case yaml.ScalarEvent():
                    self._add(_scalar(event, line, column), _Weight(chars=len(event.value)), event.anchor)
                case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                    self._begin(event, line, column)
                case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                    self._end()
                case yaml.AliasEvent():
                    self._alias(event.anchor, line, column)
                case yaml.DocumentStartEvent() if self._root is not None:
                    raise Unreadable("a second document begins here; expected one", line, column)
        return None if _is_nothing(self._root) else self._root

    def _begin(self, event: yaml.CollectionStartEvent, line: int, column: int) -> None:
        is_map = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in (None, "!", _TAG + ("map" if is_map else "seq")):
            raise Unreadable(f"the tag {event.tag} is not supported", line, column)
        if len(self._open) >= MAX_DEPTH:
            raise Unreadable(f"nested deeper than {MAX_DEPTH} levels", line, column)
        self._count(_Weight(), line, column)
        if event.anchor:
            self._anchors[event.anchor] = None
        self._open.append(_Open(is_map, event.anchor, line, column))

    def _end(self) -> None:
        done = self._open.pop()
        if not done.is_map:
            self._add(List(tuple(done.items), done.line, done.column), done.weight, done.anchor)
            return
        for source in done.merged:
            for key, entry in source.entries.items():
                done.entries.setdefault(key, entry)
        self._add(Map(done.entries, done.line, done.column), done.weight, done.anchor)

    def _alias(self, anchor: str | None, line: int, column: int) -> None:
        if anchor is None or anchor not in self._anchors:
            raise Unreadable(f"the alias *{anchor} names nothing that stands before it", line, column)
        known = self._anchors[anchor]
        if known is None:
            raise Unreadable(f"the alias *{anchor} stands inside of what it names", line, column)
        node, weight = known
        self._add(node, weight, None, at=(line, column))

    def _add(self, node: Node, weight: _Weight, anchor: str | None, *, at: tuple[int, int] | None = None) -> None:
        """Put a whole node where it belongs; `at` is the place of the alias that named it."""
        line, column = at or (node.line, node.column)
        if anchor:
            self._anchors[anchor] = (node, weight)
        if isinstance(node, Scalar) or at:  # a collection's own parts were counted as they came
            self._count(weight, line, column)
        if not self._open:
            self._root = node
            return
        parent = self._open[-1]
        parent.weight.add(weight)
        if not parent.is_map:
            parent.items.append(node)
        elif parent.key is None:
            parent.key = _key(node, line, column, parent)
        else:
            key, parent.key = parent.key, None
            if _is_merge(key):
                parent.merged += _merge_sources(node, line, column)
            else:
                parent.entries[key.text] = Entry(key, node)

    def _count(self, weight: _Weight, line: int, column: int) -> None:
        self._total.nodes += weight.nodes
        self._total.chars += weight.chars
        if self._total.nodes > MAX_NODES:
            raise Unreadable(f"more than {MAX_NODES} values, aliases followed", line, column)
        if self._total.chars > MAX_BYTES:
            raise Unreadable(f"more than {MAX_BYTES} characters, aliases followed", line, column)
        if len(self._open) + weight.levels > MAX_DEPTH + 1:
            raise Unreadable(f"nested deeper than {MAX_DEPTH} levels, aliases followed", line, column)


def _key(node: Node, line: int, column: int, parent: _Open) -> Scalar:
    if not isinstance(node, Scalar):
        raise Unreadable("expected a key of plain text", line, column)
    if not isinstance(node.value, str):
        raise Unreadable(f"the key {node.text} is no text to YAML; expected it in quotes", line, column)
    if node.text in parent.entries:
        raise Unreadable(f"the key {node.text!r} stands here twice", line, column)
    return node


def _is_merge(key: Scalar) -> bool:
    return key.text == "<<" and not key.quoted


def _merge_sources(node: Node, line: int, column: int) -> list[Map]:
    sources = node.items if isinstance(node, List) else (node,)
    maps = [source for source in sources if isinstance(source, Map)]
    if len(maps) < len(sources):
        raise Unreadable("expected a mapping, or a list of them, to merge", line, column)
    return maps


def _is_nothing(root: Node | None) -> bool:
    """Say whether the document is empty; a comment alone, or `---`, is an empty plain scalar to the parser."""
    return isinstance(root, Scalar) and root.text == "" and not root.quoted


def _scalar(event: yaml.ScalarEvent, line: int, column: int) -> Scalar:
    text = event.value
    if "\0" in text:  # from the escape \0
        raise Unreadable("the character U+0000 is not allowed in a value", line, column)
    tag = event.tag
    quoted = event.style not in (None, "")
    if tag in (_TAG + "str", "!") or (tag is None and quoted):
        return Scalar(text, text, True, line, column)  # noqa: FBT003  # a field of the record
    if tag is not None and tag not in _PLAIN_TAGS:
        raise Unreadable(f"the tag {tag} is not supported", line, column)
    return Scalar(text, _value(text), False, line, column)  # noqa: FBT003  # a field of the record


def _value(text: str) -> str | int | float | bool | None:
    """Resolve a plain scalar as YAML 1.1 does (https://yaml.org/type/), dates and base 60 left as text."""
    resolvers = yaml.SafeLoader.yaml_implicit_resolvers.get(text[:1], ())
    match next((tag.removeprefix(_TAG) for tag, pattern in resolvers if pattern.match(text)), "str"):
        case "null":
            return None
        case "bool":
            return text.lower() in _TRUE
        case "int" if len(text) <= _MAX_NUMBER and _INTEGER.fullmatch(text):
            return _integer(text.replace("_", ""))
        case "float" if len(text) <= _MAX_NUMBER and ":" not in text:
            return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def _integer(text: str) -> int:
    digits = text.lstrip("+-")
    base = {"0b": 2, "0x": 16}.get(digits[:2], 8 if digits.startswith("0") else 10)
    number = int(digits.removeprefix("0b").removeprefix("0x"), base)
    return -number if text.startswith("-") else number
