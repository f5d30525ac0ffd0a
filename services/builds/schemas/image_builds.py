"""Bodies of the routes under /api/build, in the names that Exousia documented."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec

from services.builds.schemas.builds import StatusName
from services.builds.schemas.recipes import (
    DEFAULT_FEDORA_VERSION,
    DEFAULT_IMAGE_TYPE,
    RECIPE_EXAMPLE,
    FedoraVersion,
    ImageType,
    RecipeText,
)

# A word of a file's name and of a YAML value: sway, gnome, fedora.
Word = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(?![\s\S])", min_length=1, max_length=64)]
# As long as our column; what may stand in it, the service says (Ref).
GitRef = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Filename = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
ConfigurationId = Annotated[int, msgspec.Meta(ge=1)]
# Of the setting GITHUB_RUN_TIMEOUT_S: GitHub ends a run after 35 days.
RunTimeout = Annotated[int, msgspec.Meta(ge=60, le=35 * 24 * 3600)]


class NewImageBuild(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An image to be built: of a saved configuration, a definition, a recipe, or what fits a system and desktop.

    The first of `config_id`, `definition_filename`, `yaml_content` and (`os`, `desktop_environment`, `window_manager`)
    that is there counts; a configuration's image type, version and Plymouth win over those given here. For bootc images
    `desktop_environment` and `window_manager` also replace the recipe's. `ref` is the branch or tag of the workflow.
    `timeout_s` ends the run after so many seconds; without it the setting GITHUB_RUN_TIMEOUT_S does.
    """

    config_id: ConfigurationId | None = None
    definition_filename: Filename | None = None
    yaml_content: RecipeText | None = None
    os: Word | None = None
    desktop_environment: Word | None = None
    window_manager: Word | None = None
    image_type: ImageType = DEFAULT_IMAGE_TYPE
    fedora_version: FedoraVersion = DEFAULT_FEDORA_VERSION
    enable_plymouth: bool = True
    ref: GitRef = "main"
    timeout_s: RunTimeout | None = None


class Rerun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be run again: all of it, or only the jobs of the workflow that failed."""

    failed_only: bool = False


class ImageBuild(msgspec.Struct, frozen=True, kw_only=True):
    """A build as documented clients know it; all that is known of it stands in /api/v1/builds/{uid}.

    `workflow_run_id` is null until GitHub has taken the build, and for builds that other executors run. `job_id` is
    its latest job.
    """

    id: int
    uid: str
    config_id: int | None
    workflow_run_id: int | None
    status: StatusName
    image_type: str | None
    fedora_version: str | None
    ref: str | None
    job_id: UUID | None
    started_at: datetime | None
    completed_at: datetime | None
    created_at: datetime


class ImageBuildPage(msgspec.Struct, frozen=True):
    """Image builds, newest first."""

    builds: list[ImageBuild]
    total: int
    page: int
    page_size: int


class ImageBuildStatus(msgspec.Struct, frozen=True):
    """A build with its run on GitHub, as Slipway knows it: `workflow_status` is queued, in_progress or completed.

    All but the build is null while there is no run.
    """

    build: ImageBuild
    workflow_status: str | None
    workflow_url: str | None
    conclusion: str | None
    logs_url: str | None


NEW_IMAGE_BUILD_EXAMPLE: Final[dict[str, Any]] = {
    "yaml_content": RECIPE_EXAMPLE,
    "image_type": "fedora-bootc",
    "fedora_version": "43",
}
RERUN_EXAMPLE: Final = {"failed_only": True}
IMAGE_BUILD_EXAMPLE: Final[dict[str, Any]] = {
    "id": 12,
    "uid": "kV3mXq0cTt2d9yqB7aXnUw",
    "config_id": 7,
    "workflow_run_id": None,
    "status": "pending",
    "image_type": "fedora-bootc",
    "fedora_version": "43",
    "ref": "main",
    "job_id": "0199f3a2-6c1e-7b60-9d0a-3f2b8f6e7a11",
    "started_at": None,
    "completed_at": None,
    "created_at": "2026-11-20T18:00:02Z",
}
IMAGE_BUILD_PAGE_EXAMPLE: Final = {"builds": [IMAGE_BUILD_EXAMPLE], "total": 1, "page": 1, "page_size": 20}
IMAGE_BUILD_STATUS_EXAMPLE: Final = {
    "build": {**IMAGE_BUILD_EXAMPLE, "status": "success", "workflow_run_id": 19512345678},
    "workflow_status": "completed",
    "workflow_url": "https://github.com/acme/images/actions/runs/19512345678",
    "conclusion": "success",
    "logs_url": "https://github.com/acme/images/actions/runs/19512345678/checks",
}
