"""Which of the two languages a recipe is written in.

Most recipes tell by a key or a module type that only one of them has. The rest, such as a recipe that breaks off after
its name, is Exousia's, whose messages then say what is missing.
"""

import re
from collections.abc import Iterator

from services.builds.recipes.document import Document, List, Map, Node, Scalar
from services.builds.recipes.recipe import Dialect

_SCHEMA = re.compile(r"^#[^\n]*\$schema\s*=\s*\S*(?P<dialect>blue-?build|exousia)", re.MULTILINE | re.IGNORECASE)
_LOOKED_AT = 4_000  # characters at the beginning of the text; the comment that names a schema stands on top

_BLUEBUILD_KEYS = frozenset({
    "alt-tags", "blue-build-tag", "cosign-version", "nushell-version", "platforms", "stages", "spec", "base",
})  # fmt: skip
_EXOUSIA_KEYS = frozenset({"image-type", "desktop", "build"})
_BLUEBUILD_TYPES = frozenset({
    "akmods", "apk", "apt", "bling", "brew", "containerfile", "copy", "dnf", "fonts", "gnome-extensions",
    "gschema-overrides", "initramfs", "justfiles", "kargs", "os-release", "pacman", "soar", "yafti", "zypper",
})  # fmt: skip
_EXOUSIA_TYPES = frozenset({"package-loader", "sddm-themes", "git-clone", "github-install"})
_BLUEBUILD_MODULE_KEYS = frozenset({
    "no-cache", "env", "secrets", "source", "snippets", "keys", "optfix", "replace",
})  # fmt: skip
_EXOUSIA_MODULE_KEYS = frozenset({
    "condition", "config-manager", "install-conditional", "cosign-key", "policy-file", "default-target",
})  # fmt: skip
_SCRIPT_FILE = re.compile(r"[A-Za-z0-9_./-]+\.(?:sh|bash|nu|py)", re.ASCII)


def detect(document: Document) -> Dialect:
    """Tell the dialect of a recipe: the schema that it names, else the one with more marks, else Exousia's."""
    named = _SCHEMA.search(document.text, 0, _LOOKED_AT)
    if named:
        return Dialect.EXOUSIA if named["dialect"].lower() == "exousia" else Dialect.BLUEBUILD
    if not isinstance(document.root, Map):
        return Dialect.EXOUSIA
    marks = list(_marks(document.root))
    blue = marks.count(Dialect.BLUEBUILD)
    return Dialect.BLUEBUILD if blue > len(marks) - blue else Dialect.EXOUSIA


def _marks(root: Map) -> Iterator[Dialect]:
    yield from _known(root, _EXOUSIA_KEYS, _BLUEBUILD_KEYS)
    modules = root.get("modules")
    # Both keys are BlueBuild's duty; Exousia has them too, so what the modules look like has to tell.
    may_be_blue = "base-image" in root and "image-version" in root
    for module in modules.items if isinstance(modules, List) else ():
        if isinstance(module, Map):
            yield from _marks_of_module(module, may_be_blue=may_be_blue)


def _marks_of_module(module: Map, *, may_be_blue: bool) -> Iterator[Dialect]:
    kind = module.get("type")
    name, at, _ = (kind.text if isinstance(kind, Scalar) else "").partition("@")
    if at or name in _BLUEBUILD_TYPES:
        yield Dialect.BLUEBUILD
    elif name in _EXOUSIA_TYPES:
        yield Dialect.EXOUSIA
    yield from _known(module, _EXOUSIA_MODULE_KEYS, _BLUEBUILD_MODULE_KEYS)
    if name == "files":
        for entry in _items(module.get("files")):
            if isinstance(entry, Map):
                yield from _known(entry, frozenset({"src", "dst"}), frozenset({"source", "destination"}))
    if name == "rpm-ostree" and any(
        isinstance(repo, Scalar) and repo.text.endswith(".repo") for repo in _items(module.get("repos"))
    ):
        yield Dialect.BLUEBUILD  # Exousia's repos are packages
    if name == "default-flatpaks":
        yield from _known(module, frozenset(), frozenset({"system", "user"}))
    if name == "signing" and may_be_blue and len(module.entries) == 1:
        yield Dialect.BLUEBUILD  # Exousia's says which key
    if name == "script" and may_be_blue:
        scripts = [script.text for script in _items(module.get("scripts")) if isinstance(script, Scalar)]
        if scripts and all(map(_SCRIPT_FILE.fullmatch, scripts)):
            yield Dialect.BLUEBUILD


def _known(node: Map, exousia: frozenset[str], bluebuild: frozenset[str]) -> Iterator[Dialect]:
    if not exousia.isdisjoint(node.entries):
        yield Dialect.EXOUSIA
    if not bluebuild.isdisjoint(node.entries):
        yield Dialect.BLUEBUILD


def _items(node: Node | None) -> tuple[Node, ...]:
    return node.items if isinstance(node, List) else ()
