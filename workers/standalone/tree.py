"""The process tree: start programs, keep them running, stop them in reverse order."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

# EX_CONFIG of sysexits(3): the program says that its settings are wrong; starting it again cannot help.
EXIT_CONFIG = 78
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
# A program that ran this long was started all right: its next crash starts with the shortest pause again.
_STABLE_AFTER_S = 60.0

log = structlog.get_logger()


@dataclass(frozen=True)
class Program:
    """One process of the tree; `stop_within_s` after SIGTERM it is killed. `explain` says why it may have failed."""

    name: str
    argv: Sequence[str]
    stop_within_s: float
    environ: Mapping[str, str] = field(default_factory=dict)  # on top of the tree's
    explain: Callable[[], str] = lambda: "the lines above say why"


class Tree:
    """Programs in stages. A stage is started as a whole; stages are stopped in reverse order.

    Each program has a session of its own, so Ctrl-C at the terminal reaches the parent alone, and standard input as
    its lifeline (see lifeline.py). Output goes where the parent's goes. Until `settled` any program that ends fails the
    start; after it, one that ends is started again after a pause that doubles from 0.5 s to 30 s, except when it ends
    with EXIT_CONFIG.
    """

    def __init__(self, environ: Mapping[str, str], folder: Path, inherit: Sequence[int] = ()) -> None:
        """`folder` is the programs' working directory; `inherit` are file descriptors that they keep open."""
        self._environ = environ
        self._folder = folder
        self._inherit = tuple(inherit)
        self._lifeline, self._held = os.pipe()  # `_held` is never written to and never inherited
        self._stages: list[list[_Kept]] = []
        self._settled = False
        self._failure: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def start(self, *programs: Program) -> None:
        """Start a stage."""
        self._stages.append([_Kept(program, self) for program in programs])

    def settled(self) -> None:
        """Say that the start is over: from now on programs that end are started again."""
        self._settled = True

    async def failure(self) -> str:
        """Wait until a program has ended for good and say which one, with which exit code."""
        return await asyncio.shield(self._failure)

    def accepts_end(self, program: Program, code: int) -> bool:
        """Tell whether a program that ended by itself is to be started again; otherwise note the failure."""
        again = self._settled and code != EXIT_CONFIG
        if not again:
            self.fail(f"{program.name} ended with exit code {code}; {program.explain()}")
        return again

    def fail(self, reason: str) -> None:
        """Give up for this reason; the first one counts."""
        if not self._failure.done():
            self._failure.set_result(reason)

    async def run(self, program: Program) -> int:
        """Run a program once, to its end, and return its exit code. It is killed when the caller is cancelled."""
        process = await self.spawn(program)
        try:
            return await process.wait()
        finally:
            kill_group(process.pid)

    async def stop(self) -> None:
        """Stop everything, the last stage first, each program within its time."""
        for stage in reversed(self._stages):
            await asyncio.gather(*(kept.stop() for kept in stage))
        self._stages.clear()

    def kill(self) -> None:
        """Kill everything at once; `stop` still has to be awaited."""
        for kept in (kept for stage in self._stages for kept in stage):
            kept.kill()

    def close(self) -> None:
        """Let go of the lifeline."""
        os.close(self._held)
        os.close(self._lifeline)

    async def spawn(self, program: Program) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *program.argv,
            stdin=self._lifeline,
            env={**self._environ, **program.environ},
            cwd=self._folder,
            pass_fds=self._inherit,
            start_new_session=True,
        )


class _Kept:
    """One program that a task keeps running until `stop`."""

    def __init__(self, program: Program, tree: Tree) -> None:
        self._program = program
        self._tree = tree
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._task = asyncio.create_task(self._keep_running(), name=f"keep {program.name}")

    async def _keep_running(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                self._process = process = await self._tree.spawn(self._program)
            except OSError as error:
                self._tree.fail(f"{self._program.name} cannot be started: {error}")
                return
            if await self._stops_first(process.wait()):
                await end(process, self._program.stop_within_s)
                return
            kill_group(process.pid)  # what a crashed program left behind
            code = await process.wait()
            if not self._tree.accepts_end(self._program, code):
                return
            if time.monotonic() - started >= _STABLE_AFTER_S:
                pause_s = _FIRST_PAUSE_S
            log.warning("process_ended", process=self._program.name, exit_code=code, restart_in_s=pause_s)
            await self._stops_first(asyncio.sleep(pause_s))
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _stops_first(self, other: Coroutine[Any, Any, object]) -> bool:
        """Wait for `other` or for the wish to stop; tell whether it was the wish."""
        tasks = [asyncio.ensure_future(other), asyncio.ensure_future(self._stopping.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        return self._stopping.is_set()

    async def stop(self) -> None:
        self._stopping.set()
        await self._task

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            kill_group(self._process.pid)


async def end(process: asyncio.subprocess.Process, within_s: float) -> None:
    """Ask a process to end by SIGTERM and kill its whole group after `within_s`."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), within_s)
    except TimeoutError:
        log.warning("process_killed", pid=process.pid, waited_s=within_s)
    kill_group(process.pid)
    await process.wait()


def kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
