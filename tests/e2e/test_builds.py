"""From a forge's push to a build's end, with a real gateway, a real worker and a real git server."""

import asyncio
from uuid import UUID

from libs.common import processes
from tests.e2e.site import Site, pipeline
from tests.gateway.jobs.viewer import Viewer
from tests.servers import free_port

INITIALIZED = ("pending", 0, "Build initialized")
STARTED = ("in_progress", 0, "Build started")


async def everything(site: Site, job_id: UUID) -> list[str]:
    """The log's messages, read in all three forms, which must agree."""
    lines = await site.lines(job_id)
    assert [line["id"] for line in lines] == list(range(1, len(lines) + 1))
    messages = [line["message"] for line in lines]
    assert (await site.text(job_id)).splitlines() == messages
    viewer = Viewer(site.client, job_id)
    await viewer.watch_to_the_end()
    assert viewer.messages == messages
    assert viewer.end == await site.job(job_id)
    return messages


async def failed(site: Site, job_id: UUID, code: str, exit_code: int | None = None) -> list[str]:
    """Check that job and build have failed so, and that the log ends with the reason; answers the log."""
    job = await site.ended(job_id)
    assert (job["status"], job["error"]["code"], job["exit_code"]) == ("failed", code, exit_code)
    build = await site.build_of(job_id)
    assert (build.status, build.error["code"], build.exit_code) == ("failure", code, exit_code)
    status, _, message = (await site.history(job_id))[-1]
    assert (status, message) == ("failure", f"{code}: {job['error']['message']}")
    await site.check_ledger([job_id])
    messages = await everything(site, job_id)
    assert "\n".join(messages).endswith(f"Failed: {job['error']['message']} ({code})")
    return messages


async def test_a_push_becomes_a_build_whose_log_is_live(shared: Site) -> None:
    """A line is seen while its step still runs; then row, build, history and log tell of the success."""
    marks = shared.marks()
    waits = f"echo hello; echo oops >&2; until [ -e {marks.folder}/gate ]; do sleep 0.02; done; cat greeting"
    repository, head = shared.repository(pipeline(waits, "git rev-parse HEAD"), greeting="good day\n")
    answer = await shared.send(shared.delivery(repository, head))
    assert answer.status_code == 202
    job_id, build_id = UUID(answer.json()["job_id"]), answer.json()["build_id"]
    assert answer.headers["Location"] == f"/jobs/{job_id}"

    viewer = Viewer(shared.client, job_id)
    watching = asyncio.create_task(viewer.watch_to_the_end())
    await shared.until(lambda: {"hello", "oops"} <= set(viewer.messages), "the first lines")
    running = await shared.job(job_id)
    assert (running["status"], running["stage"], running["progress"]) == ("running", "step 0", 0)
    assert (await shared.build_of(job_id)).status == "in_progress"
    marks.open_gate()
    await watching

    job = await shared.ended(job_id)
    assert viewer.end == job
    assert {name: job[name] for name in ("status", "exit_code", "error", "progress", "repo", "branch", "commit")} == {
        "status": "success", "exit_code": 0, "error": None, "progress": 100, "repo": f"acme/{repository.name}",
        "branch": "main", "commit": head,
    }  # fmt: skip
    assert job["build_id"] == build_id
    build = await shared.build_of(job_id)
    assert (build.status, build.state_code, build.exit_code, build.error) == ("success", 100, 0, None)
    assert await shared.history(job_id) == [
        INITIALIZED, STARTED, ("in_progress", 50, None), ("in_progress", 100, None),
        ("success", 100, "Build succeeded"),
    ]  # fmt: skip
    messages = await everything(shared, job_id)
    assert [message for message in messages if message in ("hello", "good day", head)] == ["hello", "good day", head]
    levels = {line["message"]: line["level"] for line in await shared.lines(job_id)}
    assert (levels["hello"], levels["oops"]) == ("stdout", "stderr")
    await shared.check_ledger([job_id])


async def test_a_failing_step_fails_the_build_with_its_exit_code(shared: Site) -> None:
    """The steps behind it do not run."""
    job_id = await shared.build(pipeline("echo one", "echo two; exit 7", "echo three"))
    messages = await failed(shared, job_id, "STEP_FAILED", 7)
    assert "two" in messages
    assert "three" not in messages
    assert [state for state in await shared.history(job_id) if state[0] != "failure"] == [
        INITIALIZED, STARTED, ("in_progress", 30, None),
    ]  # fmt: skip


async def test_a_step_over_its_time_fails_the_build(shared: Site) -> None:
    """Its processes are gone when the build has ended."""
    job_id = await shared.build(pipeline({"run": "echo began; sleep 1000", "timeout": "1s"}))
    messages = await failed(shared, job_id, "STEP_TIMEOUT", 143)
    assert "stopped: its 1 s are over" in messages
    assert processes.marked("SLIPWAY_JOB_ID", str(job_id)) == []


async def test_a_cancel_in_the_middle_ends_the_build_and_its_processes(shared: Site) -> None:
    """The job ends as cancelled within the grace, and nothing of it runs any more."""
    job_id = await shared.build(pipeline("echo began; sleep 1000", "echo never"))
    viewer = Viewer(shared.client, job_id)
    watching = asyncio.create_task(viewer.watch_to_the_end())
    await shared.until(lambda: "began" in viewer.messages, "the step to begin")
    assert processes.marked("SLIPWAY_JOB_ID", str(job_id)) != []
    asked = await shared.client.post(f"/jobs/{job_id}/cancel")
    assert (asked.status_code, asked.json()["cancel_requested"]) == (202, True)
    await watching
    job = await shared.ended(job_id)
    assert (job["status"], job["error"]["code"]) == ("cancelled", "CANCELLED")
    assert processes.marked("SLIPWAY_JOB_ID", str(job_id)) == []
    build = await shared.build_of(job_id)
    assert (build.status, build.error["code"]) == ("cancelled", "CANCELLED")
    assert (await shared.history(job_id))[-1][0] == "cancelled"
    messages = await everything(shared, job_id)
    assert "the build was cancelled" in messages
    assert "never" not in messages
    await shared.check_ledger([job_id])
    again = await shared.client.post(f"/jobs/{job_id}/cancel")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "JOB_ENDED")


async def test_a_missing_pipeline_file_says_which(shared: Site) -> None:
    """The log names the file and the commit."""
    repository, head = shared.repository(None)
    messages = await failed(shared, await shared.push(repository, head), "PIPELINE_MISSING")
    assert any(".slipway.yml" in message and head in message for message in messages)


async def test_an_invalid_pipeline_file_says_where_and_why(shared: Site) -> None:
    """The log names file, line and what was expected."""
    job_id = await shared.build("steps:\n  - name: a\n    rum: echo hello\n")
    messages = await failed(shared, job_id, "PIPELINE_INVALID")
    assert any(".slipway.yml:3" in message and "rum" in message for message in messages)


async def test_a_commit_that_the_server_does_not_have_fails_the_build(shared: Site) -> None:
    """No other commit is built in its place."""
    repository, _ = shared.repository(pipeline("echo hello"))
    missing = "1" * 40
    messages = await failed(shared, await shared.push(repository, missing), "COMMIT_MISSING")
    assert "hello" not in messages
    assert any(missing in message for message in messages)


async def test_an_unreachable_server_is_tried_again_and_then_fails(shared: Site) -> None:
    """The log tells of each try; the job has used up its budget."""
    repository, head = shared.repository(pipeline("echo hello"))
    nobody = f"git://127.0.0.1:{free_port()}/{repository.name}"
    job_id = await shared.push(repository, head, clone_url=nobody)

    async def waits() -> bool:
        job = await shared.job(job_id)
        return job["status"] == "running" and "CLONE_FAILED" in (job["waiting_for"] or "")

    await shared.until(waits, "the first retry to be shown")
    messages = await failed(shared, job_id, "CLONE_FAILED")
    job = await shared.job(job_id)
    assert job["error"]["retryable"]
    assert [message.split(" failed")[0] for message in messages if message.startswith("Try ")] == ["Try 1", "Try 2"]
    assert sum("refused" in message.lower() for message in messages) >= 3


async def test_a_push_that_the_pipeline_does_not_want_is_skipped(shared: Site) -> None:
    """`when:` is read at the commit; the build ends as cancelled and says why."""
    job_id = await shared.build(pipeline("echo hello", when={"branch": ["release/*"]}))
    job = await shared.ended(job_id)
    assert (job["status"], job["error"]["code"]) == ("cancelled", "SKIPPED")
    build = await shared.build_of(job_id)
    assert (build.status, build.error["code"]) == ("cancelled", "SKIPPED")
    messages = await everything(shared, job_id)
    assert "hello" not in messages
    assert any("branch" in message for message in messages)
    await shared.check_ledger([job_id])


async def test_a_failed_job_is_retried_as_a_new_job_on_the_same_build(shared: Site) -> None:
    """The build goes back to pending and then to its end; the old job stays as it was."""
    marks = shared.marks()
    old_id = await shared.build(pipeline(f"test -e {marks.folder}/gate"))
    await failed(shared, old_id, "STEP_FAILED", 1)
    old = await shared.job(old_id)
    marks.open_gate()
    answer = await shared.client.post(f"/jobs/{old_id}/retry")
    assert answer.status_code == 202
    new = answer.json()
    assert (new["retry_of"], new["status"], new["build_id"]) == (str(old_id), "pending", old["build_id"])
    assert answer.headers["Location"] == f"/jobs/{new['id']}"
    new_id = UUID(new["id"])
    assert (await shared.ended(new_id))["status"] == "success"
    assert await shared.job(old_id) == old
    history = [(status, message) for status, code, message in await shared.history(new_id) if message]
    assert history == [
        ("pending", "Build initialized"), ("in_progress", "Build started"),
        ("failure", "STEP_FAILED: step step 0 failed with exit code 1"), ("pending", "Build retried"),
        ("in_progress", "Build started"), ("success", "Build succeeded"),
    ]  # fmt: skip
    build = await shared.build_of(new_id)
    assert (build.status, build.error, build.exit_code, build.job_id) == ("success", None, 0, new_id)
    ends = await shared.ends_in_events()
    assert (ends[str(old_id)], ends[str(new_id)]) == (1, 1)
