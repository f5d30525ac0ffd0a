"""A document -> what Exousia's recipe says, and everything that is to be said about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.builds.recipes import conditions
from services.builds.recipes.document import Document, Entry, List, Map, Node, Scalar, data_of
from services.builds.recipes.exousia.entries import INCLUDE, Module, modules_of
from services.builds.recipes.exousia.modules import MODULE_TYPES
from services.builds.recipes.files import RecipeFiles
from services.builds.recipes.images import IMAGE_TYPES, is_latest, is_reference, is_tag
from services.builds.recipes.notes import Notes
from services.builds.recipes.shapes import Either, Flag, Record, Table, Text, check, kind, near

REQUIRED = ("name", "description", "modules")

_NULLABLE = Text("Its name.", pattern=r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}|", expected="a name")
TOP_LEVEL = Record(
    {
        "name": Text("Name of the image.", numbers=True),
        "description": Text("What it is for.", numbers=True),
        "image-version": Text("Release of Fedora: a tag of the base image, such as 43.", numbers=True),
        "base-image": Text("Another base image; the version is appended where it has neither tag nor digest."),
        "image-type": Text(
            "Which of the known base images it starts from.",
            pattern=r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
            expected="the name of an image type, such as fedora-bootc",
        ),
        "desktop": Record(
            {
                "window_manager": _NULLABLE,
                "desktop_environment": _NULLABLE,
                "include_common": Flag("Whether package-loader takes the shared lists too.", default=True),
            },
            "The desktop, for conditions and package lists.",
            open=True,
        ),
        "labels": Table(
            Either((Text(numbers=True), Flag())),
            "Labels of the image.",
            keys=r"[A-Za-z0-9][A-Za-z0-9._/-]*",
            expected="of letters, digits and . _ / -",
        ),
        "build": Record(
            {
                "enable_plymouth": Flag("The boot splash; fedora-bootc only.", default=True),
                "enable_rke2": Flag("For conditions.", default=False),
                "use_upstream_sway_config": Flag("For conditions.", default=False),
                "enable_zfs": Flag("For conditions.", default=False),
            },
            "Switches that conditions ask for.",
            open=True,
        ),
    },
    open=True,
)
"""The keys beside `modules`; others are tolerated, as upstream does."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What was read. `keys` are the plain values of the top level beside `modules`; they have their shape."""

    keys: Mapping[str, Any] = field(default_factory=dict)
    modules: tuple[Module, ...] = ()


def read(document: Document, files: RecipeFiles, notes: Notes) -> Recipe:
    """Read a recipe. When `notes` has errors afterwards, what is returned is not to be used."""
    root = document.root
    if not isinstance(root, Map):
        found = "is empty" if root is None else f"is {kind(root)}"
        notes.error(f"The recipe {found}; expected a dictionary with name, description and modules", root)
        return Recipe()
    for key in REQUIRED:
        if key not in root:
            notes.error(f"Missing required field: {key}", root)
    top = present(root)
    if "name" in root and "name" not in top:
        notes.error("name must be text, not empty", root.get("name"))
    for finding in check(TOP_LEVEL, top):
        notes.error(f"{finding.path} {finding.what}".strip(), finding.at)
    _check_images(top, notes)
    modules: list[Module] = []
    entries = root.get("modules")
    if isinstance(entries, List):
        modules = modules_of(entries, files, notes)
    elif entries is not None:
        notes.error("'modules' must be a list", entries)
    for module in modules:
        _check_module(module, notes)
    keys = {key: data_of(entry.value) for key, entry in top.entries.items() if key != "modules"}
    return Recipe(keys, tuple(modules))


def present(node: Map) -> Map:
    """Return a mapping without the keys that hold null, at any depth: they are as good as absent."""
    entries = {
        key: Entry(entry.key, _present(entry.value))
        for key, entry in node.entries.items()
        if not (isinstance(entry.value, Scalar) and entry.value.value is None)
    }
    return Map(entries, node.line, node.column)


def _present(node: Node) -> Node:
    match node:
        case Map():
            return present(node)
        case List():
            return List(tuple(map(_present, node.items)), node.line, node.column)
        case _:
            return node


def _check_images(top: Map, notes: Notes) -> None:
    base, version, image_type = (top.get(key) for key in ("base-image", "image-version", "image-type"))
    if isinstance(base, Scalar) and not is_reference(base.text):
        notes.error("base-image must be the reference of an image, such as quay.io/fedora/fedora-bootc", base)
    elif isinstance(base, Scalar) and is_latest(base.text):
        notes.warning("base-image has the tag latest, so that two builds may differ; give a version or a digest", base)
    if isinstance(version, Scalar) and not is_tag(version.text):
        notes.error("image-version must be the tag of an image, such as 43", version)
    elif isinstance(version, Scalar) and version.text == "latest":
        notes.warning("image-version is latest, so that two builds may differ; give a release", version)
    if isinstance(image_type, Scalar) and image_type.text not in IMAGE_TYPES:
        hint = near(image_type.text, IMAGE_TYPES)
        notes.warning(f"image-type {image_type.text!r} is not known, fedora-bootc takes its place{hint}", image_type)


def _check_module(module: Module, notes: Notes) -> None:
    place, known = module.place, MODULE_TYPES.get(module.type)
    if not notes.has_enough_warnings:
        _doubt_head(module, notes)
    if module.keys is None or known is None:
        return
    keys = present(module.keys)
    findings = list(check(known.shape, keys))
    for finding in findings:
        place.error(notes, f"{finding.path} {finding.what}".strip(), finding.at)
    for finding in known.doubts(keys) if not findings else ():
        place.warning(notes, f"{finding.path} {finding.what}".strip(), finding.at)
    for key, entry in keys.entries.items():
        if key not in known.shape.fields and not notes.has_enough_warnings:
            hint = near(key, tuple(known.shape.fields))
            place.warning(notes, f"the key {key!r} has no meaning here{hint}", entry.key)


def _doubt_head(module: Module, notes: Notes) -> None:
    """Warn of conditions that never hold, and of a file or a type that is not known."""
    for condition in module.conditions:
        for doubt in conditions.doubts(conditions.parse(condition.text)):
            module.place.warning(notes, f"condition: {doubt}", condition)
    if module.keys is None:
        what = f"Slipway does not know the file; {INCLUDE} can only be checked where it is"
        module.place.warning(notes, what)
    elif module.type not in MODULE_TYPES:
        what = f"Unknown module type: {module.type}{near(module.type, tuple(MODULE_TYPES))}"
        module.place.warning(notes, what, module.keys)
