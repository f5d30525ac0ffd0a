"""HTTP in: recipes that are read and not kept, and the examples and schemas that Slipway brings along."""

from typing import Any, Final

from litestar import Router, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK

from libs.common.http.documentation import documented
from libs.common.http.etags import POLLED
from libs.common.http.guards import OPEN, requires
from services.builds.errors import InvalidFilename, UnknownDefinition
from services.builds.recipes import Dialect, Options, definition, definitions, schema
from services.builds.schemas.recipes import (
    DEFINITION_EXAMPLE,
    RECIPE_EXAMPLE,
    RESOLVED_EXAMPLE,
    TRANSPILED_EXAMPLE,
    VALIDATION_EXAMPLE,
    DefinitionList,
    DefinitionText,
    DefinitionView,
    ModuleView,
    ProblemView,
    RecipeToResolve,
    RecipeToTranspile,
    RecipeToValidate,
    ResolvedView,
    Transpiled,
    ValidationView,
)
from services.builds.service.recipes import Recipes

_RECIPE: Final = {"yaml_content": RECIPE_EXAMPLE}
_FAILED: Final = "No Containerfile can be made of it; the details list the problems (TRANSPILATION_FAILED)"
_BUSY: Final = "Too many long recipes are being read (RECIPES_BUSY), or something that Slipway needs does not answer"


def router(recipes: Recipes) -> Router:
    """The routes that need nothing but the recipe that they are sent."""

    @post(
        "/api/config/validate",
        status_code=HTTP_200_OK,
        guards=[requires("builds:read")],
        **documented(
            "Say what is wrong with a recipe", example=VALIDATION_EXAMPLE, body_example=_RECIPE, errors={503: _BUSY}
        ),
    )
    async def validate_recipe(data: JSONBody[RecipeToValidate]) -> ValidationView:
        """200 also for a recipe that is not valid."""
        found = await recipes.validate(data.yaml_content, _dialect(data.dialect))
        warnings = [problem.message for problem in found.problems if problem.severity == "warning"]
        problems = [ProblemView(**_fields(problem, ProblemView)) for problem in found.problems]
        return ValidationView(found.valid, found.errors or None, warnings or None, problems, found.dialect.value)

    @post(
        "/api/config/transpile",
        status_code=HTTP_200_OK,
        guards=[requires("builds:read")],
        **documented(
            "Make the Containerfile of a recipe",
            example=TRANSPILED_EXAMPLE,
            body_example={**_RECIPE, "image_type": "fedora-bootc"},
            errors={400: _FAILED, 503: _BUSY},
        ),
    )
    async def transpile_recipe(data: JSONBody[RecipeToTranspile]) -> Transpiled:
        """The same recipe gives the same bytes."""
        options = Options(data.image_type, data.fedora_version, data.enable_plymouth, lint=data.lint)
        made, dialect = await recipes.transpile(data.yaml_content, options, _dialect(data.dialect))
        return Transpiled(made, data.image_type, data.fedora_version, data.enable_plymouth, dialect.value)

    @post(
        "/api/v1/recipes/resolve",
        status_code=HTTP_200_OK,
        guards=[requires("builds:read")],
        **documented(
            "Show a recipe with its includes expanded and its conditions decided",
            example=RESOLVED_EXAMPLE,
            body_example={**_RECIPE, "image_type": "fedora-bootc"},
            errors={400: _FAILED, 503: _BUSY},
        ),
    )
    async def resolve_recipe(data: JSONBody[RecipeToResolve]) -> ResolvedView:
        options = Options(data.image_type, data.fedora_version, data.enable_plymouth)
        found = await recipes.resolve(data.yaml_content, options, _dialect(data.dialect))
        # A long recipe has thousands of them, and others are served by this very loop.
        modules = [
            ModuleView(one.number, one.type, one.from_file, one.kept, one.why, one.condition) for one in found.modules
        ]
        return ResolvedView(found.dialect.value, found.image_type, found.base_image, modules)

    @get(
        "/api/config/definitions/list",
        guards=[requires("builds:read")],
        **documented("List the example recipes", example={"definitions": [DEFINITION_EXAMPLE], "total": 1}, opt=POLLED),
    )
    async def list_definitions() -> DefinitionList:
        shown = [DefinitionView(**_fields(one, DefinitionView)) for one in definitions()]
        return DefinitionList(shown, len(shown))

    # A `path`, because what holds a / is a wrong name and no other place.
    @get(
        "/api/config/definitions/{filename:path}",
        guards=[requires("builds:read")],
        **documented(
            "Read an example recipe",
            example={"filename": DEFINITION_EXAMPLE["filename"], "content": RECIPE_EXAMPLE},
            errors={
                400: "The name is a path (INVALID_FILENAME)",
                404: "No example has this name (DEFINITION_NOT_FOUND)",
            },
        ),
    )
    async def read_definition(filename: FromPath[str]) -> DefinitionText:
        name = filename.removeprefix("/")
        return DefinitionText(name, definition_text(name))

    handlers: list[HTTPRouteHandler] = [validate_recipe, transpile_recipe, resolve_recipe]
    handlers += [list_definitions, read_definition, *map(_schema, Dialect)]
    return Router("/", route_handlers=handlers, tags=["Recipes"])


def definition_text(filename: str) -> str:
    """Read an example. Raises InvalidFilename and UnknownDefinition."""
    if "/" in filename or ".." in filename:
        raise InvalidFilename("Invalid filename")
    text = definition(filename)
    if text is None:
        raise UnknownDefinition(f"Definition file '{filename}' not found")
    return text


def _schema(dialect: Dialect) -> HTTPRouteHandler:
    """The route of one dialect's schema; its own, because the framework has no parameters before an ending."""

    @get(
        f"/api/v1/recipes/schema/{dialect.value}.json",
        name=f"recipe-schema-{dialect.value}",
        media_type="application/schema+json",
        **documented(
            f"Read the JSON Schema of the dialect {dialect.value}, for editors",
            example={"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"},
            opt=OPEN | POLLED,
        ),
    )
    async def read_schema() -> dict[str, Any]:
        return schema(dialect)

    return read_schema


def _dialect(name: str | None) -> Dialect | None:
    return None if name is None else Dialect(name)


def _fields(value: Any, of: type[Any]) -> dict[str, Any]:
    """A value's attributes for the fields of a struct."""
    return {name: getattr(value, name) for name in of.__struct_fields__}
