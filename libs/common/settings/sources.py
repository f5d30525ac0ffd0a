"""Where settings are written: the environment, a `.env` file, a YAML file. Pure parsing; the order is the loader's.

Every source gives the same shape: name -> Given(text, where), with `where` fit for an error line
("environment", ".env line 3", "slipway.yaml line 7"), plus the lines that could not be read at all.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_DOUBLE_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(?:#.*)?')
_SINGLE_QUOTED = re.compile(r"'([^']*)'\s*(?:#.*)?")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True)
class Given:
    """A value as somebody wrote it, and where."""

    text: str
    where: str


@dataclass(frozen=True)
class Source:
    """One layer. `closed` = every name in it has to be a setting of ours (true for the YAML file only)."""

    values: Mapping[str, Given]
    problems: list[str] = field(default_factory=list)
    closed: bool = False


def from_environment(environ: Mapping[str, str]) -> Source:
    """Take the environment. Empty is "not set": that is what Compose passes on for `${NAME:-}`."""
    return Source({name: Given(text, "environment") for name, text in environ.items() if text.strip()})


def from_dotenv(content: str, filename: str = ".env") -> Source:
    """Parse `NAME=value` lines, as Compose reads them.

    `export ` in front, blank lines and `#` comments are fine; a value may stand in single quotes (taken literally) or
    double quotes (with \\n, \\t, \\r, \\" and \\\\). A bare value ends at ` #`. There are no values over several lines
    and `$NAME` is not expanded. The last of several lines for a name wins; an empty value is "not set".
    """
    values: dict[str, Given] = {}
    problems: list[str] = []
    for number, line in enumerate(content.splitlines(), start=1):
        where = f"{filename} line {number}"
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        text = None if match is None else _dotenv_value(match[2])
        if match is None or text is None:
            problems.append(f"{where}: must be NAME=value, with quotes closed on the same line")
        elif text.strip():
            values[match[1]] = Given(text, where)
        else:
            values.pop(match[1], None)
    return Source(values, problems)


def _dotenv_value(text: str) -> str | None:
    """Unquote a value; None when its quotes do not close."""
    if text.startswith('"'):
        match = _DOUBLE_QUOTED.fullmatch(text)
        return match and re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), match[1])
    if text.startswith("'"):
        match = _SINGLE_QUOTED.fullmatch(text)
        return match and match[1]
    return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].strip()


def from_yaml(content: str, filename: str) -> Source:
    """Parse a flat YAML mapping of setting names (upper or lower case) to scalars or lists of scalars.

    Scalars are taken as they are written (`0123` stays `0123`, `on` stays `on`), so a value means the same here and
    in the environment. Empty, `~` and `null` are "not set".
    """
    import yaml  # noqa: PLC0415 - 20 ms that only who has such a file pays

    source = Source({}, closed=True)
    try:
        root = yaml.compose(content, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        return Source({}, [f"{filename}: not valid YAML: {' '.join(str(error).split())}"], closed=True)
    if root is None:
        return source
    if not isinstance(root, yaml.MappingNode):
        return Source({}, [f"{filename}: must be a mapping of setting names to values"], closed=True)
    values: dict[str, Given] = {}
    for key, node in root.value:
        where = f"{filename} line {key.start_mark.line + 1}"
        items = node.value if isinstance(node, yaml.SequenceNode) else [node]
        if not isinstance(key, yaml.ScalarNode) or not all(isinstance(item, yaml.ScalarNode) for item in items):
            source.problems.append(f"{where}: must be a setting's name with a value or a list of values")
            continue
        name = key.value.upper()
        if name in values:
            source.problems.append(f"{name} ({where}): is already set by {values[name].where}")
        text = ",".join(item.value for item in items)
        if text.strip() not in ("", "~", "null"):
            values[name] = Given(text, where)
    return Source(values, source.problems, closed=True)
