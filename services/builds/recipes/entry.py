"""The three questions about a recipe, in whichever dialect it is: is it right, what does it become, what is in it."""

from collections.abc import Mapping
from typing import Protocol

from services.builds.recipes import bluebuild, exousia
from services.builds.recipes.dialects import detect
from services.builds.recipes.document import Document, Unreadable, parse
from services.builds.recipes.files import SHIPPED, RecipeFiles
from services.builds.recipes.problem import Problem
from services.builds.recipes.recipe import Dialect, Options, Resolved, TranspilationFailed, Validation


class _Language(Protocol):
    """What each dialect's package offers; see the functions of the same names below."""

    def validate(self, document: Document, files: RecipeFiles) -> list[Problem]: ...
    def transpile(self, document: Document, options: Options, files: RecipeFiles) -> str: ...
    def resolve(self, document: Document, options: Options, files: RecipeFiles) -> Resolved: ...


_DIALECTS: Mapping[Dialect, _Language] = {Dialect.EXOUSIA: exousia, Dialect.BLUEBUILD: bluebuild}


def validate(text: str, *, dialect: Dialect | None = None, files: RecipeFiles = SHIPPED) -> Validation:
    """Say what is wrong with a recipe, and what is probably not meant; never raises, for any text.

    `dialect` None: it is told by what the recipe holds; Exousia's for a text that is not YAML. `files` are those that a
    recipe may name.
    """
    try:
        document = parse(text)
    except Unreadable as error:
        return Validation(dialect or Dialect.EXOUSIA, (_syntax_error(error),))
    dialect = dialect or detect(document)
    return Validation(dialect, tuple(_DIALECTS[dialect].validate(document, files)))


def transpile(text: str, options: Options, *, dialect: Dialect | None = None, files: RecipeFiles = SHIPPED) -> str:
    """Return the Containerfile; the same arguments always give the same bytes.

    Raises TranspilationFailed.
    """
    document = _document(text)
    return _DIALECTS[dialect or detect(document)].transpile(document, options, files)


def resolve(text: str, options: Options, *, dialect: Dialect | None = None, files: RecipeFiles = SHIPPED) -> Resolved:
    """Return the modules with includes expanded, and why conditions drop some of them.

    Raises TranspilationFailed.
    """
    document = _document(text)
    return _DIALECTS[dialect or detect(document)].resolve(document, options, files)


def _document(text: str) -> Document:
    try:
        return parse(text)
    except Unreadable as error:
        raise TranspilationFailed([_syntax_error(error)]) from error


def _syntax_error(error: Unreadable) -> Problem:
    found = error.problem
    return Problem("error", f"YAML syntax error: {found.message}", found.line, found.column)
