"""The builds worker: `python -m workers.builds`."""

from libs.common.auth.secret_key import secret_keys
from libs.common.crypto import Sealer
from libs.common.settings import CoreSettings, KeySettings, RuntimeSettings
from libs.common.worker.context import Handler
from libs.common.worker.main import Resources, main
from services.builds import tasks
from services.builds.providers.base import BuildProvider
from services.builds.providers.local import LocalProvider
from services.builds.service import Builds
from services.builds.settings import LocalRunnerSettings, WebhookSettings


def handlers(resources: Resources) -> list[Handler]:
    """Make the slice's handlers with the providers that are switched on."""
    settings = resources.settings
    sealer = Sealer(secret_keys(settings[CoreSettings], settings[KeySettings]))
    builds = Builds(resources.database, sealer, settings[WebhookSettings])
    providers: dict[str, BuildProvider] = {}
    if settings[LocalRunnerSettings].enabled:
        silence_s = settings[RuntimeSettings].child_silence_s
        providers["local"] = LocalProvider(settings[LocalRunnerSettings], resources.children, silence_s=silence_s)
    return tasks.handlers(builds, providers)


if __name__ == "__main__":
    main("builds", handlers, [KeySettings, LocalRunnerSettings, WebhookSettings])
