"""The child's side of a supervised child process: runs commands for a worker and lets none outlive the worker's lease.

A worker starts a supervisor (libs/common/children.py) in a session of its own and talks to it over its standard
streams, one line each:

    stdin    first line     the task, JSON, read by `first_line()`
             `alive`        written at each successful renewal of the lease
             `cancel`       stop what runs: SIGTERM, `grace_s`, SIGKILL (SIGTERM to the supervisor means the same)
    stdout   JSON objects   frames, each up to MAX_FRAME_BYTES, made by `send()`; what they mean is the task's affair

After `silence_s` without a line, or at end of file, the worker has lost its lease or its life: every process that the
supervisor started is SIGKILLed and `WorkerLost` is raised. That holds for processes that left their group or their
parent, too (the supervisor adopts orphans and walks its whole tree; with a user id of their own they are killed by
that), and for those of a supervisor that is itself killed as far as the kernel's parent-death signal reaches.

One thread and one selector loop: whatever a command does, and however slow the worker reads, the heartbeat is watched.
A slow worker makes commands wait (their pipes are not read while 256 KB of frames are unsent), so memory stays bounded.
Standard library only, because the supervisor also runs inside other images.
"""

import contextlib
import json
import os
import resource
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from libs.common import processes

MARK = "SLIPWAY_CHILD"  # environment variable that names the supervisor's run; how a worker finds what is left of it
MAX_FRAME_BYTES = 512 * 1024  # READ_BYTES of control characters, each six bytes in JSON, and the rest of the frame
READ_BYTES = 64 * 1024  # a Linux pipe holds as much
UNSENT_BYTES = 256 * 1024  # frames kept for a slow worker before the commands have to wait
FIRST_LINE_BYTES = 16 * 1024 * 1024  # a task may list the files of 2,048 commits
CHOKE_AFTER_S = 0.3  # ordinary killing takes milliseconds; what lives then forks faster than it can be found
KILL_S = 5.0  # SIGKILL works at once but for processes stuck in the kernel: those are given up
DRAIN_S = 2.0  # a dead command's pipes are read to their end; past this silence somebody out of reach holds them
NICENESS = 5  # commands yield to workers, whose leases lapse when they get no processor


class Cancelled(Exception):
    """The worker asked to stop; nothing that was started runs any more."""


class WorkerLost(Exception):
    """The worker is gone or silent; nothing that was started runs any more."""


@dataclass(frozen=True, slots=True)
class User:
    """Who commands run as, when the supervisor is root. The id is ours alone: all its processes may be killed."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Limits:
    """Resource limits of each process of a command (setrlimit(2)); `processes` counts threads over all of them."""

    cpu_s: int
    memory_bytes: int
    processes: int
    file_bytes: int
    open_files: int


@dataclass(frozen=True, slots=True)
class Command:
    """One program to run; `limits` None: those of the supervisor itself."""

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    timeout_s: float
    limits: Limits | None = None


@dataclass(frozen=True, slots=True)
class Exit:
    """How a command ended. `code` is its exit code, 128 + n when signal n ended it, as the shell has it."""

    code: int
    timed_out: bool
    duration_s: float


Output = Callable[[str, bytes], None]  # gets "stdout" or "stderr" and what was read, cut anywhere


class Supervisor:
    """Runs commands one at a time. `silence_s`, `grace_s` and `user` may be set once the task is known."""

    def __init__(self, *, silence_s: float = 8.0, grace_s: float = 10.0, user: User | None = None) -> None:
        self.silence_s = silence_s
        self.grace_s = grace_s
        self.user = user
        self.cancelled = False
        self._heard = _clock_s()
        self._lines = bytearray()
        self._unsent = bytearray()
        self._ended: dict[int, int] = {}  # pid -> wait status of our own commands and of adopted orphans
        self._process_limit = 0  # RLIMIT_NPROC of the command that runs, where it is the supervisor's user's own count
        self._group: int | None = None  # of the command that runs; all that is known where /proc is missing
        self._outputs: dict[int, Callable[[], None]] = {}  # pipe of the command that runs -> what reads it
        self._selector = selectors.DefaultSelector()
        processes.adopt_orphans()
        processes.hide_from_same_user()
        wake, self._wake = os.pipe()
        for descriptor in (0, 1, wake, self._wake):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only to wake the loop
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop_signal)
        self._selector.register(0, selectors.EVENT_READ, self._read_worker)
        self._selector.register(wake, selectors.EVENT_READ, partial(os.read, wake, 4096))

    # --- the worker ---

    def first_line(self) -> bytes:
        """Wait for the task. Raises WorkerLost when it does not come."""
        while b"\n" not in self._lines:
            self._turn(self.silence_s)
        line, _, rest = bytes(self._lines).partition(b"\n")
        self._lines = bytearray(rest)
        self._selector.modify(0, selectors.EVENT_READ, self._hear_worker)
        self._obey()
        return line

    def send(self, frame: Mapping[str, Any]) -> None:
        """Queue a frame for the worker; it is written while the loop turns."""
        text = json.dumps(frame, ensure_ascii=False, separators=(",", ":"))
        self._unsent += text.encode("utf-8", "replace") + b"\n"

    def flush(self) -> None:
        """Wait until the worker has taken every frame. Raises WorkerLost."""
        while self._unsent:
            self._turn(0.0 if self._write_worker() else self.silence_s)

    def _read_worker(self) -> None:
        data = os.read(0, READ_BYTES)
        if not data:
            self._lose("the worker has gone")
        self._heard = _clock_s()
        self._lines += data
        if len(self._lines) > FIRST_LINE_BYTES:
            self._lose(f"the worker sent a line of more than {FIRST_LINE_BYTES} bytes")

    def _hear_worker(self) -> None:
        self._read_worker()
        self._obey()

    def _obey(self) -> None:
        *lines, rest = self._lines.split(b"\n")
        self._lines = rest
        self.cancelled |= b"cancel" in lines

    def _on_stop_signal(self, _number: int, _frame: object) -> None:
        self.cancelled = True

    def _write_worker(self) -> bool:
        """Write what the worker's pipe takes at once; False when it is full."""
        try:
            written = os.write(1, self._unsent[:READ_BYTES])
        except BlockingIOError:
            return False
        except BrokenPipeError:
            self._lose("the worker does not listen any more")
        del self._unsent[:written]
        return True

    def _lose(self, why: str) -> NoReturn:
        self.kill_all()
        raise WorkerLost(why)

    # --- commands ---

    def run(self, command: Command, on_output: Output) -> Exit:
        """Run one command to its end, with everything that it started.

        It ends when its first process ends: what that leaves behind is killed, so nothing of one command runs into the
        next. Output is passed on while it runs, each stream in its order; between the streams the order is that of
        arrival, so lines written within the same instant to both may change places (one pipe would keep the order and
        lose which stream it was). Raises Cancelled, WorkerLost, and OSError when the program cannot be started.
        """
        self.check()
        started = time.monotonic()
        deadline = started + command.timeout_s
        process = self._start(command, on_output)
        timed_out = False
        try:
            while process.pid not in self._ended and not self.cancelled and not timed_out:
                self._turn(deadline - time.monotonic())
                timed_out = time.monotonic() >= deadline and process.pid not in self._ended
            if self.cancelled or timed_out:
                self._ask_to_stop(process.pid)
            all_killed = self.kill_all()
            if all_killed:
                self._drain()
        except BaseException:
            self.kill_all()
            raise
        finally:
            for descriptor in list(self._outputs):
                self._close_output(descriptor)
            status = self._ended.pop(process.pid, signal.SIGKILL)  # absent: it did not even die of that
            process.returncode = code = os.waitstatus_to_exitcode(status)  # reaped here, not by Popen
            self._ended.clear()
        self.check()
        if not all_killed:
            raise OSError("processes of the command could not be killed")
        return Exit(code if code >= 0 else 128 - code, timed_out, time.monotonic() - started)

    def check(self) -> None:
        """Raise Cancelled when the worker has asked to stop."""
        if self.cancelled:
            raise Cancelled

    def kill_all(self) -> bool:
        """SIGKILL everything that was started; False when something did not die within KILL_S."""
        started = time.monotonic()
        with contextlib.ExitStack() as choke:
            while True:
                if self._group is not None:
                    processes.signal_group(self._group, signal.SIGKILL)
                if self.user is not None:
                    processes.kill_user(self.user.uid, self.user.gid)
                left = processes.kill_below(os.getpid())
                self._reap()
                tried_s = time.monotonic() - started
                if not left:
                    self._group = None  # the number may be given to others now
                    return True
                if tried_s > KILL_S:
                    return False
                if tried_s > CHOKE_AFTER_S and self._process_limit:
                    choke.enter_context(processes.choke(self._process_limit))
                    self._process_limit = 0
                time.sleep(0.002)  # SIGKILL takes effect when the target is next scheduled

    def _start(self, command: Command, on_output: Output) -> subprocess.Popen[bytes]:
        user, limits = self.user, command.limits
        threads = processes.count_threads(os.getuid()) if limits and not user else 0  # they count against us as well
        self._process_limit = limits.processes + threads if limits and not user else 0
        ours, theirs = zip(*(self._pipe() for _ in ("stdout", "stderr")), strict=True)
        try:
            process = subprocess.Popen(
                command.argv,
                cwd=command.cwd,
                env={**command.env, **_mark()},
                stdin=subprocess.DEVNULL,
                stdout=theirs[0],
                stderr=theirs[1],
                start_new_session=True,
                user=user.uid if user else None,
                group=user.gid if user else None,
                extra_groups=[] if user else None,
                preexec_fn=partial(_before_exec, limits, threads),  # noqa: PLW1509  # safe: this process has one thread
            )
        except BaseException:
            for descriptor in ours:
                os.close(descriptor)
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        self._group = process.pid
        for descriptor, name in zip(ours, ("stdout", "stderr"), strict=True):
            self._outputs[descriptor] = partial(self._read_output, descriptor, name, on_output)
        return process

    def _pipe(self) -> tuple[int, int]:
        """Make a pipe for a command's output, its reading end first."""
        ours, theirs = os.pipe()
        if self.user is not None:  # else `echo >/dev/stderr`, which opens the pipe anew, is refused
            os.fchown(theirs, self.user.uid, self.user.gid)
        return ours, theirs

    def _read_output(self, descriptor: int, name: str, on_output: Output) -> None:
        data = os.read(descriptor, READ_BYTES)
        if data:
            on_output(name, data)
        else:
            self._close_output(descriptor)

    def _close_output(self, descriptor: int) -> None:
        del self._outputs[descriptor]
        with contextlib.suppress(KeyError):  # not watched while the worker is slow
            self._selector.unregister(descriptor)
        os.close(descriptor)

    def _ask_to_stop(self, group: int) -> None:
        """SIGTERM the group and give it `grace_s` to be gone, whole."""
        processes.signal_group(group, signal.SIGTERM)
        deadline = time.monotonic() + self.grace_s
        while processes.signal_group(group, 0) and (left := deadline - time.monotonic()) > 0:
            self._turn(min(left, 0.05))  # the end of a grandchild does not wake us

    def _drain(self) -> None:
        """Read what dead commands left in their pipes."""
        quiet_since = time.monotonic()
        while self._outputs and time.monotonic() - quiet_since < DRAIN_S:
            if self._turn(DRAIN_S) or self._unsent:
                quiet_since = time.monotonic()

    # --- the loop ---

    def _turn(self, wait_s: float) -> bool:
        """Wait for something to happen, at most `wait_s`, and attend to it; False when nothing did."""
        self._choose_what_to_watch()
        silence_left = self._heard + self.silence_s - _clock_s()
        ready = self._selector.select(max(0.0, min(wait_s, silence_left)))
        for key, _ in ready:
            key.data()
        self._reap()
        if _clock_s() - self._heard >= self.silence_s:
            self._lose(f"the worker was silent for {self.silence_s:g} s")
        return bool(ready)

    def _choose_what_to_watch(self) -> None:
        """Watch stdout while there is something to write, a command's pipes while there is room for what they give."""
        watched = self._selector.get_map()
        if self._unsent:
            self._write_worker()
        wanted = {} if len(self._unsent) >= UNSENT_BYTES else self._outputs
        for descriptor, read in self._outputs.items():
            if descriptor in wanted and descriptor not in watched:
                self._selector.register(descriptor, selectors.EVENT_READ, read)
            elif descriptor in watched and descriptor not in wanted:
                self._selector.unregister(descriptor)
        if self._unsent and 1 not in watched:
            self._selector.register(1, selectors.EVENT_WRITE, self._write_worker)
        elif not self._unsent and 1 in watched:
            self._selector.unregister(1)

    def _reap(self) -> None:
        """Take note of every child that ended, adopted ones too: a zombie counts against its user's processes."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                self._ended[ended[0]] = ended[1]


def _clock_s() -> float:
    """Seconds on a clock that also runs while the machine is asleep, as the database's does for the lease."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _mark() -> dict[str, str]:
    return {MARK: os.environ[MARK]} if MARK in os.environ else {}


def _before_exec(limits: Limits | None, threads: int) -> None:
    """Set up a new process between fork and exec, already as its user; `threads` already count against that user."""
    processes.die_with_parent()
    os.nice(NICENESS)
    os.umask(0o022)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if limits is None:
        return
    _limit(resource.RLIMIT_CPU, limits.cpu_s)
    _limit(resource.RLIMIT_NPROC, limits.processes + threads)
    _limit(resource.RLIMIT_FSIZE, limits.file_bytes)
    _limit(resource.RLIMIT_NOFILE, limits.open_files)
    if sys.platform == "linux":  # counts what is really writable there; elsewhere no limit on memory holds
        # not RLIMIT_AS: Go, Java, V8 and the sanitizers reserve many times the address space that they use
        _limit(resource.RLIMIT_DATA, limits.memory_bytes)


def _limit(which: int, value: int) -> None:
    """Set soft and hard limit, within the hard limit that already holds."""
    hard = resource.getrlimit(which)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))
