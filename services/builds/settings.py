"""The settings of the builds slice."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from libs.common.settings import Secret, Settings, setting
from libs.common.settings.groups import web_address

MB = 1024 * 1024


class WebhookSettings(Settings, frozen=True):
    """What proves that a delivery comes from the forge it says. Each secret may have a predecessor while it rotates."""

    webhook_secret: Annotated[
        Secret, setting("WEBHOOK_SECRET", "secret of deliveries from every forge that has none of its own below")
    ] = Secret("")
    gitea: Annotated[Secret, setting("GITEA_WEBHOOK_SECRET", "secret of Gitea's deliveries")] = Secret("")
    gitea_old: Annotated[Secret, setting("GITEA_WEBHOOK_SECRET_OLD", "the one before, still accepted")] = Secret("")
    forgejo: Annotated[Secret, setting("FORGEJO_WEBHOOK_SECRET", "secret of Forgejo's deliveries")] = Secret("")
    forgejo_old: Annotated[Secret, setting("FORGEJO_WEBHOOK_SECRET_OLD", "the one before, still accepted")] = Secret("")
    github: Annotated[Secret, setting("GITHUB_WEBHOOK_SECRET", "secret of GitHub's deliveries")] = Secret("")
    github_old: Annotated[Secret, setting("GITHUB_WEBHOOK_SECRET_OLD", "the one before, still accepted")] = Secret("")
    gitlab: Annotated[Secret, setting("GITLAB_WEBHOOK_SECRET", "token or signing secret of GitLab's deliveries")] = (
        Secret("")
    )
    gitlab_old: Annotated[Secret, setting("GITLAB_WEBHOOK_SECRET_OLD", "the one before, still accepted")] = Secret("")
    auto_register: Annotated[
        bool,
        setting("AUTO_REGISTER", "register a repository at its first verified delivery to a forge's global address"),
    ] = True
    default_executor: Annotated[
        Literal["local", "github"], setting("DEFAULT_EXECUTOR", "who runs the builds of repositories registered so")
    ] = "local"

    def secrets_of(self, forge: str) -> list[str]:
        """All secrets that prove a delivery of this forge to its global address, newest first."""
        own: list[Secret] = [getattr(self, forge), getattr(self, f"{forge}_old")]
        return [secret.reveal() for secret in own if secret] or (
            [self.webhook_secret.reveal()] * bool(self.webhook_secret)
        )


class LocalRunnerSettings(Settings, frozen=True):
    """How the local provider runs pipelines on this machine. The limits' reasons: services/builds/runner/spec.py."""

    enabled: Annotated[
        bool, setting("LOCAL_PROVIDER", "run pipelines on this machine: for repositories that are trusted only")
    ] = False
    allow_insecure_clone: Annotated[
        bool, setting("ALLOW_INSECURE_CLONE", "also clone from http://, git:// and file:// addresses")
    ] = False
    work_folder: Annotated[
        Path | None,
        setting("LOCAL_WORK_FOLDER", "where builds work; default /var/tmp/slipway-builds-<user id of the worker>"),
    ] = None
    path: Annotated[str, setting("LOCAL_PATH", "PATH of git and of the steps")] = (
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/bin"
    )
    uid_base: Annotated[
        int,
        setting(
            "LOCAL_UID_BASE",
            "first of 64 user ids that builds get when the worker runs as root; 0 lets them run as root",
            ge=0,
            le=2**31,
        ),
    ] = 61000
    cpu_s: Annotated[int, setting("LOCAL_CPU_S", "processor seconds of a step's process", ge=1)] = 3600
    memory_mb: Annotated[int, setting("LOCAL_MEMORY_MB", "writable memory of a step's process, MB", ge=64)] = 4096
    processes: Annotated[int, setting("LOCAL_PROCESSES", "processes and threads of a build", ge=16)] = 512
    file_mb: Annotated[int, setting("LOCAL_FILE_MB", "size of a file that a build writes, MB", ge=1)] = 4096
    open_files: Annotated[int, setting("LOCAL_OPEN_FILES", "open files of a step's process", ge=64)] = 4096
    clone_timeout_s: Annotated[
        float, setting("LOCAL_CLONE_TIMEOUT_S", "seconds that one fetch of a clone may take", ge=1)
    ] = 600.0


def repository_name(text: str) -> str:
    """A repository as GitHub's addresses have it; raises ValueError with what is allowed."""
    owner, slash, name = text.partition("/")
    if not (owner and slash and name) or "/" in name or text != text.strip() or ":" in text:
        raise ValueError("must be owner/name, as GitHub calls the repository")
    return text


class GitHubSettings(Settings, frozen=True):
    """How builds run on GitHub Actions.

    The token or the App is the operator's: it dispatches in GITHUB_REPO for everybody who may trigger a build, and in
    repositories that a superuser bound to it. All other repositories bring a token of their own.
    """

    token: Annotated[
        Secret, setting("GITHUB_TOKEN", "the operator's token; needs write access to Actions of the repositories")
    ] = Secret("")
    app_id: Annotated[int | None, setting("GITHUB_APP_ID", "id of a GitHub App that acts instead of a token", ge=1)] = (
        None
    )
    app_private_key: Annotated[
        Secret, setting("GITHUB_APP_PRIVATE_KEY", "the App's private key, PEM; line ends may be written as \\n")
    ] = Secret("")
    repository: Annotated[
        str | None,
        setting("GITHUB_REPO", "owner/name of the repository that image builds run in", convert=repository_name),
    ] = None
    workflow_file: Annotated[
        str, setting("GITHUB_WORKFLOW_FILE", "file name of the workflow in .github/workflows that builds")
    ] = "build.yml"
    api_url: Annotated[
        str,
        setting(
            "GITHUB_API_URL",
            "address of GitHub's REST API; of an Enterprise Server https://<host>/api/v3",
            convert=web_address,
        ),
    ] = "https://api.github.com"
    poll_interval_s: Annotated[
        float,
        setting(
            "BUILD_STATUS_POLL_INTERVAL",
            "seconds between looks at a run at most; new runs are looked at every 5 s, webhooks make it at once",
            ge=1,
            le=3600,
        ),
    ] = 30
    run_timeout_s: Annotated[
        int,
        # GitHub ends a job after 6 hours by default and a whole run after 35 days.
        setting("GITHUB_RUN_TIMEOUT_S", "seconds after which a run is cancelled", ge=60, le=35 * 24 * 3600),
    ] = 6 * 3600
    log_max_mb: Annotated[
        int, setting("GITHUB_LOG_MAX_MB", "size of a run's log archive that is fetched at its end, MB", ge=1, le=10_000)
    ] = 100

    @property
    def configured(self) -> bool:
        """Whether the operator gave Slipway a token or an App."""
        return bool(self.token) or self.app_id is not None

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """An App needs its key, and one of token and App decides who acts."""
        if (self.app_id is None) != (not self.app_private_key):
            yield "GITHUB_APP_PRIVATE_KEY", "must be set together with GITHUB_APP_ID"
        if self.app_id is not None and self.token:
            yield "GITHUB_TOKEN", "must not be set beside GITHUB_APP_ID: one of them acts"
