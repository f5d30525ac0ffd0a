"""Bodies of the configuration routes."""

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec

from services.builds.schemas.recipes import (
    DEFAULT_FEDORA_VERSION,
    DEFAULT_IMAGE_TYPE,
    RECIPE_EXAMPLE,
    FedoraVersion,
    ImageType,
    RecipeText,
)

# As Exousia documents it: letters and digits (str.isalnum, so of any script), - and _, and not only these two.
ConfigurationName = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[-_]*[^\W_][\w-]*(?![\s\S])",  # $ would let a line end pass
        min_length=1,
        max_length=100,
    ),
]
Description = Annotated[str, msgspec.Meta(max_length=500)]


class NewConfiguration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A configuration as it is to be saved. It belongs to the caller; a static key's is shared."""

    name: ConfigurationName
    yaml_content: RecipeText
    description: Description | None = None
    image_type: ImageType = DEFAULT_IMAGE_TYPE
    fedora_version: FedoraVersion = DEFAULT_FEDORA_VERSION
    enable_plymouth: bool = True


class ConfigurationView(msgspec.Struct, frozen=True):
    """A saved recipe. `version` counts its saves from 1 and is its ETag; `owner` null: shared. Times are UTC."""

    id: int
    name: str
    description: str | None
    yaml_content: str
    image_type: str
    fedora_version: str
    enable_plymouth: bool
    created_at: datetime
    updated_at: datetime
    version: int
    owner: int | None


class ConfigurationPage(msgspec.Struct, frozen=True):
    """Configurations, the last saved first."""

    configs: list[ConfigurationView]
    total: int
    page: int
    page_size: int


class VersionView(msgspec.Struct, frozen=True):
    """One save. `rolled_back_to` is the version whose content this is again, null when it was written anew."""

    version: int
    name: str
    actor: str
    created_at: datetime
    rolled_back_to: int | None


class VersionPage(msgspec.Struct, frozen=True):
    """The versions that are kept, newest first."""

    versions: list[VersionView]
    total: int
    page: int
    page_size: int


class WholeVersion(ConfigurationView, frozen=True):
    """A configuration as it was at one of its versions; `updated_at` is when that was saved."""

    actor: str
    rolled_back_to: int | None


class FieldChange(msgspec.Struct, frozen=True):
    """A field besides the recipe that differs, with both values."""

    field: str
    before: str | bool | None
    after: str | bool | None


class Difference(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """What changed between two versions: `diff` of the recipe (unified, empty when equal), and other fields."""

    from_: int
    to: int
    diff: str
    fields: list[FieldChange]


CONFIGURATION_EXAMPLE: Final[dict[str, Any]] = {
    "id": 7,
    "name": "demo",
    "description": "A small image",
    "yaml_content": RECIPE_EXAMPLE,
    "image_type": "fedora-bootc",
    "fedora_version": "43",
    "enable_plymouth": True,
    "created_at": "2026-11-20T18:00:00Z",
    "updated_at": "2026-11-20T18:05:00Z",
    "version": 3,
    "owner": 1,
}
CONFIGURATION_PAGE_EXAMPLE: Final = {"configs": [CONFIGURATION_EXAMPLE], "total": 1, "page": 1, "page_size": 20}
NEW_CONFIGURATION_EXAMPLE: Final = {
    name: CONFIGURATION_EXAMPLE[name]
    for name in ("name", "description", "yaml_content", "image_type", "fedora_version", "enable_plymouth")
}
VERSION_EXAMPLE: Final = {
    "version": 3,
    "name": "demo",
    "actor": "ada@example.org",
    "created_at": "2026-11-20T18:05:00Z",
    "rolled_back_to": 1,
}
VERSION_PAGE_EXAMPLE: Final = {"versions": [VERSION_EXAMPLE], "total": 1, "page": 1, "page_size": 20}
WHOLE_VERSION_EXAMPLE: Final = {**CONFIGURATION_EXAMPLE, "actor": "ada@example.org", "rolled_back_to": 1}
DIFFERENCE_EXAMPLE: Final = {
    "from": 1,
    "to": 2,
    "diff": "--- demo, version 1\n+++ demo, version 2\n@@ -2,1 +2,1 @@\n-description: A\n+description: B\n",
    "fields": [{"field": "fedora_version", "before": "42", "after": "43"}],
}
