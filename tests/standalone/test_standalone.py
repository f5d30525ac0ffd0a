"""`python -m workers.standalone` as a person runs it, with the real gateway and workers."""

import fcntl
import json
import os
import re
import signal
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import ROOT, free_port, wait_until


class Standalone:
    """One data folder and port; `start` starts the tree, whose output is read line by line."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output: list[str] = []
        self.process: subprocess.Popen[str] | None = None

    def command(self, **environ: str) -> subprocess.Popen[str]:
        keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        return subprocess.Popen(
            [sys.executable, "-m", "workers.standalone"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env={**keep, "PORT": str(self.port), "SLIPWAY_DATA": str(self.data), **environ},
        )

    def start(self, **environ: str) -> dict[str, str]:
        """Start it, wait until it is ready, and return what it said: url, admin, password, webhooks, api key."""
        self.process = self.command(**environ)
        assert self.process.stdout is not None
        self.output = []
        said: dict[str, str] = {}
        for line in self.process.stdout:
            self.output.append(line)
            if match := re.match(r"(?:Slipway is ready|  (Admin|Password|Webhooks|API key)): +(.*)", line):
                said[(match[1] or "url").lower()] = match[2]
            if "api key" in said:
                return said
        raise AssertionError("".join(self.output))

    def refused(self, **environ: str) -> tuple[int, str]:
        """Start it where it cannot start; return the exit code and all that it said."""
        with self.command(**environ) as process:
            output, _ = process.communicate(timeout=60)
        return process.returncode, output

    def end(self, number: signal.Signals) -> int:
        """Send a signal to the parent alone; return its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None
        return code

    def nobody_left(self) -> bool:
        """Tell whether no process of the tree lives: each of them holds the folder's lock."""
        with (self.data / "lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def status(self, path: str) -> int:
        with urllib.request.urlopen(self.url + path, timeout=30) as response:
            code: int = response.status
            return code


@pytest.fixture
def standalone(tmp_path: Path) -> Iterator[Standalone]:
    running = Standalone(tmp_path / "data")
    yield running
    if running.process is not None:
        running.end(signal.SIGKILL)
        wait_until(running.nobody_left, "the end of standalone mode")


def test_first_and_second_start(standalone: Standalone) -> None:
    """The first start makes secrets, shows them once and serves; SIGTERM ends all; the second names their files."""
    first = standalone.start()
    assert first["url"] == standalone.url
    assert standalone.status("/ready") == 200
    secrets = standalone.data / "secrets"
    assert (secrets / "api_key").read_text().strip() == first["api key"]
    assert (secrets / "admin_password").read_text().strip() == first["password"]
    assert (secrets / "webhook_secret").read_text().strip() == first["webhooks"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in secrets.iterdir()} == {0o600}
    assert standalone.end(signal.SIGTERM) == 0
    assert standalone.nobody_left()

    second = standalone.start()
    assert first["password"] not in "".join(standalone.output)
    assert second["password"] == f"in {secrets / 'admin_password'}"
    assert second["api key"] == f"in {secrets / 'api_key'}"
    assert second["webhooks"] == f"in {secrets / 'webhook_secret'}"
    assert standalone.end(signal.SIGINT) == 0
    assert standalone.nobody_left()


@pytest.mark.slow
def test_ready_means_that_the_administrator_can_log_in(standalone: Standalone) -> None:
    """The login that the first start shows works at that very moment."""
    said = standalone.start()
    body = json.dumps({"username": said["admin"], "password": said["password"]}).encode()
    with urllib.request.urlopen(f"{standalone.url}/api/auth/login", data=body, timeout=30) as response:
        assert json.load(response)["token_type"] == "bearer"


@pytest.mark.slow
def test_what_the_operator_has_set_stays(standalone: Standalone) -> None:
    """No secret is made for a setting that somebody has set, nor a common one beside a forge's own."""
    said = standalone.start(GITEA_WEBHOOK_SECRET="a secret of ours", API_KEYS="a key of ours")
    assert said["webhooks"] == "as set by GITEA_WEBHOOK_SECRET"
    assert said["api key"] == "as set by API_KEYS"
    kept = {file.name for file in (standalone.data / "secrets").iterdir()}
    assert kept == {"secret_key", "admin_password"}


@pytest.mark.slow
def test_killing_the_parent_leaves_no_orphan_and_the_next_start_works(standalone: Standalone) -> None:
    """kill -9 of the parent ends every process; a start right after it waits for that instead of failing."""
    standalone.start()
    assert standalone.end(signal.SIGKILL) == -signal.SIGKILL
    standalone.start()
    standalone.end(signal.SIGKILL)
    wait_until(standalone.nobody_left, "the end of every process")


@pytest.mark.slow
def test_what_stands_in_the_way_is_one_clear_line(standalone: Standalone, tmp_path: Path) -> None:
    """A second instance, a taken port, a folder that cannot be written and a wrong setting are told, not traced."""
    standalone.start()
    assert standalone.process is not None
    pid = standalone.process.pid
    other = Standalone(tmp_path / "other")
    (tmp_path / "file").touch()
    in_use = f"SLIPWAY_DATA: {standalone.data} is in use by another Slipway (process {pid})"
    taken = f"API_PORT: cannot listen on 127.0.0.1:{standalone.port}: Address already in use"
    assert standalone.refused(PORT=str(other.port)) == (
        1,
        f"{in_use}; stop it, or set SLIPWAY_DATA to another folder\n",
    )
    assert other.refused(PORT=str(standalone.port)) == (1, f"{taken}; choose another: PORT=9000 make run\n")
    assert other.refused(SLIPWAY_DATA=str(tmp_path / "file")) == (
        1,
        f"SLIPWAY_DATA: cannot write to {tmp_path / 'file'}: File exists\n",
    )
    assert other.refused(PORT="http") == (
        78,
        "PORT = 'http' (environment): must be a whole number from 1 to 65535\n",
    )
    assert standalone.status("/ready") == 200


@pytest.mark.slow
def test_a_setting_that_a_program_refuses_ends_the_start(standalone: Standalone) -> None:
    """A key that strangers can guess stops everything, with the line of whoever reads it first and no restart."""
    code, output = standalone.refused(SECRET_KEY="short")
    assert code == 1
    assert "SECRET_KEY" in output
    last = output.splitlines()[-1]
    assert re.fullmatch(r"(gateway|builds) ended with exit code 78; the lines above say why", last)
    assert standalone.nobody_left()


def test_a_database_that_does_not_answer_is_one_line(standalone: Standalone) -> None:
    """Nobody has to read a traceback to learn that an address is wrong."""
    code, output = standalone.refused(DATABASE_URL=f"postgresql://slipway@127.0.0.1:{free_port()}/slipway")
    assert code == 1
    first, last = output.splitlines()
    assert first.startswith("DATABASE_URL: the database does not answer: ")
    assert last == "the database cannot be brought to this version; the lines above say why"


@pytest.mark.slow
def test_the_operators_redis_and_database_are_used(standalone: Standalone, redis: str, tmp_path: Path) -> None:
    """With REDIS_URL and DATABASE_URL set nothing of our own stands beside them."""
    standalone.start(REDIS_URL=redis, DATABASE_URL=f"sqlite:///{tmp_path / 'elsewhere.db'}")
    assert (tmp_path / "elsewhere.db").exists()
    assert {path.name for path in standalone.data.iterdir()} <= {"lock", "secrets"}
    assert standalone.end(signal.SIGTERM) == 0
    assert standalone.nobody_left()
