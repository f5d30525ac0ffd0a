"""Connections to Redis or Valkey with the time-outs that keep a stalled server from stalling us."""

from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError


def connect(url: str) -> Redis:
    """Make a client for commands that answer at once; bytes in and out."""
    return _connect(url, socket_timeout_s=5, retries=1)


def connect_blocking(url: str, *, block_s: float) -> Redis:
    """Make a client of one connection for a reader that blocks up to `block_s` seconds a call.

    Its socket time-out lies above the block time, else each quiet read would look like a dead server; no retry,
    because the reader must know that it was cut off.
    """
    return _connect(url, socket_timeout_s=block_s + 5, retries=0, max_connections=1)


def connection_options(url: str, *, socket_timeout_s: float, retries: int) -> dict[str, Any]:
    """The options that every connection of ours has, also arq's.

    A stalled server is an error after `socket_timeout_s` (arq's and redis-py 5's own default is to wait for ever).
    One retry covers a connection that the server closed while it was idle; whoever wants to wait for an outage loops
    itself.
    """
    options: dict[str, Any] = {
        "socket_timeout": socket_timeout_s,
        "retry": Retry(ExponentialBackoff(cap=0.5, base=0.05), retries),
        "retry_on_error": [RedisConnectionError, RedisTimeoutError] if retries else [],
        "health_check_interval": 15,
    }
    if not url.startswith("unix:"):
        options |= {"socket_connect_timeout": 2, "socket_keepalive": True}
    return options


def _connect(url: str, *, socket_timeout_s: float, retries: int, max_connections: int | None = None) -> Redis:
    options = connection_options(url, socket_timeout_s=socket_timeout_s, retries=retries)
    client: Redis = Redis.from_url(url, max_connections=max_connections, **options)
    return client
