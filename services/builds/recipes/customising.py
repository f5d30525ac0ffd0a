"""What a trigger does to recipes: it picks one that fits what is asked for, and writes what is asked for into it."""

from collections.abc import Iterator
from typing import Any

import yaml

from services.builds.recipes.document import Map, parse
from services.builds.recipes.files import SHIPPED, is_path

_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PREFIX = "fedora-"
# Where a desktop environment has an atomic image of its own, by Fedora's name for that.
_ATOMIC = {"kde": "fedora-kinoite", "plasma": "fedora-kinoite", "gnome": "fedora-silverblue"}
_DEFAULTS = ("default", "sway-bootc")


def pick_definition(
    *,
    os: str | None = None,
    desktop_environment: str | None = None,
    window_manager: str | None = None,
    image_type: str | None = None,
) -> str | None:
    """Return the file name of the shipped definition that fits best; None when not even the last resort is there.

    The order is the desktop environment, `<window manager>-<image type>`, `<os>-<image type>`, the image type, the os,
    then `default` and `sway-bootc`. An image type counts with and without `fedora-`.
    """
    names = _names(os, desktop_environment, window_manager, image_type)
    filenames = (f"{name}.yml" for name in names)
    return next((name for name in filenames if is_path(name) and "/" not in name and SHIPPED.read(name)), None)


def customise(
    text: str,
    *,
    image_version: str | None = None,
    enable_plymouth: bool | None = None,
    window_manager: str | None = None,
    desktop_environment: str | None = None,
) -> str:
    """Return the recipe with these values in it; None leaves what it says.

    Values and their quotes stay as they are written, comments are lost. A text that is no mapping comes back unchanged.
    Raises Unreadable.
    """
    desktop = {"window_manager": window_manager, "desktop_environment": desktop_environment}
    if not isinstance(parse(text).root, Map):  # also keeps what follows within its bounds
        return text
    if image_version is None and enable_plymouth is None and not any(desktop.values()):
        return text
    root = yaml.compose(text.removeprefix("\ufeff"), Loader=_LOADER)
    assert isinstance(root, yaml.MappingNode)
    if image_version is not None:
        _set(root, "image-version", _scalar(image_version))
    if enable_plymouth is not None:
        _set(_below(root, "build"), "enable_plymouth", _scalar("true" if enable_plymouth else "false", "bool"))
    for key, value in desktop.items():
        if value:
            _set(_below(root, "desktop"), key, _scalar(value))
    written: str = yaml.serialize(root, Dumper=_DUMPER, allow_unicode=True)
    return written


def _names(
    os: str | None, desktop_environment: str | None, window_manager: str | None, image_type: str | None
) -> Iterator[str]:
    kinds = [image_type, image_type.removeprefix(_PREFIX)] if image_type else []
    if desktop_environment:
        yield desktop_environment
        yield _ATOMIC.get(desktop_environment.lower(), _PREFIX + desktop_environment)
    if window_manager:
        yield from (f"{window_manager}-{kind}" for kind in kinds)
    if os:
        yield from (f"{os}-{kind}" for kind in kinds)
    yield from kinds
    if os:
        yield os
    yield from _DEFAULTS


def _scalar(text: str, tag: str = "str") -> yaml.ScalarNode:
    style = None if tag == "bool" else '"'
    return yaml.ScalarNode(f"tag:yaml.org,2002:{tag}", text, style=style)


def _below(root: yaml.MappingNode, key: str) -> yaml.MappingNode:
    """Return the mapping under a key, one of its own: an alias may have put the same one elsewhere too."""
    found = next((value for name, value in root.value if name.value == key), None)
    entries = list(found.value) if isinstance(found, yaml.MappingNode) else []
    made = yaml.MappingNode("tag:yaml.org,2002:map", entries, flow_style=False)
    _set(root, key, made)
    return made


def _set(mapping: yaml.MappingNode, key: str, value: yaml.Node) -> None:
    entries: list[tuple[Any, Any]] = mapping.value
    for at, (name, _) in enumerate(entries):
        if name.value == key:
            entries[at] = (name, value)
            return
    entries.append((yaml.ScalarNode("tag:yaml.org,2002:str", key), value))
