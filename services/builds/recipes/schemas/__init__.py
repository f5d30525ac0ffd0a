"""JSON Schema of both dialects, for editors: the shapes that validation checks, written down for yaml-language-server.

# yaml-language-server: $schema=http://localhost:8000/api/v1/recipes/schema/exousia.json
"""

from functools import cache

from services.builds.recipes.bluebuild.shape import RECIPE
from services.builds.recipes.exousia.module import CONDITION
from services.builds.recipes.exousia.modules import MODULE_TYPES
from services.builds.recipes.exousia.reading import REQUIRED, TOP_LEVEL
from services.builds.recipes.recipe import Dialect
from services.builds.recipes.schemas.rendering import JsonSchema, render
from services.builds.recipes.shapes import ByKey, ByValue, Many, Record, Text

_PATH = r"[A-Za-z0-9][A-Za-z0-9._+-]*(?:/[A-Za-z0-9][A-Za-z0-9._+-]*){0,7}"  # what files.is_path takes
_INCLUDE = Record(
    {
        "from-file": Text("The file, such as packages/common/flatpaks.yml.", pattern=_PATH, expected="a path"),
        "condition": CONDITION,
    },
    "What another file holds; keys beside it override those of the file.",
    required=("from-file",),
    open=True,
    name="from-file",
)
_UNKNOWN = Record(
    {"type": Text(), "condition": CONDITION},
    "A module that Slipway does not know; it becomes a comment.",
    required=("type",),
    open=True,
    name="unknown-module",
)
_EXOUSIA = Record(
    {
        **TOP_LEVEL.fields,
        "modules": Many(
            ByKey(
                {"from-file": _INCLUDE},
                otherwise=ByValue(
                    "type",
                    {name: kind.shape for name, kind in MODULE_TYPES.items()},
                    otherwise=_UNKNOWN,
                    key_doc="What the module does.",
                ),
            ),
            "What is done to the image, in this order.",
        ),
    },
    "A recipe of an image in Exousia's format.",
    required=REQUIRED,
    open=True,
)


@cache  # two of them
def schema(dialect: Dialect) -> JsonSchema:
    """Return the JSON Schema (2020-12) of a dialect's recipes. It is shared: do not change it."""
    match dialect:
        case Dialect.EXOUSIA:
            return render(_EXOUSIA, title="Exousia image recipe", nullable=True)
        case Dialect.BLUEBUILD:
            return render(RECIPE, title="BlueBuild image recipe, version 1")
