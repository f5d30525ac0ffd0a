"""A recipe -> a Containerfile.

Order: a comment that says where it comes from; each stage; the image with its modules, each under a comment with its
number; the labels, last, since a changed label would else build everything anew; the lint.
"""

import json
from collections.abc import Iterator

from services.builds.recipes.bluebuild.expansion import Placed
from services.builds.recipes.bluebuild.module import CannotTranspile, Module
from services.builds.recipes.bluebuild.reading import Recipe, Stage, instructions, read
from services.builds.recipes.containerfile import LINT, Overlong, comment, from_, label, render
from services.builds.recipes.document import Document
from services.builds.recipes.files import RecipeFiles
from services.builds.recipes.problem import Problem
from services.builds.recipes.recipe import Options, TranspilationFailed

# What hadolint asks for and a recipe means: packages without versions (DL3008, DL3015, DL3018, DL3037), a RUN for each
# snippet (DL3059), a script that is started in its folder (DL3003), text in quotes that nothing expands (SC2016).
_LINTER = "hadolint global ignore=DL3003,DL3008,DL3015,DL3018,DL3037,DL3059,SC2016"


def transpile(document: Document, options: Options, files: RecipeFiles) -> str:
    """Return the Containerfile of a recipe; the same recipe gives the same bytes.

    Raises TranspilationFailed with every problem of the recipe or, where it has none, every module that cannot be
    transpiled, with the reason and its place.
    """
    recipe = read(document, files)
    problems: list[Problem] = []
    blocks = [_header(recipe)]
    for stage in recipe.stages:
        blocks += [_beginning(stage), *_modules(stage.modules, stage.places, problems)]
    blocks += [[from_(recipe.base)], *_modules(recipe.modules, recipe.places, problems), _labels(recipe)]
    if options.lint:
        blocks.append([LINT])
    if problems:
        raise TranspilationFailed(problems)
    try:
        return render(blocks)
    except Overlong as error:
        raise TranspilationFailed([Problem("error", str(error))]) from error


def _header(recipe: Recipe) -> list[str]:
    return [
        comment(f"Made by Slipway from the BlueBuild recipe {recipe.name}."),
        comment("Do not edit: change the recipe instead."),
        comment(_LINTER),
    ]


def _beginning(stage: Stage) -> list[str]:
    lines = [from_(stage.base, name=stage.name, platform=stage.platform)]
    if stage.shell:
        words = stage.shell.split() if isinstance(stage.shell, str) else stage.shell
        lines.append(f"SHELL {json.dumps(words, ensure_ascii=False)}")
    return lines


def _modules(modules: tuple[Module, ...], places: tuple[Placed, ...], problems: list[Problem]) -> Iterator[list[str]]:
    for module, placed in zip(modules, places, strict=True):
        try:
            lines = instructions(module)
        except CannotTranspile as reason:
            problems.append(placed.spot.problem(f"{module.type} cannot be transpiled: {reason}"))
            continue
        if module.keys.get("no-cache"):
            lines = ["# Built anew with --build-arg CACHEBUST=<something new>", "ARG CACHEBUST", *lines]
        yield ["\n".join([comment(f"Module {module.number}: {module.type}"), *lines]).rstrip("\n")]


def _labels(recipe: Recipe) -> list[str]:
    standard = {
        "org.opencontainers.image.title": recipe.name,
        "org.opencontainers.image.description": recipe.description,
        "org.opencontainers.image.base.name": recipe.base.partition("@")[0],
    }
    return [label(key, value) for key, value in (standard | recipe.labels).items()]
