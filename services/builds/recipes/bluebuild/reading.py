"""A document -> the problems of a recipe, or the recipe with its includes expanded."""

from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from services.builds.recipes.bluebuild.expansion import Expansion, Placed, Spot, problems_of
from services.builds.recipes.bluebuild.module import CannotTranspile, Image, Module
from services.builds.recipes.bluebuild.modules import TYPES
from services.builds.recipes.bluebuild.shape import RECIPE
from services.builds.recipes.document import Document, Map, Node, Scalar, data_of
from services.builds.recipes.files import RecipeFiles
from services.builds.recipes.images import is_latest, is_reference, with_version
from services.builds.recipes.problem import Problem, Severity
from services.builds.recipes.recipe import Dialect, Options, Resolved, ResolvedModule, TranspilationFailed
from services.builds.recipes.shapes import check

MAX_PROBLEMS = 100  # a person mends the first few and tries again

_SECRETS = "`secrets` are handed over by the command that builds, which a Containerfile cannot say"
_TOMORROW = "{} is another image tomorrow; a version or digest keeps it"
_VERSION_2 = (
    "This is a recipe of BlueBuild's version 2; Slipway reads version 1: base.image becomes base-image and "
    "image-version, metadata.name and metadata.description become name and description, metadata.tags alt-tags"
)


@dataclass(frozen=True, slots=True)
class Stage:
    """An image that is made on the way. `shell` None: the image's own. `modules` and `places` belong together."""

    name: str
    base: str
    platform: str | None
    shell: str | list[str] | None
    modules: tuple[Module, ...]
    places: tuple[Placed, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A valid recipe, expanded."""

    name: str
    description: str
    base: str
    labels: dict[str, str]
    stages: tuple[Stage, ...]
    modules: tuple[Module, ...]
    places: tuple[Placed, ...]


def validate(document: Document, files: RecipeFiles) -> list[Problem]:
    """Return every problem in the order of the text, at most MAX_PROBLEMS of them."""
    problems = _problems(document, files, unread_is_error=False)
    return sorted(problems, key=lambda problem: (problem.line or 0, problem.column or 0))[:MAX_PROBLEMS]


def read(document: Document, files: RecipeFiles) -> Recipe:
    """Return the recipe with its includes expanded. Raises TranspilationFailed for one that is not valid."""
    problems = _problems(document, files, unread_is_error=True)
    if any(problem.severity == "error" for problem in problems) or not isinstance(document.root, Map):
        raise TranspilationFailed([problem for problem in problems if problem.severity == "error"][:MAX_PROBLEMS])
    root, expansion = document.root, Expansion(files)
    name, base = _text(root, "name"), reference(root)
    stages = tuple(_stage(placed, expansion, files) for placed in expansion.stages(root))
    places = tuple(expansion.modules(root))
    return Recipe(
        name,
        _text(root, "description"),
        base,
        {key: str(value) for key, value in _data(root.get("labels")).items()},
        stages,
        _modules(places, Image(name, base, files)),
        places,
    )


def resolve(document: Document, options: Options, files: RecipeFiles) -> Resolved:
    """Show the modules as they run, those of the stages left out; a dropped one is one that cannot be transpiled.

    `options` say nothing here: the recipe names its base image. Raises TranspilationFailed for one that is not valid.
    """
    del options
    recipe = read(document, files)
    resolved = []
    for module, placed in zip(recipe.modules, recipe.places, strict=True):
        why = why_not(module)
        resolved.append(
            ResolvedModule(
                number=module.number,
                type=_text(placed.node, "type"),
                from_file=placed.file,
                kept=why is None,
                why=f"cannot be transpiled: {why}" if why else None,
                condition=None,
                body={key: value for key, value in module.keys.items() if key != "type"},
            )
        )
    return Resolved(Dialect.BLUEBUILD, None, recipe.base, tuple(resolved))


def instructions(module: Module) -> list[str]:
    """Return the instructions of a module. Raises CannotTranspile."""
    if "source" in module.keys:
        raise CannotTranspile(f"its code is in {module.keys['source']!r}, and runs only with BlueBuild's own builder")
    if module.keys.get("secrets"):
        raise CannotTranspile(_SECRETS)
    kind = TYPES[module.type]
    if kind.emit is None:
        raise CannotTranspile(kind.needs)
    return list(kind.emit(module))


def why_not(module: Module) -> str | None:
    """Say why a module cannot be transpiled; None when it can."""
    try:
        instructions(module)
    except CannotTranspile as reason:
        return str(reason)
    return None


def reference(root: Map) -> str:
    """Return the base image with its tag, and with the digest that either of both keys may have."""
    image, version = _text(root, "base-image"), _text(root, "image-version")
    name, at, digest = image.partition("@")
    return f"{name}:{version}" + (f"{at}{digest}" if digest and "@" not in version else "")


# --- problems ---


def _problems(document: Document, files: RecipeFiles, *, unread_is_error: bool) -> list[Problem]:
    root = document.root
    if root is None:
        return [Problem("error", "The recipe is empty")]
    if _is_version_2(root):
        return [Problem("error", _VERSION_2, root.line, root.column)]
    # Cut here already: each finding may compare a word with all that are known, and a text can hold 20,000.
    problems = list(islice(problems_of(check(RECIPE, root)), MAX_PROBLEMS))
    if not isinstance(root, Map):
        return problems
    expansion = Expansion(files)
    if not problems:  # what is not a recipe is not expanded: each of its problems would be said twice
        problems += _images(root, expansion)
        problems += expansion.problems
        severity: Severity = "error" if unread_is_error else "warning"
        problems += [replace(problem, severity=severity) for problem in expansion.unread]
    return problems


def _is_version_2(root: Node | None) -> bool:
    """Say whether this is a recipe of version 2, which has its base image below `base`."""
    return isinstance(root, Map) and "base-image" not in root and ("base" in root or "metadata" in root)


def _images(root: Map, expansion: Expansion) -> Iterator[Problem]:
    """Expand the whole recipe, and look at the names of its stages and at the images that it takes things from."""
    base = root.get("image-version") or root
    yield from _image(reference(root), base, "The base image")
    names = {"scratch"}  # and those of the stages before
    for stage in expansion.stages(root):
        name, image, origin = _text(stage.node, "name"), _text(stage.node, "from"), stage.node.get("from")
        if name in names:
            yield stage.spot.problem(f"a second stage is named {name!r}")
        if origin is not None and image not in names:
            yield from _image(image, origin if stage.file is None else stage.spot, stage.spot.label)
        yield from _sources(expansion.modules_of(stage), names)
        names.add(name)
    yield from _sources(expansion.modules(root), names)


def _sources(places: list[Placed], stages: Container[str]) -> Iterator[Problem]:
    """Warn of copies from `latest`, and from a stage that is not there: one word alone is hardly an image."""
    for placed in places:
        source = _text(placed.node, "from")
        is_word = bool(source) and not set("/:@.") & set(source)
        if _text(placed.node, "type").partition("@")[0] == "copy" and is_word and source not in stages:
            yield placed.spot.problem(f"copies from {source!r}, which is no stage before it", "warning")
        elif source not in stages and is_latest(with_version(source, "latest")):
            yield placed.spot.problem(_TOMORROW.format(source), "warning")


def _image(image: str, at: Node | Spot, who: str) -> Iterator[Problem]:
    if not is_reference(image):
        yield Problem("error", f"{who}: {image!r} is no reference of an image", at.line, at.column)
    elif is_latest(with_version(image, "latest")):
        yield Problem("warning", f"{who}: {_TOMORROW.format(image)}", at.line, at.column)


# --- nodes -> values ---


def _stage(placed: Placed, expansion: Expansion, files: RecipeFiles) -> Stage:
    node = placed.node
    places = tuple(expansion.modules_of(placed))
    name, base, platform = _text(node, "name"), _text(node, "from"), node.get("platform")
    shell: Any = data_of(node.get("shell"))
    return Stage(
        name,
        base,
        _text(node, "platform") if platform else None,
        shell,
        _modules(places, Image(name, base, files)),
        places,
    )


def _modules(places: tuple[Placed, ...], image: Image) -> tuple[Module, ...]:
    modules = []
    for number, placed in enumerate(places, start=1):
        name, _, version = _text(placed.node, "type").partition("@")
        modules.append(Module(number, name, version or None, _data(placed.node), image))
    return tuple(modules)


def _text(node: Map, key: str) -> str:
    value = node.get(key)
    return value.text if isinstance(value, Scalar) else ""


def _data(node: Node | None) -> dict[str, Any]:
    value = data_of(node)
    return value if isinstance(value, dict) else {}
