"""The real servers that a benchmark runs against: PostgreSQL with fsync, SQLite synchronous=FULL, Redis with AOF."""

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

os.environ["SLIPWAY_TEST_FSYNC"] = "1"  # read when tests.servers starts PostgreSQL

from libs.common.settings.groups import database_url
from tests.servers import Databases, LocalRedis, close_run_folder, free_port, open_run_folder

ROOT: Final = Path(__file__).parents[1]
WEBHOOK_SECRET: Final = "benchmark-webhook-secret"
API_KEY: Final = "benchmark-key-0123456789"
KINDS: Final = ("postgresql", "sqlite")
# Only a machine that is stuck reaches it.
_DEADLINE_S = 120.0


@dataclass(frozen=True)
class Servers:
    """Addresses of one benchmark's servers; `database` is ready for Database()."""

    database: str
    redis: str

    @property
    def environ(self) -> dict[str, str]:
        """What a process of Slipway needs to use them."""
        return {
            **os.environ,
            "DATABASE_URL": self.database,
            "REDIS_URL": self.redis,
            "SECRET_KEY": "benchmark-" + "0123456789abcdef" * 4,
            "API_KEYS": f"{API_KEY}=admin",
            "WEBHOOK_SECRET": WEBHOOK_SECRET,
            "METRICS_PORT": "0",
            # Limits that are never reached, and asked for at every request as they are in earnest.
            "RATE_LIMIT_PER_KEY": "1000000000",
            "RATE_LIMIT_PER_ADDRESS": "1000000000",
            "RATE_LIMIT_PER_LOGIN": "1000000000",
            "LOG_LEVEL": "error",
        }


@dataclass(frozen=True)
class Running:
    """A process under measurement; `port` is where it answers HTTP, 0 for a worker."""

    popen: subprocess.Popen[bytes]
    port: int = 0

    @property
    def pid(self) -> int:
        return self.popen.pid


@contextmanager
def run_folder() -> Iterator[None]:
    """Have the folder in which the run's one PostgreSQL stands; it ends with the block."""
    _allow_many_files()
    open_run_folder()
    try:
        yield
    finally:
        close_run_folder()


@contextmanager
def servers(kind: str) -> Iterator[Servers]:
    """Make a fresh database (`kind`: sqlite or postgresql) and an empty Redis; both go afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        redis = LocalRedis(Path(folder))
        redis.start()
        databases = Databases(kind, open_run_folder())
        url = databases.create(Path(folder))
        try:
            yield Servers(database_url(url), redis.url)
        finally:
            databases.drop(url)
            redis.close()


@contextmanager
def process(module: str, environ: Mapping[str, str], *arguments: str, port: int = 0) -> Iterator[Running]:
    """Run a module as a process of its own for the length of the block; shows its last words if it ended before."""
    with tempfile.TemporaryFile() as said:
        argv = [sys.executable, "-m", module, *arguments]
        popen = subprocess.Popen(argv, cwd=ROOT, env=environ, stdout=said, stderr=said)
        try:
            yield Running(popen, port)
        finally:
            if popen.poll() not in (None, -signal.SIGKILL):  # killing is what some benchmarks do
                said.seek(0)
                print(f"{module} ended with {popen.returncode}:\n{said.read()[-2000:].decode(errors='replace')}")
            popen.terminate()
            try:
                popen.wait(30)
            except subprocess.TimeoutExpired:
                popen.kill()
                popen.wait()


@contextmanager
def web(module: str, environ: Mapping[str, str], *arguments: str) -> Iterator[Running]:
    """Run a module that serves HTTP at API_PORT, and wait until its `/livez` answers."""
    port = free_port()
    with process(module, {**environ, "API_PORT": str(port)}, *arguments, port=port) as running:
        deadline = time.monotonic() + _DEADLINE_S
        while not _answers(port):
            if running.popen.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{module} does not serve")
            time.sleep(0.02)
        yield running


def gateway(at: Servers, **environ: str) -> contextlib.AbstractContextManager[Running]:
    """Run the product's gateway; `environ` are further settings."""
    return web("services.gateway", {**at.environ, **environ})


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


class Deadline:
    """For loops that wait until something is so: `await deadline.tick()` between two looks."""

    def __init__(self, what: str, seconds: float = _DEADLINE_S, *, every_s: float = 0.02) -> None:
        self._what = what
        self._every_s = every_s
        self._until = time.monotonic() + seconds

    async def tick(self) -> None:
        """Wait a moment; raises RuntimeError, which names what was waited for, when the time is over."""
        if time.monotonic() > self._until:
            raise RuntimeError(f"waited too long for {self._what}")
        await asyncio.sleep(self._every_s)


def _allow_many_files() -> None:
    """Let this process and its children open as many files as the system allows: 10,000 clients need as many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
