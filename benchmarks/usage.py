"""What a process has used, from Linux' /proc: figures that a busy machine does not change much."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


class Unknown(Exception):
    """This system has no /proc, or the process is gone."""


def cpu_s(pid: int) -> float:
    """Processor seconds of a process and its living children, user and system (proc(5), stat fields 14 and 15)."""
    ticks = 0
    for member in _family(pid):
        with suppress(OSError):  # it ended meanwhile
            # The name in parentheses may hold blanks; behind it the fields are counted from 3.
            fields = (_PROC / str(member) / "stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_bytes(pid: int) -> int:
    """Resident memory of one process (proc(5), statm)."""
    try:
        return int((_PROC / str(pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError as error:
        raise Unknown(f"process {pid}") from error


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        threads = list((_PROC / str(pid) / "task").iterdir())
    except OSError as error:
        raise Unknown(f"process {pid}") from error
    for thread in threads:
        with suppress(OSError, Unknown):
            for child in (thread / "children").read_text().split():
                yield from _family(int(child))
