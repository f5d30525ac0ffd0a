"""The script module: inline shell."""

from collections.abc import Iterator

from services.builds.recipes.containerfile import run
from services.builds.recipes.exousia.module import Image, Keys, ModuleType, keys_of
from services.builds.recipes.shapes import Many, Text


def _emit(keys: Keys, _: Image) -> Iterator[str]:
    if instruction := run(keys.get("scripts", ())):
        yield instruction


SCRIPT = ModuleType(
    "script",
    keys_of(
        "script",
        "Runs shell commands during the build.",
        {"scripts": Many(Text(), "Shell commands of one or more lines; all of a module run in one shell.")},
    ),
    _emit,
)
