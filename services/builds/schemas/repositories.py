"""Bodies of the repository routes."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, UnsetType

# What fits our columns and every forge's own limits.
_NAME_MAX: Final = 255
_URL_MAX: Final = 2048  # what proxies and browsers agree on
# A build gets all of a repository's variables and secrets in its environment, of which Linux takes 2 MB at most.
VARIABLES_MAX: Final = 100
_VALUE_MAX: Final = 8 * 1024
_SECRET_VALUE_MAX: Final = 64 * 1024  # a key file or a kubeconfig
_GLOBS_MAX: Final = 100  # as in pipeline files
_OVERLAP_MAX_S: Final = 30 * 24 * 3600  # whoever needs both for longer sets no end at all

Forge = Literal["forgejo", "gitea", "github", "gitlab"]
EventName = Literal["push", "tag", "pull_request", "release"]
ExecutorName = Literal["local", "github"]
"""Who can run builds today."""

FullName = Annotated[str, msgspec.Meta(pattern=r"^[^\s\x00-\x1f/]+(/[^\s\x00-\x1f/]+)+$", max_length=_NAME_MAX)]
CloneUrl = Annotated[str, msgspec.Meta(min_length=1, max_length=_URL_MAX)]
PageUrl = Annotated[str, msgspec.Meta(pattern=r"^https?://[^\s\x00-\x1f]+$", max_length=_URL_MAX)]
PipelinePath = Annotated[str, msgspec.Meta(min_length=1, max_length=_NAME_MAX)]
# A file of .github/workflows: GitHub's addresses take its name without the folder.
WorkflowFile = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]+\.ya?ml$", max_length=_NAME_MAX)]
Glob = Annotated[str, msgspec.Meta(min_length=1, max_length=_NAME_MAX)]
VariableName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=_NAME_MAX)]
Environment = Annotated[
    dict[VariableName, Annotated[str, msgspec.Meta(max_length=_VALUE_MAX)]], msgspec.Meta(max_length=VARIABLES_MAX)
]
# Forges send it in a header or take it as an HMAC key: printable ASCII, and nothing at its ends that gets lost.
WebhookSecretText = Annotated[str, msgspec.Meta(pattern=r"^[!-~]([ -~]*[!-~])?$", min_length=8, max_length=_NAME_MAX)]
# Tokens of GitHub are 40 to 255 characters long (ghs_ ones are to become longer), of Gitea 40; none has spaces.
ApiToken = Annotated[str, msgspec.Meta(pattern=r"^[!-~]+$", min_length=8, max_length=1024)]
OwnerId = Annotated[int, msgspec.Meta(ge=1)]


class FilterChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may start a build. `branches` are globs, empty for all; tags and releases have no branch and pass."""

    # Lists, because the framework describes a tuple's items as of any kind.
    events: Annotated[list[EventName], msgspec.Meta(min_length=1, max_length=4)] = msgspec.field(
        default_factory=lambda: ["push", "tag"]
    )
    branches: Annotated[list[Glob], msgspec.Meta(max_length=_GLOBS_MAX)] = []


class Concurrency(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many builds of one branch run at once, and whether a new one cancels those before it."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    newest_wins: bool = False


class NewRepository(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A repository to be registered. It belongs to the caller; a static key's is shared.

    `api_token` is for the forge's REST API and never answered again; with it, and unless `report_status` is false, the
    forge is told how builds of its pushes go.
    """

    forge: Forge
    full_name: FullName
    clone_url: CloneUrl
    html_url: PageUrl | None = None
    executor: ExecutorName = "local"
    pipeline_path: PipelinePath = ".slipway.yml"
    workflow_file: WorkflowFile | None = None
    filters: FilterChoice = msgspec.field(default_factory=FilterChoice)
    env: Environment = {}
    active: bool = True
    concurrency: Concurrency = msgspec.field(default_factory=Concurrency)
    api_token: ApiToken | None = None
    report_status: bool = True


class RepositoryChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to change; what is absent stays.

    `owner` (null: shared) and `uses_operator_token` (the operator's token or App acts for this repository on GitHub)
    are changed by superusers only. `api_token` null removes it; so does an address of another host without a new one.
    """

    full_name: FullName | UnsetType = UNSET
    clone_url: CloneUrl | UnsetType = UNSET
    html_url: PageUrl | UnsetType | None = UNSET
    executor: ExecutorName | UnsetType = UNSET
    pipeline_path: PipelinePath | UnsetType = UNSET
    workflow_file: WorkflowFile | UnsetType | None = UNSET
    filters: FilterChoice | UnsetType = UNSET
    env: Environment | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    concurrency: Concurrency | UnsetType = UNSET
    owner: OwnerId | UnsetType | None = UNSET
    uses_operator_token: bool | UnsetType = UNSET
    api_token: ApiToken | UnsetType | None = UNSET
    report_status: bool | UnsetType = UNSET


class NewWebhookSecret(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A further secret of the webhook address; without `secret` one is made.

    `overlap_s` ends the ones before after so many seconds (0: at once); without it they stay until they are deleted.
    """

    secret: WebhookSecretText | None = None
    overlap_s: Annotated[int, msgspec.Meta(ge=0, le=_OVERLAP_MAX_S)] | None = None


class SecretValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The value of a pipeline secret; it is never answered again."""

    value: Annotated[str, msgspec.Meta(min_length=1, max_length=_SECRET_VALUE_MAX)]


class CloneCredentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a private repository is cloned: a password or token (https), with a user name where the forge wants one, or
    a private key (ssh). `ssh_known_hosts` holds lines of known_hosts(5); without any the first key shown is trusted."""

    username: Annotated[str, msgspec.Meta(max_length=_NAME_MAX)] = ""
    password: Annotated[str, msgspec.Meta(max_length=_VALUE_MAX)] = ""
    ssh_key: Annotated[str, msgspec.Meta(max_length=_SECRET_VALUE_MAX)] = ""
    ssh_known_hosts: Annotated[str, msgspec.Meta(max_length=_SECRET_VALUE_MAX)] = ""

    def __post_init__(self) -> None:
        if bool(self.password) == bool(self.ssh_key):
            raise ValueError("Give either password or ssh_key")


class MadeWebhookSecret(msgspec.Struct, frozen=True):
    """A webhook secret, shown this once."""

    id: str
    secret: str
    expires_at: datetime | None


class WebhookSecretView(msgspec.Struct, frozen=True):
    """A webhook secret without itself. `expires_at` null: valid until it is deleted."""

    id: str
    created_at: datetime
    expires_at: datetime | None


class WebhookView(msgspec.Struct, frozen=True):
    """Where the forge sends to, and what proves that it was the forge."""

    url: str
    secrets: list[WebhookSecretView]


class RepositoryView(msgspec.Struct, frozen=True):
    """A repository. `owner` null: shared. `secrets` are names, `credentials` says which kind is stored.

    `workflow_file` null: the one that the operator set (GITHUB_WORKFLOW_FILE). `has_api_token`: there is one for the
    forge's REST API.

    `problem` says in words why stored secrets cannot be used; null when all is well.
    """

    uid: str
    forge: str
    full_name: str
    clone_url: str
    html_url: str | None
    executor: str
    pipeline_path: str
    workflow_file: str | None
    filters: FilterChoice
    env: dict[str, str]
    owner: int | None
    auto_registered: bool
    active: bool
    webhook: WebhookView
    secrets: list[str]
    credentials: Literal["password", "ssh_key"] | None
    uses_operator_token: bool
    has_api_token: bool
    report_status: bool
    concurrency: Concurrency
    problem: str | None
    created_at: datetime
    updated_at: datetime


class RepositoryPage(msgspec.Struct, frozen=True):
    """Repositories, newest first."""

    items: list[RepositoryView]
    total: int
    limit: int
    offset: int
    next_offset: int | None


_SCP_LIKE = re.compile(r"(?P<user>[^/:@\s]+@)?[^/:@\s]+:(?!//)[^\s]+")
_UNFIT = re.compile(r"[\x00-\x20\x7f]")
SCHEMES: Final = ("https", "http", "ssh", "git")


def wrong_fields(body: NewRepository | RepositoryChange, *, allow_file: bool) -> Iterator[tuple[str, str]]:
    """Yield (field, what is wrong with it) for what a type cannot say."""
    if body.clone_url is not UNSET and (problem := clone_url_problem(body.clone_url, allow_file=allow_file)):
        yield "clone_url", problem
    if body.pipeline_path is not UNSET and (problem := _path_problem(body.pipeline_path)):
        yield "pipeline_path", problem


def clone_url_problem(url: str, *, allow_file: bool) -> str | None:
    """Say what is wrong with an address to clone from, None when nothing is.

    Allowed are http(s)://, ssh:// and git:// addresses and git's own user@host:path; file:// where `allow_file`.
    Whether there is a repository behind it, only a clone can tell.
    """
    if _UNFIT.search(url) or url.startswith("-"):
        return "Must be an address without spaces and control characters"
    if "://" not in url:
        return None if _SCP_LIKE.fullmatch(url) else "Must be an address, as in https://git.example/ada/engine.git"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port  # both are read only when asked for, and may raise
    except ValueError as error:
        return f"Must be an address: {error}"
    del port
    if parts.scheme == "file" and allow_file:
        return None if parts.path.startswith("/") else "Must name a folder, as in file:///srv/git/engine.git"
    if parts.scheme not in SCHEMES:
        return f"Must begin with one of {', '.join(f'{scheme}://' for scheme in SCHEMES)}"
    if not host or parts.path in ("", "/"):
        return "Must name a host and a path, as in https://git.example/ada/engine.git"
    if parts.password or (parts.username and parts.scheme != "ssh"):
        return "Must hold no credentials: they are stored apart, sealed, by PUT /api/v1/repositories/{uid}/credentials"
    return None


def _path_problem(path: str) -> str | None:
    parts = path.split("/")
    if path.startswith("/") or ".." in parts or "" in parts or re.search(r"[\x00-\x1f\x7f]", path):
        return "Must be a path inside the repository, as in .slipway.yml or ci/pipeline.yml"
    return None


REPOSITORY_EXAMPLE: Final[dict[str, Any]] = {
    "uid": "kV3mXq0cTt2d9yqB7aXnUw",
    "forge": "gitea",
    "full_name": "ada/engine",
    "clone_url": "https://git.example/ada/engine.git",
    "html_url": "https://git.example/ada/engine",
    "executor": "local",
    "pipeline_path": ".slipway.yml",
    "workflow_file": None,
    "filters": {"events": ["push", "tag"], "branches": ["main", "release/*"]},
    "env": {"PYTHONUNBUFFERED": "1"},
    "owner": 1,
    "auto_registered": False,
    "active": True,
    "webhook": {
        "url": "https://slipway.example/webhook/gitea/kV3mXq0cTt2d9yqB7aXnUw",
        "secrets": [{"id": "5f0c21aa", "created_at": "2026-11-20T18:00:00Z", "expires_at": None}],
    },
    "secrets": ["DEPLOY_TOKEN"],
    "credentials": "password",
    "uses_operator_token": False,
    "has_api_token": True,
    "report_status": True,
    "concurrency": {"limit": 1, "newest_wins": False},
    "problem": None,
    "created_at": "2026-11-20T18:00:00Z",
    "updated_at": "2026-11-20T18:00:00Z",
}
REPOSITORY_PAGE_EXAMPLE: Final = {
    "items": [REPOSITORY_EXAMPLE],
    "total": 1,
    "limit": 20,
    "offset": 0,
    "next_offset": None,
}
NEW_REPOSITORY_EXAMPLE: Final = {
    name: REPOSITORY_EXAMPLE[name] for name in ("forge", "full_name", "clone_url", "filters", "concurrency")
}
