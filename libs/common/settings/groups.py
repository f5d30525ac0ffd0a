"""The settings that every process shares. What only one slice needs stands in services/<slice>/settings.py."""

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from libs.common.settings.fields import Secret, Settings, setting

_MB = 1024 * 1024


def database_url(text: str) -> str:
    """Give a documented database address its asynchronous driver.

    `postgresql://` (also `postgres://`) and `sqlite:///` are accepted; ValueError says so for anything else.
    """
    scheme, separator, rest = text.partition("://")
    drivers = {
        "postgresql": "postgresql+asyncpg",
        "postgres": "postgresql+asyncpg",
        "postgresql+asyncpg": "postgresql+asyncpg",
        "sqlite": "sqlite+aiosqlite",
        "sqlite+aiosqlite": "sqlite+aiosqlite",
    }
    if not separator or scheme not in drivers or not rest:
        raise ValueError("must be postgresql://user:password@host/name or sqlite:///path")
    return f"{drivers[scheme]}://{rest}"


def redis_url(text: str) -> str:
    if not text.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("must be redis://host:port/0, rediss://host:port/0 or unix:///path")
    return text


def web_address(text: str) -> str:
    """The address under which others reach Slipway, without a slash behind it."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise ValueError("must be https://host or http://host, with a path where a proxy adds one")
    return text.rstrip("/")


class CoreSettings(Settings, frozen=True):
    """What kind of installation this is."""

    env: Annotated[
        Literal["production", "development", "test"],
        setting("ENV", "what the installation is for; development relaxes checks that keep strangers out"),
    ] = "production"
    debug: Annotated[bool, setting("DEBUG", "log at debug level whatever LOG_LEVEL says")] = False
    log_level: Annotated[
        Literal["debug", "info", "warning", "error", "critical"], setting("LOG_LEVEL", "least level that is logged")
    ] = "info"
    data_dir: Annotated[
        Path, setting("SLIPWAY_DATA", "folder of everything that standalone mode keeps and of local builds' work")
    ] = Path("data")

    @property
    def effective_log_level(self) -> str:
        return "debug" if self.debug else self.log_level


class KeySettings(Settings, frozen=True):
    """The key from which the keys for tokens and for sealed secrets are derived."""

    secret_key: Annotated[
        Secret, setting("SECRET_KEY", "at least 32 bytes; tokens are signed and secrets sealed with keys made from it")
    ] = Secret("")
    secret_key_old: Annotated[
        Secret | None,
        setting("SECRET_KEY_OLD", "the key before a rotation: what it signed or sealed stays valid"),
    ] = None

    def keys(self) -> list[str]:
        """SECRET_KEY and, during a rotation, SECRET_KEY_OLD."""
        return [key.reveal() for key in (self.secret_key, self.secret_key_old) if key]


class ListenSettings(Settings, frozen=True):
    """Where the gateway listens."""

    host: Annotated[str, setting("API_HOST", "address the gateway listens on")] = "127.0.0.1"
    port: Annotated[int, setting("API_PORT", "TCP port the gateway listens on", aliases=("PORT",), ge=1, le=65535)] = (
        8000
    )
    public_url: Annotated[
        str | None,
        setting(
            "PUBLIC_URL",
            "address under which forges and people reach the gateway; empty: where each request came to",
            convert=web_address,
        ),
    ] = None

    @property
    def is_loopback(self) -> bool:
        """Tell whether only this machine can reach the gateway; a name other than localhost may be anybody's."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class DatabaseSettings(Settings, frozen=True):
    """The SQL database that decides."""

    url: Annotated[
        Secret,
        setting(
            "DATABASE_URL",
            "postgresql://user:password@host/name or sqlite:///path; standalone mode puts the file into SLIPWAY_DATA",
            convert=database_url,
        ),
    ] = Secret("sqlite+aiosqlite:///data/slipway.db")
    pool_size: Annotated[
        int,
        setting("DATABASE_POOL_SIZE", "PostgreSQL connections a process keeps; SQLite has one writer", ge=1, le=200),
    ] = 10


class RedisSettings(Settings, frozen=True):
    """The Redis or Valkey server that carries."""

    url: Annotated[
        Secret,
        setting(
            "REDIS_URL",
            "Redis or Valkey, 6.2 or later; standalone mode starts its own when this is not set",
            convert=redis_url,
        ),
    ] = Secret("redis://127.0.0.1:6379/0")


class RuntimeSettings(Settings, frozen=True):
    """Lengths of time and sizes of the job runtime. The defaults are what the design was measured with."""

    lease_s: Annotated[
        float, setting("SLIPWAY_LEASE_S", "seconds a claimed job belongs to its worker without renewal", ge=0.5)
    ] = 15
    renew_every_s: Annotated[
        float, setting("SLIPWAY_RENEW_EVERY_S", "seconds between renewals of a worker's leases", ge=0.05)
    ] = 5
    give_up_after_s: Annotated[
        float,
        setting("SLIPWAY_GIVE_UP_AFTER_S", "seconds without a renewal after which a worker cancels its jobs", ge=0.1),
    ] = 10
    child_silence_s: Annotated[
        float,
        setting("SLIPWAY_CHILD_SILENCE_S", "seconds without a sign of its worker before a build kills itself", ge=0.1),
    ] = 8
    heartbeat_every_s: Annotated[
        float, setting("SLIPWAY_HEARTBEAT_EVERY_S", "seconds between a worker's signs of life in /queue", ge=0.1)
    ] = 5
    publisher_tick_s: Annotated[
        float, setting("SLIPWAY_PUBLISHER_TICK_S", "seconds between two looks for due jobs", ge=0.05)
    ] = 2
    publish_window: Annotated[
        int, setting("SLIPWAY_PUBLISH_WINDOW", "published, unclaimed jobs per domain at most", ge=1)
    ] = 1000
    publish_batch: Annotated[int, setting("SLIPWAY_PUBLISH_BATCH", "jobs published in one tick at most", ge=1)] = 500
    publish_grace_s: Annotated[
        float,
        setting("SLIPWAY_PUBLISH_GRACE_S", "seconds in which a new job is left to the process that took it", ge=0),
    ] = 3
    republish_after_s: Annotated[
        float, setting("SLIPWAY_REPUBLISH_AFTER_S", "seconds unclaimed before a job is published again", ge=0.5)
    ] = 60
    accept_publish_timeout_ms: Annotated[
        int, setting("SLIPWAY_ACCEPT_PUBLISH_TIMEOUT_MS", "milliseconds an accepted request waits for Redis", ge=1)
    ] = 100
    repair_every_s: Annotated[
        float, setting("SLIPWAY_REPAIR_EVERY_S", "seconds between repairs of changed jobs' live status", ge=0.05)
    ] = 2
    repair_full_every_s: Annotated[
        float, setting("SLIPWAY_REPAIR_FULL_EVERY_S", "seconds between comparisons of all live jobs", ge=0.5)
    ] = 60
    shutdown_grace_s: Annotated[
        float, setting("SLIPWAY_SHUTDOWN_GRACE_S", "seconds a stopping worker waits for its short jobs", ge=0)
    ] = 20
    cancel_grace_s: Annotated[
        float,
        setting("SLIPWAY_CANCEL_GRACE_S", "seconds a cancelled job may take to undo its work outside", ge=0),
    ] = 30
    slots_light: Annotated[int, setting("SLIPWAY_SLOTS_LIGHT", "light jobs a worker runs at once", ge=1)] = 50
    slots_heavy: Annotated[int, setting("SLIPWAY_SLOTS_HEAVY", "local builds a worker runs at once", ge=1)] = 2
    poll_delay_s: Annotated[
        float, setting("SLIPWAY_POLL_DELAY_S", "seconds between looks for jobs whose wait is over", ge=0.01)
    ] = 0.5
    log_flush_ms: Annotated[int, setting("SLIPWAY_LOG_FLUSH_MS", "milliseconds log lines are collected", ge=1)] = 100
    log_flush_lines: Annotated[int, setting("SLIPWAY_LOG_FLUSH_LINES", "log lines sent at once", ge=1)] = 64
    log_line_max_bytes: Annotated[
        int, setting("SLIPWAY_LOG_LINE_MAX_BYTES", "bytes of one log line; the rest is cut", ge=256)
    ] = 16 * 1024
    log_max_bytes: Annotated[
        int, setting("SLIPWAY_LOG_MAX_BYTES", "bytes of one job's log, then [truncated]", ge=1024)
    ] = 64 * _MB
    log_redis_max_bytes: Annotated[
        int, setting("SLIPWAY_LOG_REDIS_MAX_BYTES", "bytes of one job's log that Redis keeps", ge=1024)
    ] = 4 * _MB
    log_chunk_bytes: Annotated[
        int, setting("SLIPWAY_LOG_CHUNK_BYTES", "bytes after which log is archived in SQL", ge=1024)
    ] = 256 * 1024
    log_chunk_every_s: Annotated[
        float, setting("SLIPWAY_LOG_CHUNK_EVERY_S", "seconds after which log is archived in SQL", ge=0.05)
    ] = 10
    metrics_port: Annotated[
        int | None,
        setting(
            "METRICS_PORT",
            "port of a worker's /metrics; empty: 9101 builds, 9102 vms, 9103 deployer; 0 turns it off",
            ge=0,
            le=65535,
        ),
    ] = None

    metrics_host: Annotated[str, setting("METRICS_HOST", "address of a worker's /metrics; standalone: 127.0.0.1")] = (
        "0.0.0.0"  # noqa: S104 - in a container, where Prometheus comes from elsewhere
    )

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Keep renewal, giving up and the lease in the order that makes a zombie stop before its successor starts."""
        if self.renew_every_s >= self.give_up_after_s:
            yield "SLIPWAY_RENEW_EVERY_S", f"must be less than SLIPWAY_GIVE_UP_AFTER_S ({self.give_up_after_s:g})"
        if self.give_up_after_s >= self.lease_s:
            yield "SLIPWAY_GIVE_UP_AFTER_S", f"must be less than SLIPWAY_LEASE_S ({self.lease_s:g})"
        if not self.renew_every_s < self.child_silence_s < self.lease_s:
            yield "SLIPWAY_CHILD_SILENCE_S", "must lie between SLIPWAY_RENEW_EVERY_S and SLIPWAY_LEASE_S"
