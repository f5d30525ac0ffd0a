"""The files that a recipe may name: modules of `from-file`, and package lists."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

_FOLDER = Path(__file__).parent / "definitions"
_PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*(?:/[A-Za-z0-9][A-Za-z0-9._+-]*){0,7}", re.ASCII)
_MAX_PATH = 255  # characters


class RecipeFiles(Protocol):
    """Where named files come from."""

    def read(self, path: str) -> str | None:
        """Return the text of the file at this path, relative to the recipes' root; None when there is none."""


class Shipped:
    """The files that come with Slipway, below `definitions/`. They do not change while a process runs."""

    def read(self, path: str) -> str | None:
        """Return the text of a shipped file; None also for a path that leads out of the folder."""
        return _shipped(path) if is_path(path) else None


@dataclass(frozen=True, slots=True)
class Given:
    """Files given as texts by path, before those of `fallback`. None: there are no others."""

    texts: Mapping[str, str]
    fallback: RecipeFiles | None = None

    def read(self, path: str) -> str | None:
        """Return the text of the file at this path."""
        text = self.texts.get(path)
        return text if text is not None or self.fallback is None else self.fallback.read(path)


SHIPPED = Shipped()


def is_path(path: str) -> bool:
    """Say whether this is a plain relative path.

    Its names are of ASCII letters, digits, `.`, `_`, `+` and `-`, and begin with a letter or digit: no `..`, no `/etc`.
    """
    return len(path) <= _MAX_PATH and _PATH.fullmatch(path) is not None


@cache  # as many entries as there are files: an unknown path never comes here
def _text_of(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def _shipped(path: str) -> str | None:
    file = _FOLDER / path
    return _text_of(file) if file.is_file() else None
