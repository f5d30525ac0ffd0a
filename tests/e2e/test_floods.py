"""Steps that print or fork more than anybody can want: the build ends, its limits hold, the worker lives on."""

import time
from uuid import UUID

import pytest

from libs.common import processes
from tests.e2e.processes import Process
from tests.e2e.site import Site, pipeline
from tests.measures import Measured

MB = 1024 * 1024


def worker_of(site: Site) -> Process:
    [worker] = [process for process in site.installed.processes.started if process.name == "builds"]
    return worker


async def lives_on(site: Site) -> None:
    """The worker that had the flood builds the next push, too."""
    job = await site.ended(await site.build(pipeline("echo next")))
    assert job["status"] == "success"
    assert worker_of(site).is_running


async def size_of_log(site: Site, job_id: UUID) -> tuple[int, str]:
    """How large the log is as plain text, and its last 64 KB."""
    size, tail = 0, b""
    headers = {"Accept": "text/plain"}
    async with site.client.stream("GET", f"/jobs/{job_id}/logs", headers=headers) as answer:
        async for chunk in answer.aiter_bytes():
            size += len(chunk)
            tail = (tail + chunk)[-64 * 1024 :]
    return size, tail.decode(errors="replace")


@pytest.mark.databases("sqlite")
async def test_a_line_of_1_mb_is_cut_and_says_so(shared: Site) -> None:
    """What follows it is whole."""
    job_id = await shared.build(pipeline("head -c 1000000 /dev/zero | tr '\\0' x; echo; echo after"))
    assert (await shared.ended(job_id))["status"] == "success"
    messages = [line["message"] for line in await shared.lines(job_id)]
    [long] = [message for message in messages if message.startswith("xxx")]
    assert len(long.encode()) <= 16 * 1024
    assert long.endswith("[line cut at 16 KB]")
    assert "after" in messages
    await lives_on(shared)


@pytest.mark.databases("postgresql")
async def test_binary_output_is_shown_as_text(shared: Site) -> None:
    """Bytes that are no text, NUL and control sequences included, are replaced or dropped; the log stays readable."""
    job_id = await shared.build(
        pipeline("echo before; head -c 300000 /dev/urandom; printf '\\n\\000\\033[2Jafter\\377\\n'; echo end")
    )
    assert (await shared.ended(job_id))["status"] == "success"
    messages = [line["message"] for line in await shared.lines(job_id)]
    assert messages.index("before") < messages.index("after\ufffd") < messages.index("end")
    assert not any(character in message for message in messages for character in "\0\n\r")
    await lives_on(shared)


@pytest.mark.skipif("not sys.platform.startswith('linux')", reason="limits on processes need Linux")
@pytest.mark.databases("sqlite")
async def test_a_fork_bomb_ends_with_its_step(shared: Site) -> None:
    """It stays within the limit of processes, nothing of it is left, and the worker's leases hold meanwhile."""
    bomb = {"run": "bomb() { bomb | bomb & }; bomb; sleep 1000", "timeout": "3s"}
    job_id = await shared.build(pipeline(bomb))
    job = await shared.ended(job_id)
    assert (job["status"], job["error"]["code"]) == ("failed", "STEP_TIMEOUT")
    assert processes.marked("SLIPWAY_JOB_ID", str(job_id)) == []
    assert (await shared.row(job_id)).lease_no == 1
    await lives_on(shared)


@pytest.mark.slow
@pytest.mark.parametrize("line_length", [1000, 40])
async def test_200_mb_of_output_are_cut_at_64(shared: Site, line_length: int, measured: Measured) -> None:
    """The log keeps 64 MB at most and says that it was cut, the exit code arrives, the worker's memory stays small."""
    line = "x" * (line_length - 1)
    started = time.monotonic()
    job_id = await shared.build(pipeline({"run": f"yes {line} | head -c 200000000; exit 3", "timeout": "5m"}))
    job = await shared.ended(job_id, within_s=300)
    measured(f"200 MB of {line_length}-byte lines", time.monotonic() - started, "s")
    assert (job["status"], job["exit_code"]) == ("failed", 3)
    size, tail = await size_of_log(shared, job_id)
    assert 64 * MB / 4 < size <= 64 * MB  # what a line costs beside its text counts, too
    assert "[truncated]" in tail
    assert "exit code 3" in tail
    assert tail.endswith("Failed: step step 0 failed with exit code 3 (STEP_FAILED)\n")
    assert (await shared.row(job_id)).lease_no == 1
    peak_bytes = worker_of(shared).peak_memory_bytes()
    measured("worker's peak memory", peak_bytes / MB, "MB")
    assert peak_bytes < 200 * MB
    await lives_on(shared)
