"""The settings of the builds slice."""

from pathlib import Path
from typing import Annotated, Literal

from libs.common.settings import Secret, Settings, setting

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
        Literal["local"], setting("DEFAULT_EXECUTOR", "who runs the builds of repositories registered so")
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
