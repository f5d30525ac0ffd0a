"""The builds worker: `python -m workers.builds`."""

from libs.common.auth.secret_key import secret_keys
from libs.common.crypto import Sealer
from libs.common.settings import CoreSettings, KeySettings, ListenSettings, RuntimeSettings
from libs.common.worker.context import Handler
from libs.common.worker.main import Resources, main
from services.builds import tasks
from services.builds.providers.base import BuildProvider
from services.builds.providers.github.client import Server
from services.builds.providers.local import LocalProvider
from services.builds.providers.statuses import posters
from services.builds.service import Builds
from services.builds.service.sealed import Vault
from services.builds.settings import GitHubSettings, LocalRunnerSettings, WebhookSettings


def handlers(resources: Resources) -> list[Handler]:
    """Make the slice's handlers with the providers that are switched on."""
    settings = resources.settings
    sealer = Sealer(secret_keys(settings[CoreSettings], settings[KeySettings]))
    builds = Builds(resources.database, sealer, settings[WebhookSettings])
    providers: dict[str, BuildProvider] = {}
    if settings[LocalRunnerSettings].enabled:
        silence_s = settings[RuntimeSettings].child_silence_s
        providers["local"] = LocalProvider(settings[LocalRunnerSettings], resources.children, silence_s=silence_s)
    github = settings[GitHubSettings]
    log_max_bytes = settings[RuntimeSettings].log_max_bytes
    server, vault = Server(github), Vault(sealer)
    workflows = tasks.workflow_handler(server, vault, github, log_max_bytes=log_max_bytes)
    told = posters(server, allow_insecure=settings[LocalRunnerSettings].allow_insecure_clone)
    statuses = tasks.status_handler(vault, told, settings[ListenSettings].public_url)
    return [*tasks.handlers(builds, providers), workflows, statuses]


if __name__ == "__main__":
    main("builds", handlers, [KeySettings, ListenSettings, LocalRunnerSettings, WebhookSettings, GitHubSettings])
