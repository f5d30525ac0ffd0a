"""The entries of `modules`, with those of included files in the place of the entry that names the file.

A file holds one module, whose keys the entry may override, or `modules`, a list of them. What it holds may name further
files; a file that leads back to itself is an error that names the way.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from services.builds.recipes.document import Entry, List, Map, Node, Scalar, Unreadable, parse
from services.builds.recipes.files import RecipeFiles, is_path
from services.builds.recipes.notes import Notes

MAX_MODULES = 1_000  # after includes; the largest recipe known has 28, and a builder takes 127 layers
INCLUDE = "from-file"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: `index` in the recipe's `modules`, `files` the way of includes that leads to it."""

    index: int
    entry: Node
    files: tuple[str, ...] = ()

    def error(self, notes: Notes, what: str, at: Node | None = None) -> None:
        """Note an error of this module; `at` is in the file that the module stands in."""
        message, node = self._said(what, at)
        notes.error(message, node, module=self.index)

    def warning(self, notes: Notes, what: str, at: Node | None = None) -> None:
        """Note a warning of this module."""
        message, node = self._said(what, at)
        notes.warning(message, node, module=self.index)

    def _said(self, what: str, at: Node | None) -> tuple[str, Node]:
        if not self.files:
            return f"Module {self.index}: {what}", at or self.entry
        line = f":{at.line}" if at else ""
        return f"Module {self.index}: in {self.files[-1]}{line}: {what}", self.entry


@dataclass(frozen=True, slots=True)
class Module:
    """One module. `keys` None: the file that it stands in is not known. `type` of those is "from-file"."""

    place: Place
    type: str
    keys: Map | None
    conditions: tuple[Scalar, ...] = ()

    @property
    def from_file(self) -> str | None:
        """The path of the file that it stands in; None for the recipe itself."""
        return self.place.files[-1] if self.place.files else None

    @property
    def condition(self) -> str | None:
        """What has to hold, its own and that of the entries which include it; None: it is always kept."""
        return " && ".join(condition.text for condition in self.conditions) or None


def modules_of(entries: List, files: RecipeFiles, notes: Notes) -> list[Module]:
    """Read the entries; those that cannot be read are noted and left out."""
    found: list[Module] = []
    expansion = _Expansion(files, notes)
    for index, node in enumerate(entries.items):
        for module in expansion.expand(node, Place(index, node)):
            if len(found) == MAX_MODULES:
                notes.error(f"more than {MAX_MODULES} modules, includes followed", node, module=index)
                return found
            found.append(module)
    return found


class _Expansion:
    def __init__(self, files: RecipeFiles, notes: Notes) -> None:
        self._files = files
        self._notes = notes
        self._roots: dict[str, Node | None] = {}

    def expand(self, node: Node, place: Place, outer: tuple[Scalar, ...] = ()) -> Iterator[Module]:
        """Yield the module or modules of one entry; `outer` are the conditions of the entries that include it."""
        if not isinstance(node, Map):
            self._say(place, "must be a dictionary", node)
        elif INCLUDE in node:
            yield from self._include(node, place, outer)
        elif "type" not in node:
            self._say(place, "missing 'type' field", node)
        else:
            kind = node.get("type")
            if not isinstance(kind, Scalar) or not isinstance(kind.value, str):
                place.error(self._notes, "type must be text", kind)
                return
            yield Module(place, kind.text, node, outer + _conditions(node))

    def _include(self, node: Map, place: Place, outer: tuple[Scalar, ...]) -> Iterator[Module]:
        path = node.get(INCLUDE)
        if not isinstance(path, Scalar) or not isinstance(path.value, str) or not is_path(path.text):
            place.error(self._notes, f"{INCLUDE} must be the path of a file below the recipes, without `..`", path)
            return
        if path.text in place.files:
            way = " -> ".join([*place.files, path.text])
            place.error(self._notes, f"{INCLUDE} leads back to itself: {way}", path)
            return
        inside = Place(place.index, place.entry, (*place.files, path.text))
        text = self._files.read(path.text)
        if text is None:
            yield Module(inside, INCLUDE, None, outer + _conditions(node))
            return
        root = self._root(path.text, text, inside)
        own = {key: entry for key, entry in node.entries.items() if key != INCLUDE}
        if isinstance(root, Map) and "modules" in root and "type" not in root:
            yield from self._several(root, own, inside, outer + _conditions(node))
        elif isinstance(root, Map):
            yield from self.expand(Map({**root.entries, **own}, root.line, root.column), inside, outer)
        elif root is not None:
            inside.error(self._notes, "expected a module, or a mapping with modules", root)

    def _several(self, root: Map, own: dict[str, Entry], inside: Place, outer: tuple[Scalar, ...]) -> Iterator[Module]:
        entries = root.get("modules")
        if own.keys() - {"condition"}:
            inside.error(self._notes, "holds several modules, so there is none whose keys could be overridden")
        elif not isinstance(entries, List):
            inside.error(self._notes, "'modules' must be a list", entries)
        else:
            for node in entries.items:
                yield from self.expand(node, inside, outer)

    def _root(self, path: str, text: str, inside: Place) -> Node | None:
        """Read a file once. None: it is empty or cannot be read, and that is noted."""
        if path not in self._roots:
            try:
                self._roots[path] = parse(text).root
            except Unreadable as error:
                inside.error(self._notes, str(error))
                self._roots[path] = None
            else:
                if self._roots[path] is None:
                    inside.error(self._notes, "the file is empty")
        return self._roots[path]

    def _say(self, place: Place, what: str, node: Node) -> None:
        """Note one of the two specified messages, which have no colon."""
        if place.files:
            place.error(self._notes, what, node)
        else:
            self._notes.error(f"Module {place.index} {what}", node, module=place.index)


def _conditions(node: Map) -> tuple[Scalar, ...]:
    condition = node.get("condition")
    return (condition,) if isinstance(condition, Scalar) and condition.value is not None else ()
