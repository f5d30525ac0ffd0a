"""The parts of a Containerfile, quoted as builders read them. Both dialects are put together from these.

https://docs.docker.com/reference/dockerfile/ and containerfile(5). Each function returns one instruction, which may be
of several lines, without the newline at its end.
"""

import json
import re
from collections.abc import Iterable, Mapping

from services.builds.recipes.shell import run

__all__ = ["MAX_LINE_BYTES", "Overlong", "arg", "comment", "copy", "env", "from_", "label", "one_line", "render", "run"]

LINT = "RUN bootc container lint"  # has to come last: it looks at the finished root file system
MAX_LINE_BYTES = 65_535  # BuildKit refuses a longer line

_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./@%+:,~*?{}$][A-Za-z0-9_./@%+:=,~*?{}$-]*", re.ASCII)
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9_./@%+:=,-]+", re.ASCII)
_SPACES = re.compile(r"\s+")
_BREAKS = re.compile(r"[\r\n]+")


class Overlong(ValueError):
    """A line that no builder takes."""


def comment(text: str) -> str:
    """Return a comment of one line."""
    return f"# {one_line(text)}"


def from_(reference: str, *, name: str | None = None, platform: str | None = None) -> str:
    """Begin a stage. `reference` is an image, or the name of an earlier stage."""
    options = f"--platform={platform} " if platform else ""
    return f"FROM {options}{reference}" + (f" AS {name}" if name else "")


def arg(name: str, value: str) -> str:
    """Declare a build argument with its default."""
    return f"ARG {name}={_value(value)}"


def env(name: str, value: str) -> str:
    """Set a variable in the image."""
    return f"ENV {name}={_value(value)}"


def label(key: str, value: str) -> str:
    """Set a label. Line breaks become spaces, since the instruction has no way to write one."""
    return f"LABEL {key if _PLAIN_VALUE.fullmatch(key) and '=' not in key else _quoted(key)}={_quoted(value)}"


def labels(values: Mapping[str, str]) -> list[str]:
    """Set several labels, one instruction each."""
    return [label(key, value) for key, value in values.items()]


def copy(source: str, destination: str, *, mode: str | None = None, stage: str | None = None) -> str:
    """Copy from the build context, or from a stage. `$NAME` and wildcards in paths are the builder's to expand."""
    options = [f"--from={stage}"] if stage else []
    options += [f"--chmod={mode}"] if mode else []
    paths = [source, destination]
    plain = all(_PLAIN_PATH.fullmatch(path) for path in paths)
    # ensure_ascii=False: builders read \uXXXX, but people do not.
    return " ".join(["COPY", *options, *(paths if plain else [json.dumps(paths, ensure_ascii=False)])])


def one_line(text: str) -> str:
    """Return a text with each run of white space as one space, fit for a comment."""
    return _SPACES.sub(" ", text).strip()


def render(blocks: Iterable[Iterable[str]]) -> str:
    """Put blocks of instructions together, an empty line between them.

    Raises Overlong.
    """
    text = "\n\n".join(block for block in ("\n".join(lines) for lines in blocks) if block) + "\n"
    for line in text.split("\n") if len(text) * 4 > MAX_LINE_BYTES else ():
        if len(line) * 4 > MAX_LINE_BYTES and len(line.encode()) > MAX_LINE_BYTES:
            raise Overlong(f"the line that begins with {line[:60]!r} is longer than {MAX_LINE_BYTES} bytes")
    return text


def _value(text: str) -> str:
    return text if _PLAIN_VALUE.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    """Quote a word so that the builder neither splits it nor expands variables in it; a line break becomes a space."""
    return '"' + re.sub(r'(["\\$])', r"\\\1", _BREAKS.sub(" ", text.strip("\r\n"))) + '"'
