"""Package lists: which packages and groups belong to a window manager, a desktop or every image.

metadata: {name: ..., type: ..., description: ..., homepage: ...}    # for people
groups: [kde-desktop-environment]
any-other-key: [package, package]                                    # as many as one likes; they are joined
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from services.builds.recipes.document import List, Map, Node, Scalar, Unreadable, parse

# rpm(8): names, with `.arch`, `-version` and globs; never an option, never two words.
_PACKAGE = re.compile(r"[A-Za-z0-9@/][A-Za-z0-9._+*?:/~^@-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class PackageList:
    """The names in a list, in its order, each once; `groups` without their `@`."""

    groups: tuple[str, ...]
    packages: tuple[str, ...]


@lru_cache(maxsize=32)  # as many as are shipped, about; a list is parsed for each image that uses it
def read_list(text: str) -> PackageList:
    """Read a package list.

    Raises Unreadable.
    """
    root = parse(text).root
    if not isinstance(root, Map):
        raise Unreadable("expected a mapping of lists")
    named = {key: tuple(_names(key, entry.value)) for key, entry in root.entries.items() if key != "metadata"}
    groups = named.pop("groups", ())
    packages = (name for names in named.values() for name in names)
    return PackageList(tuple(dict.fromkeys(name.removeprefix("@") for name in groups)), tuple(dict.fromkeys(packages)))


def _names(key: str, node: Node) -> Iterator[str]:
    if isinstance(node, Scalar) and node.value is None:
        return
    if not isinstance(node, List):
        raise Unreadable(f"{key} must be a list (line {node.line})")
    for item in node.items:
        if not isinstance(item, Scalar) or not _PACKAGE.fullmatch(item.text):
            raise Unreadable(f"{key} must hold names of packages (line {item.line})")
        yield item.text
