"""The real servers that a benchmark runs against: PostgreSQL with fsync, SQLite synchronous=FULL, Redis with AOF."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

os.environ["SLIPWAY_TEST_FSYNC"] = "1"  # read when tests.servers starts PostgreSQL

from libs.common.settings.groups import database_url
from tests.servers import Databases, LocalRedis, close_run_folder, open_run_folder

ROOT = Path(__file__).parents[1]


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
            "API_KEYS": "benchmark-key-0123456789=admin",
            "GITEA_WEBHOOK_SECRET": "benchmark-webhook-secret",
            "METRICS_PORT": "0",
            "LOG_LEVEL": "warning",
        }


@contextmanager
def servers(kind: str) -> Iterator[Servers]:
    """Start fresh servers (`kind`: sqlite or postgresql) and stop them afterwards."""
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
            close_run_folder()


@contextmanager
def process(module: str, environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run one of our modules as a process of its own for the length of the block."""
    running = subprocess.Popen([sys.executable, "-m", module], cwd=ROOT, env=environ)
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(30)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
