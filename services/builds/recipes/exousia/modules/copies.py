"""The files module."""

import re
from collections.abc import Iterator

from services.builds.recipes.containerfile import copy
from services.builds.recipes.document import List, Map, Scalar
from services.builds.recipes.exousia.module import Image, Keys, ModuleType, keys_of, line_of
from services.builds.recipes.shapes import Finding, Many, Record, Text

DEFAULT_MODE = "0644"
_MODE = re.compile(r"(?:0o)?(?P<digits>[0-7]{1,5})", re.ASCII)
_OCTAL_DIGITS = re.compile(r"[0-7]{3,4}", re.ASCII)
_PLAIN_BITS = 0o777  # a number up to here is a mode without setuid, setgid and sticky


def mode_of(value: int | str) -> str:
    """Return a mode in octal, four digits.

    Text is octal already. An integer is what YAML 1.1 made of an unquoted mode: `0644` became 420, which is 0644. `644`
    stayed 644, which no one means as a number (01204), so its digits are taken for octal.
    """
    if isinstance(value, int):
        octal = value > _PLAIN_BITS and _OCTAL_DIGITS.fullmatch(str(value))
        return f"{int(str(value), 8) if octal else value:04o}"
    found = _MODE.fullmatch(value)
    return f"{int(found['digits'], 8):04o}" if found else value


def _emit(keys: Keys, _: Image) -> Iterator[str]:
    for entry in keys.get("files", ()):
        if "src" in entry and "dst" in entry:
            yield copy(entry["src"], entry["dst"], mode=mode_of(entry.get("mode", DEFAULT_MODE)))


def _doubts(module: Map) -> Iterator[Finding]:
    entries = module.get("files")
    for at, entry in enumerate(entries.items if isinstance(entries, List) else ()):
        if not isinstance(entry, Map):
            continue
        for key in ("src", "dst"):
            if key not in entry:
                yield Finding(entry, f"files[{at}]", f"has no {key!r} and is skipped")
        yield from mode_doubts(entry, f"files[{at}].mode")


def mode_doubts(entry: Map, path: str) -> Iterator[Finding]:
    """Warn of a mode that YAML reads as a number."""
    mode = entry.get("mode")
    if isinstance(mode, Scalar) and isinstance(mode.value, int):
        octal = mode_of(mode.value)
        what = f'is the number {mode.value} to YAML and taken for {octal}; write it in quotes: "{octal}"'
        yield Finding(mode, path, what)


MODE = Text(
    "The mode in octal, in quotes.",
    pattern=r"(0o)?[0-7]{3,5}|[0-9]{1,4}",
    expected='a mode in octal such as "0644"',
    numbers=True,
    default=DEFAULT_MODE,
)
FILES = ModuleType(
    "files",
    keys_of(
        "files",
        "Copies files and folders of the repository into the image.",
        {
            "files": Many(
                Record(
                    {
                        "src": line_of("A file, or a folder with a slash at its end, from the root of the repository."),
                        "dst": line_of("Where it goes in the image."),
                        "mode": MODE,
                    },
                    open=True,
                ),
                "What goes where.",
            )
        },
    ),
    _emit,
    _doubts,
)
