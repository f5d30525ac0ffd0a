"""A child's lifeline: it ends when its parent does, however the parent ends.

Standard input is a pipe (or FIFO) that nobody writes to and whose other end only the parent holds open. End of file
means that the parent is gone, also after kill -9, on Linux and macOS alike. Two ways to hang on it:

    python -m workers.standalone.lifeline module services.gateway [argument...]
        runs one of our modules in this process and watches from a thread
    python lifeline.py command [--linger S] [--signal NAME] [--user UID] -- valkey-server ...
        for foreign programs: this process starts the program, passes signals on and ends as it ends

After end of file the program gets its stop signal (a foreign one `--linger` seconds later, so that Redis outlives those
who still write to it), and 3 s after that SIGKILL. Needs the standard library only: the guard of a foreign program runs
with `python -I -S` and costs 15 ms and 9 MB.
"""

import argparse
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from types import FrameType

# The parent was killed: leases and the write-ahead logs put everything right, tidiness is worth no more than this.
KILL_AFTER_S = 3.0


def _wait_for_end_of_file() -> None:
    try:
        while os.read(0, 1024):
            pass
    except OSError:  # standard input was never opened: nobody holds us
        pass


def run_module(name: str, arguments: list[str]) -> None:
    """Run `python -m name arguments` in this process until it ends or the lifeline does."""
    threading.Thread(target=_end_with_parent, name="lifeline", daemon=True).start()
    sys.argv = [name, *arguments]
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def _end_with_parent() -> None:
    _wait_for_end_of_file()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(KILL_AFTER_S)
    os.kill(os.getpid(), signal.SIGKILL)


def guard(argv: list[str], linger_s: float, stop: signal.Signals, user: int | None) -> int:
    """Run a foreign program until it ends or the lifeline does; return its exit code (128 + n for signal n).

    `user` is the numeric user and group to run it as, for programs that refuse to be root; None keeps ours.
    """
    program: subprocess.Popen[bytes] | None = None
    asked_early = False

    def pass_on(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked_early
        if program is None:
            asked_early = True
        else:
            program.send_signal(stop)

    # Before the program exists: a signal in between would end the guard alone.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, pass_on)
    extra: list[int] | None = [] if user is not None else None
    program = subprocess.Popen(argv, stdin=subprocess.DEVNULL, user=user, group=user, extra_groups=extra)
    if asked_early:
        program.send_signal(stop)

    def end_with_parent() -> None:
        _wait_for_end_of_file()
        time.sleep(linger_s)
        program.send_signal(stop)
        time.sleep(KILL_AFTER_S)
        program.kill()

    threading.Thread(target=end_with_parent, name="lifeline", daemon=True).start()
    code = program.wait()
    return code if code >= 0 else 128 - code


def main() -> int:
    parser = argparse.ArgumentParser(description="Run something that ends when its parent does.")
    modes = parser.add_subparsers(dest="mode", required=True)
    module = modes.add_parser("module")
    module.add_argument("name")
    module.add_argument("arguments", nargs=argparse.REMAINDER)
    command = modes.add_parser("command")
    command.add_argument("--linger", type=float, default=0.0)
    command.add_argument("--signal", default="TERM")
    command.add_argument("--user", type=int)
    command.add_argument("argv", nargs="+")
    options = parser.parse_args()
    if options.mode == "module":
        run_module(options.name, options.arguments)
        return 0
    return guard(options.argv, options.linger, signal.Signals[f"SIG{options.signal}"], options.user)


if __name__ == "__main__":
    sys.exit(main())
