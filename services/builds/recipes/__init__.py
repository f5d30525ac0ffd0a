"""Recipes of bootc images: text in, values out.

A recipe is YAML in one of two dialects, Exousia's and BlueBuild's (recipe v1). A *definition* is a recipe that comes
with Slipway. To *validate* is to say what is wrong, to *transpile* to make a Containerfile, to *resolve* to show what a
recipe comes to: includes expanded, conditions decided. Everything is pure and bounded by the size of the text.

    document      text -> nodes with places         dialects    which language it is
    shapes        what a value may be               exousia/, bluebuild/    one language each
    problem, notes    what is said of a recipe      containerfile, shell, commands    instructions and their quoting
"""

from services.builds.recipes.customising import customise, pick_definition
from services.builds.recipes.dialects import detect
from services.builds.recipes.entry import resolve, transpile, validate
from services.builds.recipes.files import SHIPPED, Given, RecipeFiles
from services.builds.recipes.images import FEDORA_VERSIONS, IMAGE_TYPES, base_image_of
from services.builds.recipes.problem import Problem
from services.builds.recipes.recipe import Dialect, Options, Resolved, ResolvedModule, TranspilationFailed, Validation
from services.builds.recipes.schemas import schema
from services.builds.recipes.shipped import Definition, definition, definitions

__all__ = [
    "FEDORA_VERSIONS",
    "IMAGE_TYPES",
    "SHIPPED",
    "Definition",
    "Dialect",
    "Given",
    "Options",
    "Problem",
    "RecipeFiles",
    "Resolved",
    "ResolvedModule",
    "TranspilationFailed",
    "Validation",
    "base_image_of",
    "customise",
    "definition",
    "definitions",
    "detect",
    "pick_definition",
    "resolve",
    "schema",
    "transpile",
    "validate",
]
