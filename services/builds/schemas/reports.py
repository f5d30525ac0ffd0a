"""Bodies of the routes by which pipelines report (Build State's documented ones), and of its dashboards."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec

from services.builds.stages import DELIVERED, STEP

# What the columns hold. Ids are people's own words: whatever a pipeline calls its build, but on one line.
_AXIS_MAX: Final = 64
_NAME_MAX: Final = 255
_URL_MAX: Final = 2048  # what proxies and browsers agree on
_SHA_MAX: Final = 64  # SHA-256, in hex
# Pipelines send the end of a log when they fail; refusing it would lose the failure. 64 KB are some 800 lines.
_ERROR_MAX: Final = 64 * 1024
_DETAILS_MAX_BYTES: Final = 64 * 1024
# A line for people to read in a history that may have thousands of them.
_MESSAGE_MAX: Final = 4 * 1024

_ONE_LINE: Final = r"^[^\x00-\x1f\x7f]+$"
AxisValueName = Annotated[str, msgspec.Meta(pattern=_ONE_LINE, max_length=_AXIS_MAX)]
BuildName = Annotated[str, msgspec.Meta(pattern=_ONE_LINE, max_length=_NAME_MAX)]
StateCode = Annotated[int, msgspec.Meta(ge=0, le=DELIVERED)]
Details = dict[str, Any]


class NewBuild(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A build that a pipeline is about to report on. `build_id` is the pipeline's own name for it."""

    platform: AxisValueName
    os_version: AxisValueName
    image_type: AxisValueName
    build_id: BuildName
    pipeline_url: Annotated[str, msgspec.Meta(max_length=_URL_MAX)] | None = None
    commit_hash: Annotated[str, msgspec.Meta(max_length=_SHA_MAX)] | None = None


class NewState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The state that a build has reached: a multiple of five."""

    # Not `multiple_of`: what is none has a documented 400 of its own.
    state_code: StateCode
    message: Annotated[str, msgspec.Meta(max_length=_MESSAGE_MAX)] | None = None


class NewFailure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a build failed; `details` is an object of the pipeline's own, up to 64 KB."""

    error_message: Annotated[str, msgspec.Meta(max_length=_ERROR_MAX)]
    error_code: Annotated[str, msgspec.Meta(max_length=_NAME_MAX)] | None = None
    component: Annotated[str, msgspec.Meta(max_length=_NAME_MAX)] | None = None
    details: Details | None = None

    def __post_init__(self) -> None:
        if self.details is not None and len(msgspec.json.encode(self.details)) > _DETAILS_MAX_BYTES:
            raise ValueError(f"details may have {_DETAILS_MAX_BYTES} bytes")


class CreatedBuild(msgspec.Struct, frozen=True):
    """The build to report on: `id` is its uid, for the addresses that follow. `exists`: it was made before."""

    id: str
    build_id: str
    status: Literal["created", "exists"]


class StateTaken(msgspec.Struct, frozen=True):
    """A state was taken; `build_id` is the build's uid."""

    status: Literal["updated"]
    build_id: str
    new_state: int


class FailureTaken(msgspec.Struct, frozen=True):
    """A failure was taken; `build_id` is the build's uid."""

    status: Literal["recorded"]
    build_id: str


class ResetDone(msgspec.Struct, frozen=True):
    """A failed build may go on, in the state where it failed; `build_id` is its uid."""

    status: Literal["reset"]
    build_id: str
    state_code: int


class ReportedBuild(msgspec.Struct, frozen=True, kw_only=True):
    """A build as its pipeline sees it. `id` is its uid; `build_id` null: a build that no pipeline named."""

    id: str
    build_id: str | None
    platform: str | None
    os_version: str | None
    image_type: str | None
    pipeline_url: str | None
    commit_hash: str | None
    executor: str
    status: str
    current_state: int
    created_at: datetime
    updated_at: datetime


class CurrentState(msgspec.Struct, frozen=True):
    """Where a build stands, what was said last, and when; `build_id` is its uid."""

    build_id: str
    current_state: int
    message: str | None
    transitioned_at: datetime


class FailureView(msgspec.Struct, frozen=True, kw_only=True):
    """A reported failure. `retired_at` null: the build stands failed because of it."""

    id: int
    state_code: int
    error_message: str
    error_code: str | None
    component: str | None
    details: Details | None
    actor: str
    created_at: datetime
    retired_at: datetime | None


class FailurePage(msgspec.Struct, frozen=True):
    """A build's failures, newest first."""

    items: list[FailureView]
    total: int
    limit: int
    offset: int
    next_offset: int | None


# --- what is kept for a later run -------------------------------------------------------------------------------------

_PATH_MAX: Final = 4096  # PATH_MAX of Linux; object stores' keys are shorter
# Of one build; all of them are answered when it is resumed: 100 KB of values at most, 400 KB with keys and the rest.
ARTIFACTS_MAX: Final = 100
VARIABLES_MAX: Final = 100
_VALUE_MAX: Final = 8 * 1024  # as a repository's variables
_RESERVED: Final = "dict"  # /variables/dict is a path of its own

VariableKey = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", max_length=_NAME_MAX)]


class NewArtifact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that a stage left in a store of the pipeline's. `state_code` absent: where the build stands.

    `checksum` is a SHA-256 in hex. `is_resumable` says that a later run can go on from it, `is_final` that it is what
    the build was for. After `expires_at` it is not offered any more.
    """

    artifact_name: BuildName
    type: AxisValueName
    path: Annotated[str, msgspec.Meta(pattern=_ONE_LINE, max_length=_PATH_MAX)]
    storage_backend: AxisValueName
    state_code: Annotated[int, msgspec.Meta(ge=0, le=DELIVERED, multiple_of=STEP)] | None = None
    checksum: Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F]{64}$")] | None = None
    size_bytes: Annotated[int, msgspec.Meta(ge=0)] | None = None
    is_resumable: bool = True
    is_final: bool = False
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class ArtifactView(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact as it was reported."""

    id: int
    artifact_name: str
    type: str
    path: str
    storage_backend: str
    state_code: int
    checksum: str | None
    size_bytes: int | None
    is_resumable: bool
    is_final: bool
    expires_at: datetime | None
    created_at: datetime


class ArtifactPage(msgspec.Struct, frozen=True):
    """A build's artifacts, newest first; a build has 100 at most."""

    artifacts: list[ArtifactView]
    total: int


class NewVariable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value to keep with the build. A sensitive one is sealed and never answered."""

    key: VariableKey
    value: Annotated[str, msgspec.Meta(max_length=_VALUE_MAX)]
    is_sensitive: bool = False

    def __post_init__(self) -> None:
        if self.key == _RESERVED:
            raise ValueError(f"{_RESERVED} is no name of a variable: /variables/{_RESERVED} is all of them")


class VariableView(msgspec.Struct, frozen=True):
    """A variable; the value of a sensitive one is a row of asterisks."""

    key: str
    value: str
    is_sensitive: bool
    state_code: int
    updated_at: datetime


class VariablePage(msgspec.Struct, frozen=True):
    """A build's variables by their keys; a build has 100 at most."""

    variables: list[VariableView]
    total: int


class ResumableState(msgspec.Struct, frozen=True):
    """The stage from which a build goes on. `auto_retries`: how often a pipeline may try it again by itself.

    `failures` counts those that were reported in this stage.
    """

    state_code: int
    name: str
    auto_retries: int
    failures: int


class ResumeContext(msgspec.Struct, frozen=True, kw_only=True):
    """From where a build goes on, and with what. `resume_from_state` null: it is complete.

    `last_successful_state` null: it has not got past any stage. `failed_state` null: it does not stand failed.
    """

    current_state: int
    last_successful_state: int | None
    failed_state: int | None
    resume_from_state: int | None
    artifacts: list[ArtifactView]
    variables: dict[str, str]
    resumable_state_config: ResumableState | None


# --- dashboards -------------------------------------------------------------------------------------------------------


class StatusCounts(msgspec.Struct, frozen=True):
    """How many builds ended well, ended otherwise (failed or cancelled), or have not ended. Each counts once."""

    completed: int
    failed: int
    in_progress: int


class DashboardBuild(msgspec.Struct, frozen=True, kw_only=True):
    """A build in a row of a dashboard. `build_id` is the pipeline's name for it, else its uid, which `id` always is.

    The ids are those of `/api/v1/platforms`, `/api/v1/os-versions` and `/api/v1/image-types`; null: it names none.
    """

    id: str
    build_id: str
    platform_id: int | None
    os_version_id: int | None
    image_type_id: int | None
    state_code: int
    created_at: datetime


class Summary(msgspec.Struct, frozen=True):
    """All builds that the caller may see, and the ten newest of them."""

    total_builds: int
    status_counts: StatusCounts
    recent_builds: list[DashboardBuild]


class RecentBuilds(msgspec.Struct, frozen=True):
    """The ten newest builds."""

    recent_builds: list[DashboardBuild]


class PlatformBuilds(msgspec.Struct, frozen=True):
    """Builds of one platform, newest first."""

    platform: str
    builds: list[DashboardBuild]
    total: int
    limit: int
    offset: int
    next_offset: int | None


# --- examples ---------------------------------------------------------------------------------------------------------

UID_EXAMPLE: Final = "kV3mXq0cTt2d9yqB7aXnUw"
NEW_BUILD_EXAMPLE: Final = {
    "platform": "aws",
    "os_version": "rhel-9.2",
    "image_type": "base",
    "build_id": "base-rhel-9.2-117",
    "pipeline_url": "https://concourse.example/teams/main/pipelines/base/jobs/build/builds/117",
    "commit_hash": "8c1d2f0e4b6a7c9d0e1f2a3b4c5d6e7f80912a3b",
}
REPORTED_EXAMPLE: Final = {
    **NEW_BUILD_EXAMPLE,
    "id": UID_EXAMPLE,
    "executor": "external",
    "status": "in_progress",
    "current_state": 25,
    "created_at": "2026-11-20T18:00:00Z",
    "updated_at": "2026-11-20T18:07:12Z",
}
NEW_FAILURE_EXAMPLE: Final = {
    "error_message": "Ansible play failed",
    "error_code": "PIPELINE_FAILURE",
    "component": "concourse",
    "details": {"stage": "security", "exit_code": 2},
}
FAILURE_EXAMPLE: Final = {
    **NEW_FAILURE_EXAMPLE,
    "id": 7,
    "state_code": 25,
    "actor": "pipeline",
    "created_at": "2026-11-20T18:09:00Z",
    "retired_at": None,
}
FAILURE_PAGE_EXAMPLE: Final = {"items": [FAILURE_EXAMPLE], "total": 1, "limit": 20, "offset": 0, "next_offset": None}
NEW_ARTIFACT_EXAMPLE: Final = {
    "artifact_name": "hardened.qcow2",
    "type": "disk-image",
    "path": "s3://images/base/hardened.qcow2",
    "storage_backend": "s3",
    "state_code": 25,
    "checksum": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}
ARTIFACT_EXAMPLE: Final = {
    **NEW_ARTIFACT_EXAMPLE,
    "id": 3,
    "size_bytes": None,
    "is_resumable": True,
    "is_final": False,
    "expires_at": None,
    "created_at": "2026-11-20T18:08:00Z",
}
NEW_VARIABLE_EXAMPLE: Final = {"key": "AMI_ID", "value": "ami-0abc", "is_sensitive": False}
VARIABLE_EXAMPLE: Final = {**NEW_VARIABLE_EXAMPLE, "state_code": 25, "updated_at": "2026-11-20T18:08:00Z"}
RESUME_EXAMPLE: Final = {
    "current_state": 25,
    "last_successful_state": 10,
    "failed_state": 25,
    "resume_from_state": 25,
    "artifacts": [ARTIFACT_EXAMPLE],
    "variables": {"AMI_ID": "ami-0abc", "TOKEN": "********"},
    "resumable_state_config": {"state_code": 25, "name": "security", "auto_retries": 0, "failures": 1},
}
DASHBOARD_BUILD_EXAMPLE: Final = {
    "id": UID_EXAMPLE,
    "build_id": "base-rhel-9.2-117",
    "platform_id": 1,
    "os_version_id": 2,
    "image_type_id": 3,
    "state_code": 25,
    "created_at": "2026-11-20T18:00:00Z",
}
