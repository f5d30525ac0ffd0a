"""The tests' servers in containers, by testcontainers, where a Docker engine answers.

SLIPWAY_TEST_DOCKER=0 never uses containers, =1 always does and pulls missing images; otherwise they are used when the
engine answers within a second and has the image already: a test run must not hang on a registry that it cannot reach.
"""

import contextlib
import functools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

IMAGES = {"redis": "redis:7", "postgresql": "postgres:17"}
_SWITCH = "SLIPWAY_TEST_DOCKER"
_DEADLINE_S = 120.0  # pulling included


@functools.cache
def usable(server: str) -> bool:
    """Tell whether `server` ("redis", "postgresql") is to run in a container here."""
    switch = os.environ.get(_SWITCH, "")
    if switch in ("0", "1"):
        return switch == "1"
    if "DOCKER_HOST" not in os.environ and not Path("/var/run/docker.sock").exists():
        return False
    import docker  # type: ignore[import-untyped]  # 150 ms that few machines need
    import docker.errors  # type: ignore[import-untyped]

    try:
        with contextlib.closing(docker.from_env(timeout=1)) as client:
            client.images.get(IMAGES[server])
    except (docker.errors.DockerException, OSError):
        return False
    return True


class ContainerRedis:
    """A Redis with AOF on a port that it keeps over restarts."""

    def __init__(self, port: int) -> None:
        self.url = f"redis://127.0.0.1:{port}/0"
        command = "redis-server --appendonly yes --save '' --maxmemory-policy noeviction"
        self._container: Any = _container(IMAGES["redis"]).with_command(command).with_bind_ports(6379, port)
        self._created = False

    def start(self) -> None:
        """Start the server if it is not running and wait until it answers."""
        if not self._created:
            self._container.start()
            self._created = True
        else:
            self._container.get_wrapped_container().start()  # does nothing to a running one
        with redis.Redis.from_url(self.url) as client:
            _wait_until(lambda: _pong(client))

    def stop(self) -> None:
        self._container.get_wrapped_container().stop()

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def pause(self) -> None:
        self._container.get_wrapped_container().pause()

    def resume(self) -> None:
        self._container.get_wrapped_container().unpause()

    def close(self) -> None:
        self._container.stop()  # removes it


def start_postgres(settings: list[str]) -> tuple[str, str]:
    """Start PostgreSQL with these `-c` arguments; return its address, to append a database's name, and its id."""
    container: Any = _container(IMAGES["postgresql"]).with_exposed_ports(5432)
    container = container.with_env("POSTGRES_HOST_AUTH_METHOD", "trust").with_command(settings)
    container.start()
    host, port = container.get_container_host_ip(), container.get_exposed_port(5432)
    return f"postgresql://postgres@{host}:{port}/", container.get_wrapped_container().id


def remove(container_id: str) -> None:
    """Remove a container with everything that it holds."""
    import docker

    with contextlib.closing(docker.from_env()) as client:
        client.containers.get(container_id).remove(force=True, v=True)


def _container(image: str) -> Any:
    # The reaper ends what belongs to one process; xdist's workers share the PostgreSQL that one of them has started.
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    from testcontainers.core.container import DockerContainer

    return DockerContainer(image)


def _pong(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"a container does not answer within {_DEADLINE_S:g} s")
        time.sleep(0.02)
