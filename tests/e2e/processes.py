"""The product's own processes, as operators start them, for tests that kill, freeze and restart them.

Each hangs on a lifeline (workers/standalone/lifeline.py), so none outlives the test run. Lengths of time are quick by
environment, in the same order as the defaults; a lease of 4 s leaves a busy machine room for a late renewal.
"""

import contextlib
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.servers import ROOT, free_port

STOP_S: Final = 60.0  # only a process that hangs takes longer
_TAIL_LINES: Final = 40

QUICK: Final[Mapping[str, str]] = {
    "SLIPWAY_LEASE_S": "4",
    "SLIPWAY_RENEW_EVERY_S": "0.4",
    "SLIPWAY_GIVE_UP_AFTER_S": "3",
    "SLIPWAY_CHILD_SILENCE_S": "2.5",
    "SLIPWAY_HEARTBEAT_EVERY_S": "0.5",
    "SLIPWAY_PUBLISHER_TICK_S": "0.2",
    "SLIPWAY_PUBLISH_GRACE_S": "0.4",
    "SLIPWAY_REPUBLISH_AFTER_S": "4",
    "SLIPWAY_REPAIR_EVERY_S": "0.2",
    "SLIPWAY_REPAIR_FULL_EVERY_S": "2",
    "SLIPWAY_SHUTDOWN_GRACE_S": "2",
    "SLIPWAY_CANCEL_GRACE_S": "5",
    "SLIPWAY_POLL_DELAY_S": "0.1",
    "SLIPWAY_LOG_CHUNK_EVERY_S": "1",
    "RATE_LIMIT_PER_KEY": "0",  # tests ask more often than people
    "RATE_LIMIT_PER_ADDRESS": "0",
    "RATE_LIMIT_PER_LOGIN": "0",
}


@dataclass
class Process:
    """One process; `log` is the file of all that it says."""

    name: str
    log: Path
    popen: subprocess.Popen[bytes]
    is_ready: Callable[[], bool]
    url: str = ""  # of a gateway

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def is_running(self) -> bool:
        return self.popen.poll() is None

    def is_settled(self) -> bool:
        """Tell whether it is ready, or never will be."""
        return self.is_ready() or not self.is_running

    def kill(self) -> None:
        """End it by SIGKILL, frozen or not."""
        self.popen.kill()
        self.popen.wait(STOP_S)

    def ask_to_stop(self) -> None:
        """Send SIGTERM; `wait` gives the exit code."""
        self.popen.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Wait for the end; returns the exit code."""
        return self.popen.wait(STOP_S)

    def freeze(self) -> None:
        self.popen.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.popen.send_signal(signal.SIGCONT)

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def peak_memory_bytes(self) -> int:
        """The most resident memory that the (running) process ever had: VmHWM of proc(5)."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmHWM in /proc")


class Processes:
    """Starts processes with one common environment, and ends whatever is left of them."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        """`folder` takes the logs and is where the processes start: no `.env` of a developer lies there."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        self._environ = {**kept, "PYTHONPATH": str(ROOT), **environ}
        self._folder = folder
        self._started: list[Process] = []

    def gateway(self, port: int | None = None, **environ: str) -> Process:
        """Start a gateway, on a free port unless one is named; it is ready when it can answer from the database."""
        port = port or free_port()
        url = f"http://127.0.0.1:{port}"
        environ = {"API_PORT": str(port), **environ}
        return self._start("gateway", "services.gateway", environ, lambda _: _answers(f"{url}/ready"), url)

    def worker(self, module: str, **environ: str) -> Process:
        """Start a worker; it is ready when it has said that it takes work."""
        name = module.rpartition(".")[2]
        return self._start(name, module, environ, lambda log: b"worker_started" in log.read_bytes())

    def _start(
        self, name: str, module: str, environ: Mapping[str, str], ready: Callable[[Path], bool], url: str = ""
    ) -> Process:
        log = self._folder / f"{len(self._started)}-{name}.log"
        with log.open("wb") as output:
            popen = subprocess.Popen(
                [sys.executable, "-m", "workers.standalone.lifeline", "module", module],
                stdin=subprocess.PIPE,  # the lifeline: open until `close`, or as long as we live
                stdout=output,
                stderr=output,
                cwd=self._folder,
                env={**self._environ, **environ},
                start_new_session=True,
            )
        process = Process(name, log, popen, lambda: ready(log), url)
        self._started.append(process)
        return process

    @property
    def started(self) -> list[Process]:
        """All that were ever started, also those that have ended."""
        return list(self._started)

    def close(self) -> None:
        """End everything that still runs, in order where it can, by force where it cannot."""
        for process in self._started:
            if process.is_running:
                process.thaw()
                process.ask_to_stop()
        for process in self._started:
            try:
                process.popen.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
            if process.popen.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    process.popen.stdin.close()

    def tails(self) -> str:
        """The last lines of every process's log, without the requests."""
        parts = []
        for process in self._started:
            lines = [line for line in process.said().splitlines() if '"message":"request"' not in line]
            parts.append(f"--- {process.name}, pid {process.pid}, exit code {process.popen.poll()}")
            parts += lines[-_TAIL_LINES:]
        return "\n".join(parts)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
