"""What a type of module is: the shape of its keys, and what becomes of it in a Containerfile."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.builds.recipes.files import RecipeFiles
from services.builds.recipes.shapes import ONE_LINE, ByValue, Flag, Many, Record, Shape, Table, Text

NAME = r"[^\x00-\x20\x7f-][^\x00-\x1f\x7f]*"
A_NAME = "one line that does not begin with a dash or a space"
URL = r"https?://[^\x00-\x20\x7f\x22'`$\\]+"
_UP = r"(?!(?:[^/]*/)*\.\.(?:/|$))"
PATH = _UP + r"[^\x00-\x1f\x7f\x22$\\<>-][^\x00-\x1f\x7f\x22$\\<>]*"
A_PATH = "a path without `..`, quotes, `$`, `\\`, `<` or `>`"
VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"

_SECRET_MOUNT = ByValue(
    "type",
    {
        "env": Record(
            {"type": Text(), "name": Text("The variable.", pattern=VARIABLE, expected="a name of a variable")},
            required=("name",),
        ),
        "file": Record(
            {"type": Text(), "destination": Text("Where the file is during the build.")}, required=("destination",)
        ),
    },
    doc="How the module gets the secret.",
    name="secret-mount",
)
_SECRET = ByValue(
    "type",
    {
        "env": Record(
            {"type": Text(), "name": Text("The variable on the building machine."), "mount": _SECRET_MOUNT},
            required=("name", "mount"),
        ),
        "file": Record(
            {"type": Text(), "source": Text("The file, from the root of the repository."), "mount": _SECRET_MOUNT},
            required=("source", "mount"),
        ),
        "exec": Record(
            {
                "type": Text(),
                "command": Text("The command whose output is the secret."),
                "args": Many(Text(), "Its arguments."),
                "mount": _SECRET_MOUNT,
            },
            required=("command", "mount"),
        ),
        "ssh": Record({"type": Text()}),
    },
    key_doc="Where the secret comes from.",
    name="secret",
)

COMMON: Mapping[str, Shape] = {
    "no-cache": Flag("Build this module anew even when nothing changed.", default=False),
    "env": Table(
        Text(pattern=f"(?:{ONE_LINE})?", expected="one line"),
        "Environment variables of this module.",
        keys=VARIABLE,
        expected="a name of a variable",
    ),
    "secrets": Many(_SECRET, "Secrets that this module may read."),
}
"""The keys that every module may have, beside `type` and `source`."""


class CannotTranspile(Exception):
    """A valid module that Slipway cannot turn into instructions; str() says why, fit to stand after "because"."""


@dataclass(frozen=True, slots=True)
class Image:
    """What modules know of the image that they belong to."""

    name: str
    base: str
    files: RecipeFiles


@dataclass(frozen=True, slots=True)
class Module:
    """One module of a valid recipe. `number` counts from 1 within the image or stage, includes expanded.

    `version` is what stands behind the `@`, None where there is none. `keys` are plain values that have their shape.
    """

    number: int
    type: str
    version: str | None
    keys: Mapping[str, Any]
    image: Image

    def list(self, key: str) -> "list[str]":
        """Return a list of texts; empty where the key is absent."""
        return list(self.keys.get(key, ()))


Emit = Callable[[Module], Sequence[str]]


@dataclass(frozen=True, slots=True)
class ModuleType:
    """A type of module. `emit` turns a module into instructions, and may raise CannotTranspile for some of its keys.

    `needs` says for people which tools and places the instructions use or, where `emit` is None, why there are none.
    `shapes` has the shape of each way to write the type (`dnf`, `dnf@v1`, `dnf@latest`).
    """

    name: str
    shapes: Mapping[str, Shape]
    needs: str
    emit: Emit | None = None


def keys_of(
    name: str, doc: str, fields: Mapping[str, Shape], *, required: tuple[str, ...] = (), at: str = ""
) -> Record:
    """Make the record of a module: its own keys and those that every module has."""
    kind = Text(f"`{name}`, or `{name}@v1` for a certain version of the module.")
    return Record({"type": kind, **fields, **COMMON}, doc, required, name=f"module-{name}{at}")


def versions(name: str, shape: Shape, *numbers: str) -> dict[str, Shape]:
    """Spell a type with each of its versions, `v1` at least, and with none."""
    return dict.fromkeys((name, *(f"{name}@{version}" for version in ("v1", *numbers, "latest"))), shape)
