import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from workers.standalone.tree import EXIT_CONFIG, Program, Tree

# Writes a line when it starts and one when it is asked to stop.
STAYER = """
import os, signal, sys, time
def note(what):
    with open("notes", "a") as notes:
        notes.write(f"{what} {sys.argv[1]} {os.getpid()}\\n")
signal.signal(signal.SIGTERM, lambda *_: (note("stop"), sys.exit(0)))
note("start")
while True:
    time.sleep(60)
"""
DEAF = STAYER.replace('lambda *_: (note("stop"), sys.exit(0))', "signal.SIG_IGN")


def program(name: str, code: str = STAYER, stop_within_s: float = 30.0) -> Program:
    return Program(name, [sys.executable, "-c", code, name], stop_within_s)


@pytest.fixture
async def tree(tmp_path: Path) -> AsyncIterator[Tree]:
    tree = Tree({"PATH": os.environ["PATH"]}, tmp_path)
    yield tree
    tree.kill()
    await tree.stop()
    tree.close()


async def until_started(folder: Path, number: int) -> None:
    """Wait until programs have noted `number` starts."""
    async with asyncio.timeout(30):
        while len(notes(folder, "start")) < number:  # noqa: ASYNC110 - other processes write the notes
            await asyncio.sleep(0.005)


def notes(folder: Path, what: str) -> list[str]:
    """Return the names that noted `what`, in order."""
    file = folder / "notes"
    lines = file.read_text().splitlines() if file.exists() else []
    return [line.split()[1] for line in lines if line.startswith(what)]


def pid_of(folder: Path, name: str) -> int:
    lines = (folder / "notes").read_text().splitlines()
    return next(int(line.split()[2]) for line in reversed(lines) if line.startswith(f"start {name} "))


async def test_stages_stop_in_reverse_order(tree: Tree, tmp_path: Path) -> None:
    """What was started first, and is needed by the rest, ends last."""
    for number, name in enumerate(("redis", "worker", "gateway"), start=1):
        tree.start(program(name))
        await until_started(tmp_path, number)
    await tree.stop()
    assert notes(tmp_path, "stop") == ["gateway", "worker", "redis"]


async def test_a_crashed_program_is_started_again(tree: Tree, tmp_path: Path) -> None:
    """After the start is over, kill -9 of a program costs a pause, not the program."""
    tree.start(program("worker"))
    await until_started(tmp_path, 1)
    tree.settled()
    os.kill(pid_of(tmp_path, "worker"), signal.SIGKILL)
    await until_started(tmp_path, 2)


async def test_a_program_that_ends_while_starting_fails_the_start(tree: Tree) -> None:
    """A start that crashes is reported, with the program's own explanation, and not repeated for ever."""
    crash = Program("redis", [sys.executable, "-c", "raise SystemExit(3)"], 1.0, explain=lambda: "the disk is full")
    tree.start(crash)
    async with asyncio.timeout(30):
        assert await tree.failure() == "redis ended with exit code 3; the disk is full"


async def test_a_program_that_refuses_its_settings_is_not_started_again(tree: Tree) -> None:
    """The same settings would be refused again."""
    tree.settled()
    tree.start(Program("gateway", [sys.executable, "-c", f"raise SystemExit({EXIT_CONFIG})"], 1.0))
    async with asyncio.timeout(30):
        assert await tree.failure() == "gateway ended with exit code 78; the lines above say why"


async def test_a_program_that_does_not_stop_is_killed_in_its_time(tree: Tree, tmp_path: Path) -> None:
    """A deaf program, and what it has started, bounds the stop by its own limit."""
    tree.start(program("deaf", DEAF, stop_within_s=0.2))
    await until_started(tmp_path, 1)
    pid = pid_of(tmp_path, "deaf")
    async with asyncio.timeout(30):
        await tree.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_program_missing_on_this_machine_fails_the_start(tree: Tree) -> None:
    """What cannot even be started is reported like what crashes."""
    tree.start(Program("redis", ["/no/such/program"], 1.0))
    async with asyncio.timeout(30):
        assert "redis" in await tree.failure()


async def test_programs_get_the_trees_environment_and_their_own(tree: Tree, tmp_path: Path) -> None:
    """Nothing of the parent's environment passes by itself: the tree's is the whole of it."""
    code = "import os; open('environ', 'w').write(' '.join(sorted(os.environ)))"
    assert await tree.run(Program("once", [sys.executable, "-c", code], 1.0, {"MINE": "1"})) == 0
    names = set((tmp_path / "environ").read_text().split())
    assert {"PATH", "MINE"} <= names <= {"PATH", "MINE", "LC_CTYPE", "PWD", "__CF_USER_TEXT_ENCODING"}
