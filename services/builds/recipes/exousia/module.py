"""What a type of module is: the shape of its keys, what becomes of it in a Containerfile, what deserves a warning."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from services.builds.recipes.document import Map, Unreadable
from services.builds.recipes.exousia.packages import PackageList, read_list
from services.builds.recipes.files import RecipeFiles, is_path
from services.builds.recipes.shapes import ONE_LINE, Finding, Record, Shape, Text

Keys = Mapping[str, Any]
"""The plain values of a module, in the shape of its type; keys that hold null are absent."""

NAME = r"[^\x00-\x20\x7f-][^\x00-\x1f\x7f]*"
A_NAME = "one line that does not begin with a dash or a space"
_REMOVALS = "packages/common/remove.yml"
CONDITION = Text('Keeps the module only where this holds, e.g. `image-type == "fedora-bootc"`.')


class CannotTranspile(Exception):
    """A valid module that has no instructions, because a file is missing or unfit; str() is a whole sentence."""


@dataclass(frozen=True, slots=True)
class Image:
    """What modules know of the image that they belong to.

    `facts` are the left sides of conditions with their values; those that are not set are absent. `include_common`:
    whether package-loader takes the shared lists where it does not say so itself.
    """

    type: str
    version: str
    facts: Mapping[str, str]
    include_common: bool
    files: RecipeFiles

    def package_list(self, path: str) -> PackageList:
        """Read a package list. Raises CannotTranspile."""
        text = self.files.read(path) if is_path(path) else None
        if text is None:
            raise CannotTranspile(f"the package list {path} is not among the files that Slipway knows")
        try:
            return read_list(text)
        except Unreadable as error:
            raise CannotTranspile(f"the package list {path} cannot be read: {error}") from error

    def removals(self) -> tuple[str, ...]:
        """Return the packages that no image keeps, of the shared list; none where there is none.

        Raises CannotTranspile.
        """
        return self.package_list(_REMOVALS).packages if self.files.read(_REMOVALS) is not None else ()


Emit = Callable[[Keys, Image], Iterable[str]]
Doubts = Callable[[Map], Iterator[Finding]]


def _no_doubts(_: Map) -> Iterator[Finding]:
    return iter(())


@dataclass(frozen=True, slots=True)
class ModuleType:
    """A type of module.

    `shape` has its keys, with `type` and `condition`; other keys are tolerated, and warned of. `emit` turns the keys of
    a module that has this shape into instructions, and where it `reads_files` may raise CannotTranspile. `doubts` finds
    what is allowed and most likely not meant.
    """

    name: str
    shape: Record
    emit: Emit
    doubts: Doubts = _no_doubts
    reads_files: bool = False


def keys_of(name: str, doc: str, fields: Mapping[str, Shape]) -> Record:
    """Make the record of a module: its own keys and those that every module has."""
    return Record({"type": Text(), **fields, "condition": CONDITION}, doc, open=True, name=f"module-{name}")


def name_of(doc: str, *, default: str | None = None) -> Text:
    """Make the shape of a word that is passed to a command: one line that cannot be taken for an option."""
    return Text(doc, pattern=NAME, expected=A_NAME, default=default)


def path_of(doc: str, *, default: str | None = None) -> Text:
    """Make the shape of a path in the image."""
    return Text(doc, pattern=r"/[^\x00-\x1f\x7f]*", expected="an absolute path in the image", default=default)


def line_of(doc: str) -> Text:
    """Make the shape of one line of text."""
    return Text(doc, pattern=ONE_LINE, expected="one line")
