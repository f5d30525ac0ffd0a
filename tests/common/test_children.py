"""Supervised child processes, both sides, with real processes."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import uvloop

from libs.common import processes
from libs.common.children import Child, Children, FrameTooLong
from libs.common.supervisor import MARK, MAX_FRAME_BYTES, UNSENT_BYTES
from tests.common.alive import DEADLINE_S, beating, until

ROOT = Path(__file__).parents[2]
ARGV = (sys.executable, "-m", "tests.common.supervised")
ENV = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
# Two user ids of this test process alone (its neighbours kill by user id, too); the provider's begin at 61000.
UID = 62000 + os.getpid() % 1000 * 2

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc and child subreapers")
root = pytest.mark.skipif(os.getuid() != 0, reason="only root can run commands as another user")
# Under root, where builds have users of their own, the other way is left to the long run.
left = [pytest.mark.slow] if os.getuid() == 0 else []
users = pytest.mark.parametrize(
    "uid", [pytest.param(None, id="same-user", marks=left), pytest.param(UID, id="own-user", marks=root)]
)

# Ways out of a process group and of a family: each leaves `sleep 1000` behind unless it is caught.
ESCAPES = {
    "background": "sleep 1000 & sleep 1000",
    "setsid": "setsid sleep 1000 & sleep 1000",
    "double fork": "(setsid sh -c 'setsid sleep 1000 &' &); sleep 1000",
    "deaf": "trap '' TERM HUP INT; sleep 1000 & while :; do sleep 1000; done",
}
escapes = pytest.mark.parametrize("script", [pytest.param(script, id=name) for name, script in ESCAPES.items()])


def task(script: str, *, silence_s: float = 30.0, grace_s: float = 0.5, timeout_s: float = 60.0, **other: Any) -> bytes:
    """Return the first line for `tests.common.supervised`."""
    fields = {"script": script, "silence_s": silence_s, "grace_s": grace_s, "timeout_s": timeout_s}
    return json.dumps({"limits": None, "uid": None, "env": {}, **fields, **other}).encode() + b"\n"


def below(mark: str) -> list[int]:
    """Return the commands of a child: what carries its mark, without the supervisor itself."""
    return [pid for pid in processes.marked(MARK, mark) if b"tests.common.supervised" not in _cmdline(pid)]


def _cmdline(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


async def frames_of(child: Child) -> list[dict[str, Any]]:
    """Return every frame up to the end of the child's output."""
    return [json.loads(line) async for line in child.frames()]


def text_of(frames: list[dict[str, Any]], stream: str = "stdout") -> str:
    """Return what a command wrote to a stream."""
    return "".join(frame["text"] for frame in frames if frame.get("out") == stream)


async def run(line: bytes) -> list[dict[str, Any]]:
    """Run one task to its end."""
    async with Children().start(ARGV, first_line=line, env=ENV) as child:
        return await frames_of(child)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_command_runs_and_its_streams_arrive_apart(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Output arrives by stream, then the exit code, on either event loop."""
    with asyncio.Runner(loop_factory=loop) as runner:
        frames = runner.run(run(task("echo out; echo err >&2; exit 3")))
    assert text_of(frames) == "out\n"
    assert text_of(frames, "stderr") == "err\n"
    assert frames[-1] == {"end": 3, "timed_out": False}


async def test_a_command_killed_by_a_signal_has_the_shells_exit_code() -> None:
    """Signal n shows as 128 + n."""
    assert (await run(task("kill -9 $$")))[-1] == {"end": 137, "timed_out": False}


async def test_a_large_task_arrives_whole() -> None:
    """The first line may be far larger than a pipe."""
    frames = await run(task("echo ok", env={f"A{at}": "x" * 100_000 for at in range(10)}, padding="x" * 5_000_000))
    assert text_of(frames) == "ok\n"


@users
async def test_a_program_may_open_its_own_error_stream(uid: int | None) -> None:
    """`/dev/stderr` can be opened by name, also by another user."""
    assert text_of(await run(task("echo hi > /dev/stderr", uid=uid)), "stderr") == "hi\n"


@linux
@users
async def test_what_a_command_leaves_running_ends_with_it(uid: int | None) -> None:
    """Processes in the background, in other sessions too, do not run into the next command."""
    async with Children().start(
        ARGV, first_line=task("setsid sleep 1000 & sleep 1000 & echo ok", uid=uid), env=ENV
    ) as child:
        frames = await frames_of(child)
        assert (text_of(frames), frames[-1]["end"]) == ("ok\n", 0)
        assert below(child.mark) == []


@linux
@users
@escapes
async def test_a_time_out_leaves_no_process(script: str, uid: int | None) -> None:
    """After its time-out nothing of a command lives, whatever it did to get away."""
    async with Children().start(ARGV, first_line=task(script, timeout_s=0.5, uid=uid), env=ENV) as child:
        assert (await frames_of(child))[-1]["timed_out"] is True
        assert below(child.mark) == []


@linux
@users
@escapes
async def test_a_cancel_leaves_no_process(script: str, uid: int | None) -> None:
    """A cancelled command is gone, whatever it did to get away, and the child says so."""
    async with Children().start(ARGV, first_line=task(f"echo go; {script}", uid=uid), env=ENV) as child:
        frames = child.frames()
        assert "go" in json.loads(await anext(frames))["text"]
        child.cancel()
        assert json.loads([line async for line in frames][-1]) == {"end": "cancelled"}
        assert below(child.mark) == []


async def test_a_cancelled_command_may_clean_up_within_its_grace() -> None:
    """SIGTERM comes first, to the whole group, and is waited for."""
    script = "sh -c 'trap \"echo inner; exit\" TERM; echo go; while :; do sleep 0.01; done' & wait"
    async with Children().start(ARGV, first_line=task(script, grace_s=10), env=ENV) as child:
        frames = child.frames()
        assert "go" in json.loads(await anext(frames))["text"]
        child.cancel()
        assert text_of([json.loads(line) async for line in frames]) == "inner\n"


@linux
@users
@escapes
async def test_silence_of_the_worker_kills_everything(script: str, uid: int | None) -> None:
    """Without a heartbeat the supervisor kills all it has started and ends."""
    children = Children()
    async with children.start(ARGV, first_line=task(f"echo go; {script}", silence_s=1.0, uid=uid), env=ENV) as child:
        await anext(child.frames())
        assert await child.wait() == 75
        assert below(child.mark) == []
        assert child.errors == "the worker was silent for 1 s"


async def test_a_child_lives_as_long_as_its_lease_is_renewed() -> None:
    """Heartbeats keep a child beyond the time of silence; those of another lease do not."""
    children = Children()
    line = task("sleep 1.5; echo done", silence_s=0.5)
    async with (
        beating(children),
        children.start(ARGV, first_line=line, env=ENV, lease="mine") as child,
    ):
        assert text_of(await frames_of(child)) == "done\n"
    async with beating(children, "another"), children.start(ARGV, first_line=line, env=ENV, lease="mine") as child:
        assert await child.wait() == 75


WORKER = """
import asyncio, sys
from libs.common.children import Children
async def main():
    children = Children()
    async with children.start(sys.argv[1:], first_line=sys.stdin.buffer.readline(), env={env!r}) as child:
        print(child.mark, child.pid, flush=True)
        while True:
            children.beat()
            await asyncio.sleep(0.05)
asyncio.run(main())
"""


@contextmanager
def worker(line: bytes) -> Iterator[tuple[subprocess.Popen[bytes], str, int]]:
    """Start a worker process with one child; yields the process, the child's mark and its process id."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER.replace("{env!r}", repr(ENV)), *ARGV],
        env=ENV,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        process.stdin.write(line)
        process.stdin.flush()
        mark, pid = process.stdout.readline().split()
        try:
            yield process, mark.decode(), int(pid)
        finally:
            process.kill()


@linux
@users
@escapes
async def test_kill_9_of_the_worker_ends_everything(script: str, uid: int | None) -> None:
    """When the worker dies, its child and all that the child has started die at once, long before the silence."""
    with worker(task(script, uid=uid, silence_s=1000)) as (process, mark, _):
        await until(lambda: len(below(mark)) >= 2)
        process.kill()
        await until(lambda: processes.marked(MARK, mark) == [])


@linux
@users
@escapes
@pytest.mark.slow
async def test_a_frozen_worker_loses_its_children(script: str, uid: int | None) -> None:
    """A stopped worker writes no heartbeat: its child ends although the pipe is open."""
    with worker(task(script, uid=uid, silence_s=1)) as (process, mark, _):
        await until(lambda: len(below(mark)) >= 2)
        process.send_signal(signal.SIGSTOP)
        try:
            await until(lambda: processes.marked(MARK, mark) == [])
        finally:
            process.send_signal(signal.SIGCONT)


@linux
@escapes
async def test_what_a_killed_supervisor_left_is_found_and_killed(script: str) -> None:
    """A supervisor that dies itself leaves nothing once its context is left."""
    async with Children().start(ARGV, first_line=task(script), env=ENV) as child:
        await until(lambda: len(below(child.mark)) >= 2)
        os.kill(child.pid, signal.SIGKILL)
        assert await frames_of(child) == []
    assert processes.marked(MARK, child.mark) == []


@linux
@escapes
async def test_leaving_the_context_ends_the_child(script: str) -> None:
    """A body that ends or raises takes the child with it."""
    marks = []

    async def body() -> None:
        async with Children().start(ARGV, first_line=task(script), env=ENV) as child:
            marks.append(child.mark)
            await until(lambda: len(below(child.mark)) >= 2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await body()
    assert processes.marked(MARK, marks[0]) == []


@linux
async def test_a_cancelled_task_ends_its_child_also_when_cancelled_twice() -> None:
    """However often a task is cancelled, close() returns when its child is gone."""
    children = Children()
    started = asyncio.get_running_loop().create_future()

    async def body() -> None:
        async with children.start(ARGV, first_line=task("sleep 1000"), env=ENV) as child:
            started.set_result(child)
            await frames_of(child)

    running = asyncio.create_task(body())
    child = await started
    await until(lambda: below(child.mark) != [])
    assert len(children) == 1
    running.cancel()
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await children.close()
    assert len(children) == 0
    assert processes.marked(MARK, child.mark) == []


@linux
async def test_a_stuck_supervisor_is_killed_within_the_bound() -> None:
    """A supervisor that does not react is SIGKILLed, and what it ran is swept up."""
    async with Children(stop_s=0.5).start(ARGV, first_line=task("setsid sleep 1000 & sleep 1000"), env=ENV) as child:
        await until(lambda: len(below(child.mark)) >= 2)
        os.kill(child.pid, signal.SIGSTOP)
    assert child.returncode == -signal.SIGKILL
    assert processes.marked(MARK, child.mark) == []


async def test_a_child_that_does_not_read_costs_no_memory_and_no_time() -> None:
    """A full pipe swallows heartbeats: they are neither kept nor waited for."""
    children = Children(stop_s=0.5)
    async with children.start(("sleep", "1000"), first_line=b"", env=ENV) as child:
        for _ in range(100_000):
            children.beat()
        assert child._stdin.transport.get_write_buffer_size() <= len(b"alive\n")


async def test_beats_for_a_child_that_is_gone_are_no_error() -> None:
    """A child may end at any time; the heart beats on."""
    children = Children()
    async with children.start(("true",), first_line=b"", env=ENV) as child:
        await child.wait()
        for _ in range(10):
            children.beat()
            await asyncio.sleep(0)
        child.cancel()


async def test_a_line_without_end_is_refused() -> None:
    """A program that is no supervisor of ours cannot fill the worker's memory."""
    argv = ("sh", "-c", f"head -c {3 * MAX_FRAME_BYTES} /dev/zero")
    async with Children().start(argv, first_line=b"", env=ENV) as child:
        with pytest.raises(FrameTooLong):
            await frames_of(child)


async def test_a_program_that_does_not_exist_is_an_os_error() -> None:
    """Starting fails with the system's own error."""
    with pytest.raises(FileNotFoundError):
        async with Children().start(("/no/such/program",), first_line=b"", env=ENV):
            pass


@linux
async def test_a_slow_worker_makes_the_command_wait() -> None:
    """Output that nobody reads stays with the command: the supervisor's memory is bounded, and nothing is lost."""
    lines = 3_000_000
    async with Children().start(ARGV, first_line=task(f"seq {lines}"), env=ENV) as child:
        await until(lambda: below(child.mark) != [])
        blocked = [0.0, -1.0]
        while blocked[-1] != blocked[-2]:  # until the command's use of the processor stands still
            blocked.append(_cpu_s(below(child.mark)))
            await asyncio.sleep(0.2)
        assert _rss_bytes(child.pid) < 60 * 1024 * 1024 + UNSENT_BYTES
        text = text_of(await frames_of(child))
    assert text.count("\n") == lines
    assert text.endswith(f"\n{lines}\n")


def _cpu_s(pids: list[int]) -> float:
    return sum(sum(map(int, Path(f"/proc/{pid}/stat").read_text().split()[13:15])) for pid in pids)


def _rss_bytes(pid: int) -> int:
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


LIMITS = {"cpu_s": 60, "memory_bytes": 2**30, "processes": 60, "file_bytes": 2**20, "open_files": 64}


@pytest.mark.parametrize(
    ("script", "limits", "says"),
    [
        ("while :; do :; done", {"cpu_s": 1}, ""),
        ("head -c 2000000 /dev/zero > $T/big", {}, ""),
        (f"{sys.executable} -c 'x = bytearray(2**31)'", {}, "MemoryError"),
        (f"{sys.executable} -c 'f = [open(\"/dev/null\") for _ in range(100)]'", {}, "Too many open files"),
    ],
    ids=["cpu", "file-size", "memory", "open-files"],
)
async def test_limits_hold_for_a_command(tmp_path: Path, script: str, limits: dict[str, int], says: str) -> None:
    """A process that wants more than its limit fails."""
    if "memory" in script + says.lower() and sys.platform != "linux":
        pytest.skip("only Linux limits memory by RLIMIT_DATA")
    frames = await run(task(script, limits=LIMITS | limits, env={"T": str(tmp_path)}))
    assert frames[-1]["end"] != 0
    assert frames[-1]["timed_out"] is False
    assert says in text_of(frames, "stderr")


# `exec`: the last command must not need a process of its own, of which there may be none left.
BOMBS = {
    "fork": "bomb() { bomb | bomb & }; bomb; exec sleep 1000",
    "fork with sessions": """export B='setsid sh -c "$B" & setsid sh -c "$B"'; setsid sh -c "$B"; exec sleep 1000""",
}


@linux
@root
@pytest.mark.parametrize("bomb", [pytest.param(bomb, id=name) for name, bomb in BOMBS.items()])
async def test_a_fork_bomb_stays_in_its_limit_and_ends(bomb: str) -> None:
    """A fork bomb reaches the limit of processes, no more, and is gone after its time-out."""
    line = task(bomb, limits=LIMITS, uid=UID, timeout_s=1.5)
    most = 0
    async with Children().start(ARGV, first_line=line, env=ENV) as child:
        reading = asyncio.create_task(frames_of(child))
        while not reading.done():
            most = max(most, len(below(child.mark)))
            await asyncio.sleep(0.02)
        frames = await reading
        assert frames[-1]["timed_out"] is True
        assert "Cannot fork" in text_of(frames, "stderr")
        assert most <= LIMITS["processes"]
        assert processes.count_threads(UID) == 0


@linux
@root
@pytest.mark.parametrize("bomb", [pytest.param(bomb, id=name) for name, bomb in BOMBS.items()])
@pytest.mark.slow
async def test_a_fork_bomb_ends_without_root_too(bomb: str) -> None:
    """A supervisor that is not root counts its user's other processes in, and gets rid of a fork bomb."""
    uid = UID + 1
    env = ENV | {"SUPERVISED_AS": str(uid)}
    most = 0
    async with Children().start(ARGV, first_line=task(bomb, limits=LIMITS, timeout_s=1.5), env=env) as child:
        reading = asyncio.create_task(frames_of(child))
        while not reading.done():
            most = max(most, len(below(child.mark)))
            await asyncio.sleep(0.02)
        frames = await reading
        assert frames[-1]["timed_out"] is True
        assert "Cannot fork" in text_of(frames, "stderr")
        assert most <= LIMITS["processes"]
        assert below(child.mark) == []


@linux
@root
async def test_a_step_cannot_read_the_worker_or_its_supervisor() -> None:
    """/proc/<pid>/environ of worker and supervisor is closed to the commands of another user."""
    script = f"cat /proc/$PPID/environ /proc/{os.getpid()}/environ /proc/$PPID/mem"
    frames = await run(task(script, uid=UID))
    assert text_of(frames, "stderr").count("Permission denied") == 3
    assert text_of(frames) == ""


def test_processes_are_found_by_their_mark() -> None:
    """A process is found by an entry of the environment that it was started with."""
    value = uuid4().hex
    process = subprocess.Popen(("sleep", "1000"), env={**ENV, "THE_MARK": value})
    with process:
        deadline = time.monotonic() + DEADLINE_S
        while processes.marked("THE_MARK", value) != ([process.pid] if sys.platform == "linux" else []):
            assert time.monotonic() < deadline
        process.kill()


def test_only_user_ids_of_ours_are_killed() -> None:
    """Killing by user id refuses those that belong to people and to the system."""
    with pytest.raises(ValueError, match="user id 0 is not one of ours"):
        processes.kill_user(0, 0)
