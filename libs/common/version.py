"""The version that answers, logs and heartbeats tell; pyproject.toml has the same (a test compares them)."""

from typing import Final

VERSION: Final = "0.1.0"
