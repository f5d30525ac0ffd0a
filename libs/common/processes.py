"""What we need of processes and the standard library does not give: parts of Linux's prctl(2) and proc(5).

Used on both sides of a supervised child (libs/common/supervisor.py, libs/common/children.py), and with nothing but the
standard library, since the child's side also runs inside other images. Other systems have no subreaper and no /proc:
there each function does nothing or finds nothing and says so by its result, and process groups are all there is.
"""

import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# linux/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36

_LINUX = sys.platform == "linux"
# Loaded once, at import: _prctl is called between fork and exec, where loading a library is not safe.
_LIBC = ctypes.CDLL(None, use_errno=True) if _LINUX else None


def _prctl(option: int, value: int) -> bool:
    return _LIBC is not None and _LIBC.prctl(option, ctypes.c_ulong(value), 0, 0, 0) == 0


def adopt_orphans() -> bool:
    """Make this process the parent of every orphan below it, so that a double fork does not get out of its tree."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> bool:
    """Let the kernel SIGKILL this process when its parent thread ends; call it after any change of user."""
    return _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def hide_from_same_user() -> bool:
    """Close /proc/<pid>/environ, mem and ptrace of this process to others of the same user; lost by exec."""
    return _prctl(_PR_SET_DUMPABLE, 0)


@dataclass(frozen=True, slots=True)
class Process:
    """A living process; zombies are not: they only wait for their parent."""

    pid: int
    parent: int
    group: int


def processes() -> Iterator[Process]:
    """Yield what runs now, as /proc tells it: a snapshot with seams."""
    for pid in _pids():
        try:
            stat = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:  # ended meanwhile
            continue
        # "pid (name) state parent group ...": the name may hold anything, spaces and brackets too
        state, parent, group = stat[stat.rindex(b")") + 2 :].split(maxsplit=3)[:3]
        if state not in (b"Z", b"X"):
            yield Process(pid, int(parent), int(group))


def descendants(pid: int) -> list[Process]:
    """Return every living process below `pid`, also those in other sessions and groups."""
    children: dict[int, list[Process]] = {}
    for process in processes():
        children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    waiting = [pid]
    while waiting:
        below = children.pop(waiting.pop(), [])
        found += below
        waiting += [process.pid for process in below]
    return found


def count_threads(uid: int) -> int:
    """Return how many threads run under a real user id: what RLIMIT_NPROC counts. 0 where /proc is missing."""
    total = 0
    for pid in _pids():
        try:
            status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        if int(fields.get("Uid", "-1").split()[0]) == uid:
            total += int(fields.get("Threads", "1"))
    return total


def marked(name: str, value: str) -> list[int]:
    """Return the processes that were started with `name=value` in their environment, as far as we may read it."""
    entry = f"{name}={value}".encode()
    found = []
    for pid in _pids():
        with contextlib.suppress(OSError):  # ended meanwhile, or not ours to read
            if entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.append(pid)
    return found


def kill(pid: int) -> None:
    """SIGKILL a process; nothing happens when it has ended or is not ours."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def signal_group(group: int, number: int) -> bool:
    """Signal a process group; False when nobody is left in it (macOS answers EPERM for a group of zombies)."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def kill_below(pid: int) -> int:
    """SIGKILL every descendant of `pid` and return how many there were.

    Groups first: the kernel kills a whole group at one go, so a fork bomb does not grow while we walk it. A process
    that was forked during the walk is missed: call again until the result is 0.
    """
    found = descendants(pid)
    for group in {process.group for process in found} - {os.getpgid(pid)}:
        signal_group(group, signal.SIGKILL)
    for process in found:
        kill(process.pid)
    return len(found)


def kill_user(uid: int, gid: int) -> None:
    """SIGKILL every process of a user that exists for our children only. For root.

    `kill(-1)` by a process of that user is one step for the kernel: nothing that forks meanwhile gets away.
    """
    if uid < 1000:
        raise ValueError(f"user id {uid} is not one of ours")
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


@contextlib.contextmanager
def choke(process_limit: int) -> Iterator[None]:
    """Take up every process that a limit leaves to this user, so that whoever is bound by it cannot fork.

    A bomb whose processes live shorter than a walk through /proc cannot be killed one by one. The limit counts all
    threads of the user, ours too, and we are not bound by it: with this many idle threads each of its forks fails.
    """
    done = threading.Event()
    threads: list[threading.Thread] = []
    usual_bytes = threading.stack_size(64 * 1024)
    try:
        for _ in range(process_limit):
            thread = threading.Thread(target=done.wait, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # at a limit of our own: then so is everybody
                break
            threads.append(thread)
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()
        threading.stack_size(usual_bytes)


def _pids() -> list[int]:
    if not _LINUX:
        return []
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208  # names only, no Path each
