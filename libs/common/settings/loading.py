"""Load groups of settings: defaults < YAML file named by SLIPWAY_CONFIG < `.env` < environment."""

import difflib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from libs.common.errors import SettingsError
from libs.common.settings.fields import Field, Secret, Settings, fields, kind_name
from libs.common.settings.sources import Given, Source, from_dotenv, from_environment, from_yaml

DOTENV = Path(".env")  # in the folder where the process starts
_CONFIG = "SLIPWAY_CONFIG"
# A GitHub App's private key takes 3 KB; whatever is larger than this is not a secret but a wrong path.
_SECRET_FILE_MAX_BYTES = 64 * 1024

G = TypeVar("G", bound=Settings)


class Loaded:
    """The groups that `load` made: `loaded[CoreSettings]`, or unpacked in the order they were asked for."""

    def __init__(self, groups: Sequence[Settings]) -> None:
        self._groups = {type(group): group for group in groups}

    def __getitem__(self, group: type[G]) -> G:
        return cast("G", self._groups[group])

    def __iter__(self) -> Iterator[Any]:
        return iter(self._groups.values())


@dataclass(frozen=True)
class Row:
    """A setting as the documentation shows it; `default` is empty where there is none."""

    name: str
    aliases: tuple[str, ...]
    type: str
    default: str
    doc: str
    secret: bool


def read_sources(environ: Mapping[str, str] | None = None, dotenv: Path | None = DOTENV) -> list[Source]:
    """Read all places where settings may stand, the strongest first.

    `environ` None means this process's environment; `dotenv` None, or a file that does not exist, means no such file.
    A file that is there and cannot be read is a problem of its source, reported by `load`.
    """
    sources = [from_environment(os.environ if environ is None else environ)]
    if dotenv is not None and dotenv.exists():
        sources.append(_from_file(dotenv, from_dotenv))
    config = next((source.values[_CONFIG] for source in sources if _CONFIG in source.values), None)
    if config is not None:
        sources.append(_from_file(Path(config.text), from_yaml, f"{_CONFIG} ({config.where}): "))
    return sources


def _from_file(path: Path, parse: Callable[[str, str], Source], blame: str = "") -> Source:
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        return Source({}, [f"{blame}cannot read {path}: {_reason(error)}"])


def given(name: str, sources: Sequence[Source]) -> bool:
    """Tell whether a person has set `name` (or `name`_FILE) anywhere, whatever the value."""
    return any(variant in source.values for source in sources for variant in (name, f"{name}_FILE"))


def load(
    *groups: type[Settings],
    environ: Mapping[str, str] | None = None,
    dotenv: Path | None = DOTENV,
    known: Sequence[type[Settings]] = (),
) -> Loaded:
    """Fill each group from `read_sources(environ, dotenv)`.

    `known` are the groups of other processes that share the YAML file: their names are no typing errors there. When
    `known` is empty, unknown names of the file are not looked for.
    Raises SettingsError with one line for each wrong, missing, contradictory or unknown setting, all at once.
    """
    layers = read_sources(environ, dotenv)
    problems = [problem for source in layers for problem in source.problems]
    if known:
        problems += _unknown(layers, (*groups, *known))
    loaded = [_fill(group, layers, problems) for group in groups]
    if problems:
        raise SettingsError(list(dict.fromkeys(problems)))
    return Loaded([group for group in loaded if group is not None])


def _fill(group: type[Settings], layers: Sequence[Source], problems: list[str]) -> Settings | None:
    """Make one group; None, and lines in `problems`, when it cannot be made."""
    values: dict[str, Any] = {}
    places: dict[str, Given] = {}
    found_before = len(problems)
    for field in fields(group):
        try:
            named = _find(field, layers)
            if named is not None:
                name, places[field.setting.name] = named
                values[field.attribute] = _parse(field, name, places[field.setting.name])
            elif field.default is msgspec.NODEFAULT:
                problems.append(f"{field.setting.name}: must be set ({field.setting.doc})")
        except ValueError as error:
            problems.append(str(error))
    if len(problems) > found_before:
        return None
    instance = group(**values)
    for name, wanted in instance.conflicts():
        place = places.get(name)
        problems.append(f"{name} ({place.where if place else 'default'}): {wanted}")
    return instance


def _find(field: Field, layers: Sequence[Source]) -> tuple[str, Given] | None:
    """Find the strongest source that names the field and the name it uses there; ValueError when it uses two."""
    names = [*field.names, *(f"{name}_FILE" for name in field.names if field.secret)]
    for source in layers:
        used = [name for name in names if name in source.values]
        if len({source.values[name].text for name in used}) > 1:
            raise ValueError(
                f"{' and '.join(used)} ({source.values[used[0]].where}): say different things for one setting; keep one"
            )
        if used:
            return used[0], source.values[used[0]]
    return None


def _parse(field: Field, name: str, place: Given) -> Any:
    """Turn the given text, or the file it names, into the field's value; ValueError is the whole error line."""
    text = place.text
    if name not in field.names:
        text = _read_secret(name, place)
    try:
        return field.parse(text)
    except ValueError as error:
        shown = "" if field.secret else f" = {place.text.strip()!r}"
        raise ValueError(f"{name}{shown} ({place.where}): {error}") from None


def _read_secret(name: str, place: Given) -> str:
    path = Path(place.text.strip())
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_SECRET_FILE_MAX_BYTES + 1).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{name} ({place.where}): cannot read {path}: {_reason(error)}") from None
    if not text.strip() or len(text) > _SECRET_FILE_MAX_BYTES:
        raise ValueError(f"{name} ({place.where}): {path} must hold 1 byte to {_SECRET_FILE_MAX_BYTES // 1024} KB")
    return text


def _unknown(layers: Sequence[Source], groups: Sequence[type[Settings]]) -> Iterator[str]:
    names = {_CONFIG}
    for field in (field for group in groups for field in fields(group)):
        names.update(field.names)
        if field.secret:
            names.update(f"{name}_FILE" for name in field.names)
    for source in layers:
        for name in source.values.keys() - names if source.closed else ():
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            yield f"{name} ({source.values[name].where}): is not a setting{hint}"


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "not UTF-8 text"


def secrets_of(*groups: Settings) -> Iterator[str]:
    """Yield the value of every secret in loaded groups, for the log's mask."""
    for group in groups:
        for field in fields(type(group)):
            value = getattr(group, field.attribute)
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, Secret) and part:
                    yield part.reveal()


def describe(*groups: type[Settings]) -> Iterator[Row]:
    """Yield a row per setting, in the order they are written."""
    for field in (field for group in groups for field in fields(group)):
        what = field.setting
        default = _default_text(field.default)
        yield Row(what.name, what.aliases, kind_name(field.kind), default, what.doc, field.secret)


def markdown(*groups: type[Settings]) -> str:
    """Render the groups as the documentation's table: name, default, meaning."""
    return table(describe(*groups))


def table(rows: Iterable[Row]) -> str:
    """Render rows as Markdown, in their order."""
    lines = ["| setting | default | meaning |", "|---|---|---|"]
    for row in rows:
        names = ", ".join(f"`{name}`" for name in (row.name, *row.aliases))
        default = f"`{row.default}`" if row.default else ""
        file = f", or a file: `{row.name}_FILE`" if row.secret else ""
        lines.append(f"| {names} | {default} | {row.doc} ({row.type}{file}) |")
    return "\n".join(lines) + "\n"


def _default_text(default: Any) -> str:
    match default:
        case None | msgspec.NODEFAULT:
            return ""
        case bool():
            return str(default).lower()
        case float():
            return f"{default:g}"
        case tuple():
            return ",".join(map(str, default))
        case Secret():
            return default.reveal()  # a default is printed in the documentation: it cannot be a secret
        case _:
            return str(default)
