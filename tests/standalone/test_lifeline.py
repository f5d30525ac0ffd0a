import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import ROOT, wait_until
from workers.standalone.embedded import guarded

PRINT_PID_AND_STAY = "import os, sys, time; print(os.getpid(), flush=True); time.sleep(600)"


def running(pid: int) -> bool:
    """Tell whether a process that is not our child is there; a zombie of somebody else counts as gone."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], check=False, capture_output=True, text=True).stdout
    return not state.strip().startswith("Z") and bool(state.strip())


def start_guard(code: str, *options: str) -> tuple[subprocess.Popen[str], int]:
    """Start a Python program behind a guard; return the guard and the program's process id."""
    argv = guarded([sys.executable, "-c", code], *options)
    guard = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert guard.stdout is not None
    return guard, int(guard.stdout.readline())


def finish(process: subprocess.Popen[str]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def test_a_guarded_program_ends_when_the_lifeline_does() -> None:
    """Closing the pipe, which the kernel does for a killed parent, ends guard and program."""
    guard, pid = start_guard(PRINT_PID_AND_STAY)
    assert guard.stdin is not None
    guard.stdin.close()
    assert guard.wait(30) == 128 + signal.SIGTERM
    assert not running(pid)
    finish(guard)


def test_a_program_that_ignores_its_stop_signal_is_killed() -> None:
    """Deafness does not make an orphan."""
    code = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {PRINT_PID_AND_STAY}"
    guard, pid = start_guard(code)
    assert guard.stdin is not None
    guard.stdin.close()
    assert guard.wait(30) == 128 + signal.SIGKILL
    assert not running(pid)
    finish(guard)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_guard_passes_signals_on_as_the_stop_signal(number: signal.Signals) -> None:
    """Whatever asks the guard to end asks the program, in the way that the program understands."""
    guard, pid = start_guard(PRINT_PID_AND_STAY, "--signal", "USR1")
    guard.send_signal(number)
    assert guard.wait(30) == 128 + signal.SIGUSR1
    assert not running(pid)
    finish(guard)


def test_a_guard_ends_as_its_program_does() -> None:
    """The exit code is passed on."""
    guard, _ = start_guard("import os; print(os.getpid(), flush=True); raise SystemExit(7)")
    assert guard.wait(30) == 7
    finish(guard)


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A module `stayer` that a test fills and that runs on a lifeline."""
    return tmp_path / "stayer.py"


def run_module(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "workers.standalone.lifeline", "module", "stayer", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )


def test_a_module_runs_as_if_it_were_started_itself(module: Path) -> None:
    """It is `__main__`, has its arguments, and its exit code is the process's."""
    module.write_text("import sys\nif __name__ == '__main__':\n    print(sys.argv[1:])\n    sys.exit(5)\n")
    process = run_module(module.parent, "one", "--two")
    assert process.stdout is not None
    assert process.stdout.read() == "['one', '--two']\n"
    assert process.wait(30) == 5
    finish(process)


def test_a_module_is_asked_to_end_with_its_parent(module: Path) -> None:
    """End of file is SIGTERM: the module may end in order."""
    module.write_text(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('asked', flush=True), sys.exit(0)))\n"
        "print('up', flush=True)\n"
        "time.sleep(600)\n"
    )
    process = run_module(module.parent)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.stdin.close()
    assert process.stdout.readline() == "asked\n"
    assert process.wait(30) == 0
    finish(process)


def test_a_module_that_does_not_end_is_killed(module: Path) -> None:
    """A module that hangs, even one that never lets Python run a signal handler, does not outlive its parent."""
    module.write_text(
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(600)\n"
    )
    process = run_module(module.parent)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.stdin.close()
    assert process.wait(30) == -signal.SIGKILL
    finish(process)


def test_nothing_survives_a_killed_parent() -> None:
    """kill -9 of whoever holds the lifeline, children of children included, leaves no process."""
    inner = guarded([sys.executable, "-c", PRINT_PID_AND_STAY])
    code = f"import subprocess, time; subprocess.Popen({inner!r}, stdin=subprocess.PIPE); time.sleep(600)"
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait(30)
    wait_until(lambda: not running(pid), "the program's end")
    finish(parent)
