"""Exousia's dialect: a recipe with conditions, for Fedora's bootc and atomic images.

`reading` says what stands in a recipe and what is wrong with it, `modules/` what each type of module becomes, and this
file puts the Containerfile together.
"""

from collections.abc import Iterable, Iterator

from services.builds.recipes import conditions
from services.builds.recipes.commands import words
from services.builds.recipes.containerfile import LINT, Overlong, arg, comment, env, from_, label, render
from services.builds.recipes.document import Document, data_of
from services.builds.recipes.exousia.entries import Module
from services.builds.recipes.exousia.module import CannotTranspile, Image
from services.builds.recipes.exousia.modules import MODULE_TYPES
from services.builds.recipes.exousia.reading import Recipe, present, read
from services.builds.recipes.files import RecipeFiles
from services.builds.recipes.images import (
    DEFAULT_FEDORA_VERSION,
    DEFAULT_IMAGE_TYPE,
    base_image_of,
    is_bootc,
    is_tag,
    with_version,
)
from services.builds.recipes.notes import Notes
from services.builds.recipes.problem import Problem
from services.builds.recipes.recipe import Dialect, Options, Resolved, ResolvedModule, TranspilationFailed

_SHELL = 'SHELL ["/bin/bash","-o","pipefail","-c"]'
_LOCALE = "en_US.UTF-8"
# An image follows its release, so packages have no versions (DL3041); hadolint forgets SHELL after ENV (SC3040).
_LINTER = "hadolint global ignore=DL3041,SC3040"


def validate(document: Document, files: RecipeFiles) -> list[Problem]:
    """Return what is to be said about a recipe, in the order in which it was found."""
    notes = Notes()
    recipe = read(document, files, notes)
    if not notes.has_errors:
        image = _image(recipe, Options(), files)
        for module in recipe.modules:
            known = MODULE_TYPES.get(module.type)
            try:
                if known and known.reads_files:
                    _instructions(module, image)
            except CannotTranspile as error:  # the file may be there where the image is built
                module.place.warning(notes, str(error))
    return notes.problems


def transpile(document: Document, options: Options, files: RecipeFiles) -> str:
    """Return the Containerfile of a recipe.

    Raises TranspilationFailed, also where a kept module needs a file that is not there.
    """
    notes = Notes()
    recipe = _usable(document, options, files, notes)
    image = _image(recipe, options, files)
    blocks: list[Iterable[str]] = list(_head(recipe, image))
    for number, module in enumerate(recipe.modules, 1):
        if _why_dropped(module, image) is None:
            try:
                blocks.append([comment(f"Module {number}: {module.type}"), *_instructions(module, image)])
            except CannotTranspile as error:
                module.place.error(notes, str(error))
    if options.lint:
        blocks.append([LINT])
    if notes.has_errors:
        raise TranspilationFailed(notes.problems)
    try:
        return render(blocks)
    except Overlong as error:
        raise TranspilationFailed([Problem("error", str(error))]) from error


def resolve(document: Document, options: Options, files: RecipeFiles) -> Resolved:
    """Return the modules with includes expanded and conditions decided. Raises TranspilationFailed."""
    recipe = _usable(document, options, files, Notes())
    image = _image(recipe, options, files)
    modules = []
    for number, module in enumerate(recipe.modules, 1):
        why = _why_dropped(module, image)
        body = data_of(module.keys) if module.keys else {}
        assert isinstance(body, dict)
        body = {key: value for key, value in body.items() if key not in ("type", "condition")}
        modules.append(ResolvedModule(number, module.type, module.from_file, why is None, why, module.condition, body))
    return Resolved(Dialect.EXOUSIA, image.type, _base_image(recipe, image), tuple(modules))


def _usable(document: Document, options: Options, files: RecipeFiles, notes: Notes) -> Recipe:
    recipe = read(document, files, notes)
    for name, text in (("fedora_version", options.fedora_version), ("image_type", options.image_type)):
        if text is not None and not is_tag(text):  # types look like tags, too, and both go into instructions
            notes.error(f"{name} must be one word of letters, digits and . _ -")
    if notes.has_errors:
        raise TranspilationFailed(notes.problems)
    return recipe


def _image(recipe: Recipe, options: Options, files: RecipeFiles) -> Image:
    """Decide what the image is: what the caller says, then the recipe, then the defaults."""
    keys = recipe.keys
    image_type = options.image_type or keys.get("image-type") or DEFAULT_IMAGE_TYPE
    version = options.fedora_version or str(keys.get("image-version", DEFAULT_FEDORA_VERSION))
    build, desktop = keys.get("build", {}), keys.get("desktop", {})
    switches = {"enable_plymouth": True} | {name: build[name] for name in conditions.BOOLEANS if name in build}
    if options.enable_plymouth is not None:
        switches["enable_plymouth"] = options.enable_plymouth
    facts = {"image-type": image_type, "distro": "fedora"}
    facts |= {name: _boolean(switches.get(name, False)) for name in conditions.BOOLEANS}
    facts |= {name: desktop[name] for name in ("desktop_environment", "window_manager") if desktop.get(name)}
    return Image(image_type, version, facts, desktop.get("include_common", True), files)


def _base_image(recipe: Recipe, image: Image) -> str:
    given = recipe.keys.get("base-image")
    return with_version(given, image.version) if given else base_image_of(image.type, image.version)


def _head(recipe: Recipe, image: Image) -> Iterator[list[str]]:
    """Yield the blocks that stand before the modules."""
    bootc = is_bootc(image.type)
    plymouth, rke2 = image.facts["enable_plymouth"], image.facts["enable_rke2"]
    yield [
        comment(f"Generated from {recipe.keys['name']}.yml"),
        comment("Do not edit: change the recipe and generate again."),
        comment(f"Generated for image type {image.type}"),
        comment(_LINTER),
    ]
    yield [
        arg("FEDORA_VERSION", image.version),
        *([arg("ENABLE_PLYMOUTH", plymouth)] if bootc else []),
        arg("ENABLE_RKE2", rke2),
    ]
    yield [from_(_base_image(recipe, image)), _SHELL]
    yield [label(key, _text(value)) for key, value in recipe.keys.get("labels", {}).items()]
    variables = {"BUILD_IMAGE_TYPE": image.type, "ENABLE_RKE2": rke2, "enable_rke2": rke2}
    if bootc:
        variables["ENABLE_PLYMOUTH"] = plymouth
    yield [env(name, value) for name, value in variables.items()]
    lines = [f"{name}={value}" for name, value in {**variables, "LANG": _LOCALE, "LC_ALL": _LOCALE}.items()]
    yield [f"RUN printf '%s\\n' {words(lines)} >> /etc/environment"]


def _why_dropped(module: Module, image: Image) -> str | None:
    condition = module.condition
    return None if condition is None else conditions.why_dropped(conditions.parse(condition), image.facts)


def _instructions(module: Module, image: Image) -> list[str]:
    """Return the instructions of one module. Raises CannotTranspile."""
    if module.keys is None:
        raise CannotTranspile(f"the file {module.from_file} is not among those that Slipway knows")
    known = MODULE_TYPES.get(module.type)
    if known is None:
        return [comment(f"WARNING: Unknown module type: {module.type}")]
    keys = data_of(present(module.keys))
    assert isinstance(keys, dict)
    return list(known.emit(keys, image))


def _boolean(value: bool) -> str:  # noqa: FBT001  # it is the value, not a switch
    return "true" if value else "false"


def _text(value: str | int | bool) -> str:  # noqa: FBT001  # it is the value, not a switch
    return _boolean(value) if isinstance(value, bool) else str(value)
