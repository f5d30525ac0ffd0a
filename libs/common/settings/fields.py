"""One setting: its name in the environment, what it means, and how its text becomes a value.

A group of settings is a frozen struct whose fields carry this description:

    class CoreSettings(Settings):
        log_level: Annotated[Literal["debug", "info"], setting("LOG_LEVEL", "least level that is logged")] = "info"

The field's type says which texts are allowed (`str`, `int`, `float`, `bool`, `Path`, `Secret`, `Literal[...]`,
`tuple[str, ...]` for comma-separated lists, each also `| None`), so name, unit, default, limits and documentation
stand in one place: loader, error lines and the README's table all read them there.
"""

import math
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


class Settings(msgspec.Struct, frozen=True):
    """Base of every group. A group is read once, at the start, and passed on as an argument."""

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Yield (setting's name, what it has to be) for values that are allowed alone but not together."""
        yield from ()


class Secret:
    """A text that never shows itself: `repr`, `str`, f-strings and logs give asterisks; `reveal()` the value.

    It cannot be encoded as JSON (msgspec and json refuse unknown types), so it does not slip into an answer either.
    Empty is false, as for `str`.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret('********')" if self._value else "Secret('')"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True)
class Setting:
    """What `setting()` writes beside a field's type."""

    name: str
    doc: str
    aliases: tuple[str, ...] = ()
    ge: float | None = None
    le: float | None = None
    convert: Callable[[str], str] | None = None


def setting(
    name: str,
    doc: str,
    *,
    aliases: tuple[str, ...] = (),
    ge: float | None = None,
    le: float | None = None,
    convert: Callable[[str], str] | None = None,
) -> Setting:
    """Describe a field of a group.

    `name` is the environment variable; `aliases` are further documented names of the same thing. `doc` says meaning,
    unit and how to turn it off, in a few words. `ge` and `le` bound numbers, both ends included. `convert` rewrites a
    given text before it is kept (not the default) and raises ValueError with what is allowed: "must be ...".
    """
    return Setting(name, doc, aliases, ge, le, convert)


@dataclass(frozen=True)
class Field:
    """A described field of a group, taken apart: `kind` is the type without `| None`."""

    attribute: str
    setting: Setting
    kind: Any
    default: Any  # msgspec.NODEFAULT where the setting must be given

    @property
    def secret(self) -> bool:
        return self.kind is Secret or self.kind == tuple[Secret, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return (self.setting.name, *self.setting.aliases)

    def parse(self, text: str) -> Any:
        """Turn a given, non-empty text into the field's value; ValueError says what is allowed."""
        text = text.strip()
        if get_origin(self.kind) is tuple:
            item = get_args(self.kind)[0]
            return tuple(self._scalar(part.strip(), item) for part in text.split(",") if part.strip())
        return self._scalar(text, self.kind)

    def _scalar(self, text: str, kind: Any) -> Any:
        if self.setting.convert is not None:
            text = self.setting.convert(text)
        if kind in (int, float):
            return self._number(text, kind)
        if kind is bool:
            return _boolean(text)
        if get_origin(kind) is Literal:
            return _choice(text, get_args(kind))
        return kind(text)

    def _number(self, text: str, kind: type[int] | type[float]) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan  # outside of every range
        low, high = self.setting.ge, self.setting.le
        fits = math.isfinite(value) and (low is None or value >= low) and (high is None or value <= high)
        if not fits:
            raise ValueError(f"must be {_range('a whole number' if kind is int else 'a number', low, high)}")
        return value


def fields(group: type[Settings]) -> Iterator[Field]:
    """Yield the described fields of a group, in the order they are written.

    Raises TypeError for a field without a description: a setting that nobody can look up is a mistake of ours.
    """
    hints = get_type_hints(group, include_extras=True)
    for field in msgspec.structs.fields(group):
        hint = hints[field.name]
        described = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        found = next((note for note in described if isinstance(note, Setting)), None)
        if found is None:
            raise TypeError(f"{group.__name__}.{field.name} has no setting(...) beside its type")
        yield Field(field.name, found, _without_none(get_args(hint)[0]), field.default)


def _without_none(kind: Any) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        (kind,) = (part for part in get_args(kind) if part is not type(None))
    return kind


def _boolean(text: str) -> bool:
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("must be true or false")
    return word in _TRUE


def _choice(text: str, choices: tuple[str, ...]) -> str:
    if text.lower() not in choices:
        raise ValueError(f"must be one of {', '.join(choices)}")
    return text.lower()


def _range(noun: str, low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"{noun} from {low} to {high}"
    if low is not None:
        return f"{noun}, at least {low}"
    return f"{noun}, at most {high}" if high is not None else noun


def kind_name(kind: Any) -> str:
    """Name a field's type for people: `Literal["a", "b"]` is `a, b`, `tuple[str, ...]` is `list`."""
    if get_origin(kind) is Literal:
        return ", ".join(get_args(kind))
    if get_origin(kind) is tuple:
        return "list"
    return {str: "text", int: "whole number", float: "number", bool: "true, false", Path: "path"}.get(kind, "secret")
