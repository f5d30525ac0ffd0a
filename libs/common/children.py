"""The worker's side of supervised child processes: starts them, keeps them alive, ends them.

The other side and the lines between the two are in libs/common/supervisor.py. A child lives as long as `beat()` is
called; the runtime calls it after each successful renewal of its leases, so no child outlives the lease of its job.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Container, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

from libs.common import processes
from libs.common.supervisor import MARK, MAX_FRAME_BYTES

ERROR_TAIL_BYTES = 4096  # of a child's stderr: the end of a traceback
SWEEP_S = (
    5.0  # for finding and killing what a killed supervisor left; SIGKILL takes effect when its target is scheduled
)


class FrameTooLong(Exception):
    """The child wrote a line of more than MAX_FRAME_BYTES: it is not a supervisor of ours."""


class Child:
    """A running supervisor."""

    def __init__(self, process: asyncio.subprocess.Process, mark: str, lease: object) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.pid = process.pid
        self.mark = mark
        self.lease = lease
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout
        self._errors = bytearray()
        self._errors_read = asyncio.create_task(self._read_errors(process.stderr))

    async def frames(self) -> AsyncIterator[bytes]:
        """Yield the child's lines until it closes its output. The child waits while nobody asks for the next one.

        Raises FrameTooLong.
        """
        while True:
            try:
                line = await self._stdout.readline()
            except ValueError as error:  # asyncio's word for a line over the limit
                raise FrameTooLong(f"a line of more than {MAX_FRAME_BYTES} bytes") from error
            if not line:
                return
            yield line

    async def wait(self) -> int:
        """Wait for the end; returns the exit code, -n when signal n ended it."""
        return await self._process.wait()

    @property
    def returncode(self) -> int | None:
        """The exit code as far as it is known; None while the child runs."""
        return self._process.returncode

    @property
    def errors(self) -> str:
        """The last of what the child wrote to stderr."""
        return self._errors.decode("utf-8", "replace").strip()

    def beat(self) -> None:
        """Tell the child that it may live on. Never waits: a child that does not read gets no further lines."""
        self._say(b"alive\n")

    def cancel(self) -> None:
        """Ask the child to stop what it runs: SIGTERM, its grace, SIGKILL; it reports its end as ever."""
        self._say(b"cancel\n")

    def _say(self, line: bytes) -> None:
        if not self._stdin.is_closing() and self._stdin.transport.get_write_buffer_size() == 0:
            self._stdin.write(line)

    async def _read_errors(self, stream: asyncio.StreamReader) -> None:
        while data := await stream.read(ERROR_TAIL_BYTES):
            self._errors += data
            del self._errors[:-ERROR_TAIL_BYTES]

    async def end(self, stop_s: float) -> None:
        """End the child within `stop_s`: end of file tells it to kill all it has started, at once."""
        self._stdin.close()
        draining = asyncio.create_task(self._drain())
        try:
            async with asyncio.timeout(stop_s):
                await self._process.wait()
        except TimeoutError:
            processes.signal_group(self.pid, signal.SIGKILL)
            await self._process.wait()
        finally:
            for task in (draining, self._errors_read):
                task.cancel()
            await asyncio.gather(draining, self._errors_read, return_exceptions=True)
        if self._process.returncode is not None and self._process.returncode < 0:
            await self._sweep()

    async def _drain(self) -> None:
        """Read on, so that a child in the middle of a write comes to see the end of file."""
        while await self._stdout.read(MAX_FRAME_BYTES):
            pass

    async def _sweep(self) -> None:
        """Kill what a supervisor that was itself killed left behind: found by the mark in its environment."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SWEEP_S):
                while left := await asyncio.to_thread(processes.marked, MARK, self.mark):
                    for pid in left:
                        processes.kill(pid)
                    await asyncio.sleep(0.01)


class Children:
    """The running children of one worker. `stop_s` is the longest that ending one takes before it is SIGKILLed.

    15 s: a supervisor kills what it runs at once, then removes its files.
    """

    def __init__(self, *, stop_s: float = 15.0) -> None:
        self._stop_s = stop_s
        self._running: set[Child] = set()
        self._ending: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def beat(self, leases: Container[object] | None = None) -> None:
        """Tell the children of these leases that they were renewed (None: all). Never waits and never raises."""
        for child in self._running:
            if leases is None or child.lease in leases:
                child.beat()

    @asynccontextmanager
    async def start(
        self,
        argv: Sequence[str],
        *,
        first_line: bytes,
        env: Mapping[str, str],
        cwd: Path | None = None,
        lease: object = None,
    ) -> AsyncIterator[Child]:
        """Start a supervisor in a session of its own, with this environment and nothing else, and give it its task.

        `first_line` ends with a line feed; `lease` is what `beat` knows the child by (its job's id). Leaving the
        context ends the child, also when the task is cancelled; a second cancellation leaves that to the background
        (see `close`). Raises OSError when it cannot be started.
        """
        mark = uuid4().hex
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**env, MARK: mark},
            cwd=cwd,
            start_new_session=True,
            limit=MAX_FRAME_BYTES,
        )
        child = Child(process, mark, lease)
        self._running.add(child)
        try:
            assert process.stdin is not None
            process.stdin.write(first_line)
            yield child
        finally:
            self._running.discard(child)
            ending = asyncio.create_task(child.end(self._stop_s))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            await asyncio.shield(ending)

    async def close(self) -> None:
        """Wait for children whose end was left to the background."""
        while self._ending:
            await asyncio.wait(self._ending)
