"""The systemd module."""

from collections.abc import Iterator

from services.builds.recipes.commands import words
from services.builds.recipes.containerfile import run
from services.builds.recipes.exousia.module import Image, Keys, ModuleType, keys_of
from services.builds.recipes.shapes import Many, Record, Text

_UNIT = Text("A unit.", pattern=r"[A-Za-z0-9:_.\\][A-Za-z0-9:_.\\@-]{0,254}", expected="the name of a unit")


def _emit(keys: Keys, _: Image) -> Iterator[str]:
    commands = []
    if target := keys.get("default-target"):
        commands.append(f"systemctl set-default {words([target])}")
    for scope, option in (("system", ""), ("user", "--global ")):
        if units := keys.get(scope, {}).get("enabled"):
            commands.append(f"systemctl {option}enable {words(units)}")
    if commands and (instruction := run([" && ".join(commands)])):
        yield instruction


def _scope(doc: str) -> Record:
    return Record({"enabled": Many(_UNIT, "Units that start by themselves.")}, doc, open=True)


SYSTEMD = ModuleType(
    "systemd",
    keys_of(
        "systemd",
        "Enables units and sets the default target.",
        {
            "system": _scope("Units of the system."),
            "user": _scope("Units of each user's session."),
            "default-target": _UNIT,
        },
    ),
    _emit,
)
