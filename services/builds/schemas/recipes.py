"""Bodies of the routes that read recipes and keep nothing."""

from typing import Annotated, Any, Final, Literal

import msgspec

# As long as a body may be (libs/common/http/requests.py); what is longer never comes as far as this.
RECIPE_MAX_CHARS: Final = 1024 * 1024

RecipeText = Annotated[
    str, msgspec.Meta(max_length=RECIPE_MAX_CHARS, description="A recipe: YAML of either dialect, up to 1 MB")
]
DialectName = Literal["exousia", "bluebuild"]
ImageType = Literal[
    "fedora-bootc",
    "fedora-silverblue",
    "fedora-kinoite",
    "fedora-sway-atomic",
    "fedora-onyx",
    "fedora-budgie",
    "fedora-cinnamon",
    "fedora-cosmic",
    "fedora-deepin",
    "fedora-lxqt",
    "fedora-mate",
    "fedora-xfce",
]
# A tag of a container image (OCI distribution spec), short enough for our column; 42, 43, 44 and rawhide exist today.
FedoraVersion = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*(?![\s\S])",  # $ would let a line end pass
        min_length=1,
        max_length=64,
    ),
]

DEFAULT_IMAGE_TYPE: Final[ImageType] = "fedora-sway-atomic"
DEFAULT_FEDORA_VERSION: Final = "43"


class RecipeToValidate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A recipe; without `dialect` it is told by what the recipe holds."""

    yaml_content: RecipeText
    dialect: DialectName | None = None


class RecipeToTranspile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A recipe and the image to be made of it. `lint` ends the Containerfile with `bootc container lint`."""

    yaml_content: RecipeText
    image_type: ImageType = DEFAULT_IMAGE_TYPE
    fedora_version: FedoraVersion = DEFAULT_FEDORA_VERSION
    enable_plymouth: bool = True
    dialect: DialectName | None = None
    lint: bool = False


class RecipeToResolve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A recipe and the image that its conditions are judged for; what is null or absent the recipe itself says."""

    yaml_content: RecipeText
    image_type: ImageType | None = None
    fedora_version: FedoraVersion | None = None
    enable_plymouth: bool | None = None
    dialect: DialectName | None = None


class ProblemView(msgspec.Struct, frozen=True):
    """What a person should look at. `line` and `column` count from 1, `module` from 0; null: of the whole recipe."""

    severity: Literal["error", "warning"]
    message: str
    line: int | None
    column: int | None
    module: int | None


class ValidationView(msgspec.Struct, frozen=True):
    """Whether a recipe can be used. `errors` and `warnings` are null when there are none; `problems` has both."""

    valid: bool
    errors: list[str] | None
    warnings: list[str] | None
    problems: list[ProblemView]
    dialect: DialectName


class Transpiled(msgspec.Struct, frozen=True):
    """A Containerfile and what it was made for."""

    containerfile: str
    image_type: str
    fedora_version: str
    enable_plymouth: bool
    dialect: DialectName


class ModuleView(msgspec.Struct, frozen=True):
    """A module after includes. `number` is the one in the Containerfile; `why` says why it was not kept.

    `from_file` is the file that it was included from, null for what stands in the recipe itself.
    """

    number: int
    type: str
    from_file: str | None
    kept: bool
    why: str | None
    condition: str | None


class ResolvedView(msgspec.Struct, frozen=True):
    """A recipe with its includes expanded and its conditions decided. `image_type` is null in BlueBuild's dialect."""

    dialect: DialectName
    image_type: str | None
    base_image: str
    modules: list[ModuleView]


class DefinitionView(msgspec.Struct, frozen=True):
    """One of the examples that Slipway brings along."""

    filename: str
    name: str
    description: str
    image_type: str
    path: str


class DefinitionList(msgspec.Struct, frozen=True):
    """All examples."""

    definitions: list[DefinitionView]
    total: int


class DefinitionText(msgspec.Struct, frozen=True):
    """The text of an example."""

    filename: str
    content: str


RECIPE_EXAMPLE: Final = """\
name: demo
description: A small image
modules:
  - type: script
    scripts: ["echo hello > /etc/motd"]
"""
VALIDATION_EXAMPLE: Final[dict[str, Any]] = {
    "valid": False,
    "errors": ["Missing required field: description"],
    "warnings": None,
    "problems": [
        {
            "severity": "error",
            "message": "Missing required field: description",
            "line": 1,
            "column": 1,
            "module": None,
        }
    ],
    "dialect": "exousia",
}
TRANSPILED_EXAMPLE: Final = {
    "containerfile": "ARG FEDORA_VERSION=43\nFROM quay.io/fedora/fedora-bootc:43\n",
    "image_type": "fedora-bootc",
    "fedora_version": "43",
    "enable_plymouth": True,
    "dialect": "exousia",
}
RESOLVED_EXAMPLE: Final = {
    "dialect": "exousia",
    "image_type": "fedora-bootc",
    "base_image": "quay.io/fedora/fedora-bootc:43",
    "modules": [
        {
            "number": 1,
            "type": "script",
            "from_file": None,
            "kept": False,
            "why": 'image-type is "fedora-bootc"',
            "condition": 'image-type == "fedora-sway-atomic"',
        }
    ],
}
DEFINITION_EXAMPLE: Final = {
    "filename": "sway-bootc.yml",
    "name": "sway-bootc",
    "description": "A tiling desktop",
    "image_type": "fedora-bootc",
    "path": "definitions/sway-bootc.yml",
}
