"""Settings: read once at the start, passed on as arguments.

`fields` says what a setting is, `sources` where values stand, `loading` which source wins, `groups` has the settings
that every process shares.
"""

from libs.common.settings.fields import Secret, Settings, setting
from libs.common.settings.groups import (
    CoreSettings,
    DatabaseSettings,
    KeySettings,
    ListenSettings,
    RedisSettings,
    RuntimeSettings,
)
from libs.common.settings.loading import Loaded, Row, describe, given, load, markdown, read_sources, secrets_of

__all__ = [
    "CoreSettings",
    "DatabaseSettings",
    "KeySettings",
    "ListenSettings",
    "Loaded",
    "RedisSettings",
    "Row",
    "RuntimeSettings",
    "Secret",
    "Settings",
    "describe",
    "given",
    "load",
    "markdown",
    "read_sources",
    "secrets_of",
    "setting",
]
