"""The local provider and its runner, on real repositories served by real git servers."""

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import pytest

from libs.common import processes
from services.builds.providers.base import Outcome, OutcomeStatus
from tests.builds.repositories import Repository, serve_daemon, serve_http
from tests.builds.running import Ground, open_folder
from tests.common.alive import until

SUCCESS = Outcome(status=OutcomeStatus.SUCCESS, exit_code=0)

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")
root = pytest.mark.skipif(os.getuid() != 0, reason="only root can run builds as another user")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that is gone after the test."""
    with open_folder() as folder:
        (folder / "repositories").mkdir()
        yield folder


@pytest.fixture
def ground(folder: Path) -> Iterator[Ground]:
    """Repositories behind smart HTTP."""
    with serve_http(folder / "repositories") as url:
        yield Ground(folder, url)


def running(job_id: str) -> list[int]:
    """Return the processes of a build's steps."""
    return processes.marked("SLIPWAY_JOB_ID", job_id)


def nest(folder: Path, depth: int) -> None:
    """Make folders in each other, deeper than Python recurses."""
    folder.mkdir(parents=True)
    subprocess.run(["mkdir", "-p", "d/" * depth], cwd=folder, check=True)


def failure(code: str, **other: object) -> dict[str, object]:
    """Return what a failed outcome has to hold."""
    return {"status": OutcomeStatus.FAILURE, "code": code, **other}


def facts(outcome: Outcome, *names: str) -> dict[str, object]:
    """Return some fields of an outcome."""
    return {name: getattr(outcome, name) for name in ("status", "code", *names)}


# --- what goes well ---


@pytest.mark.parametrize("serve", [serve_http, serve_daemon], ids=["http", "daemon"])
async def test_a_build_runs_its_steps_at_its_commit(
    folder: Path, serve: Callable[[Path], AbstractContextManager[str]]
) -> None:
    """Steps run in order in the checkout of the commit; log, stages and progress tell of it."""
    pipeline = """
        steps:
          - name: look
            run: |
              cat greeting
              git rev-parse HEAD
              echo oops >&2
          - name: finish
            run: echo bye
    """
    with serve(folder / "repositories") as url:
        ground = Ground(folder, url)
        repository, _ = ground.repository(pipeline)
        commit = repository.commit({"greeting": "hello\n"})
        repository.commit({"greeting": "too late\n"})
        assert await ground.build(ground.spec(commit)) == SUCCESS
    assert ground.log.text("stdout").split("\n") == ["hello", commit, "bye"]
    assert ground.log.text("stderr") == "oops"
    assert ground.progress.reports == ["look", 50, "finish", 100]
    info = ground.log.text("info").split("\n")
    assert [line for line in info if line.startswith("::")] == [
        "::group::clone", "::endgroup::", "::group::look", "::endgroup::", "::group::finish", "::endgroup::",
    ]  # fmt: skip
    assert sum(line.startswith("exit code 0 after ") for line in info) == 2
    assert ground.work() == []


async def test_the_environment_of_a_step_is_what_it_is_documented_to_be(ground: Ground) -> None:
    """Nothing of the worker's environment arrives; pipeline goes before repository, secrets before both."""
    pipeline = """
        env: {A: pipeline, B: pipeline, S1: pipeline}
        secrets: [S1]
        steps: [{name: env, run: env}]
    """
    other = {"env": {"B": "repository", "C": "repository"}, "secrets": {"S1": "s3cret", "S2": "other"}}
    assert await ground.pipeline(pipeline, **other, event="tag", branch=None, tag="v1") == SUCCESS
    env = dict(line.split("=", 1) for line in ground.log.text("stdout").split("\n"))
    work = Path(env.pop("HOME")).parent
    assert work.parent == ground.folder / "work"
    assert env.pop("TMPDIR") == str(work / "tmp")
    assert env.pop("PWD") == str(work / "source")
    assert len(env.pop("SLIPWAY_COMMIT")) == 40
    assert env.pop("PATH").startswith("/usr/local/sbin:")
    env.pop("SLIPWAY_CHILD")
    assert env == {
        "A": "pipeline", "B": "pipeline", "C": "repository", "S1": "s3cret", "LANG": "C.UTF-8", "CI": "true",
        "SLIPWAY_BUILD_ID": "build-1", "SLIPWAY_JOB_ID": ground.job_id, "SLIPWAY_REPOSITORY": "ada/hello",
        "SLIPWAY_BRANCH": "", "SLIPWAY_TAG": "v1", "SLIPWAY_EVENT": "tag",
    }  # fmt: skip
    assert {"s3cret", "other"} <= set(ground.log.secrets)


async def test_a_step_that_may_fail_does_not_end_the_run(ground: Ground) -> None:
    """`allow_failure` goes on after a failure and counts as progress."""
    pipeline = "steps: [{name: a, run: exit 7, allow_failure: true}, {name: b, run: echo on}]"
    assert await ground.pipeline(pipeline) == SUCCESS
    assert "exit code 7" in ground.log.text("error")
    assert ground.progress.reports == ["a", 50, "b", 100]


async def test_a_commit_that_is_no_longer_the_head_comes_from_an_old_server(folder: Path) -> None:
    """Where a server gives no commit by its id, the branch is fetched, and where that is too short, everything."""
    with serve_http(folder / "repositories", protocol_v2=False) as url:
        ground = Ground(folder, url)
        repository, commit = ground.repository("steps: [{name: a, run: git rev-parse HEAD}]")
        for at in range(60):
            repository.commit({}, f"later {at}")
            if at == 2:
                assert await ground.build(ground.spec(commit)) == SUCCESS
        assert await ground.build(ground.spec(commit)) == SUCCESS
    assert ground.log.text("stdout").split("\n") == [commit, commit]
    assert "fetching refs/heads/main" in ground.log.text("info")
    assert "fetching the whole history" in ground.log.text("info")


@pytest.mark.parametrize("branch", ["--upload-pack=touch${IFS}pwned", "feature/ü", "-x"])
async def test_a_branch_may_have_any_name(folder: Path, branch: str) -> None:
    """A branch that is named like an option is a branch."""
    with serve_http(folder / "repositories", protocol_v2=False) as url:
        ground = Ground(folder, url)
        repository, _ = ground.repository(None)
        commit = repository.commit(
            {".slipway.yml": "steps: [{name: a, run: 'echo \"$SLIPWAY_BRANCH\"; ls -a'}]"}, branch=branch
        )
        repository.commit({})
        assert await ground.build(ground.spec(commit, branch=branch)) == SUCCESS
    assert ground.log.text("stdout").split("\n")[0] == branch
    assert "pwned" not in ground.log.text("stdout").replace(branch, "")


async def test_a_private_repository_is_cloned_with_credentials_that_stay_secret(folder: Path) -> None:
    """User name and token reach the server, and neither the log nor a step nor git's configuration."""
    with serve_http(folder / "repositories", login=("ada", "t0ken!")) as url:
        ground = Ground(folder, url)
        _, commit = ground.repository("steps: [{name: a, run: env; cat .git/config; ls ../scripts}]")
        spec = ground.spec(commit, username="ada", password="t0ken!")
        assert await ground.build(spec) == SUCCESS
        in_url = ground.spec(commit, clone_url=f"{url.replace('//', '//ada:t0ken%21@')}/hello")
        assert await ground.build(in_url) == SUCCESS
    assert "t0ken" not in ground.log.text()
    assert ground.log.secrets == ["t0ken!", "t0ken!"]


@linux
async def test_secrets_are_in_no_command_line(ground: Ground) -> None:
    """Neither the runner nor git nor the step's shell carries a secret in argv, where every user could read it."""
    seen: set[bytes] = set()

    def look() -> None:
        for process in processes.processes():
            with suppress(OSError):
                seen.add(Path(f"/proc/{process.pid}/cmdline").read_bytes())

    async def watch() -> None:
        while True:
            look()
            await asyncio.sleep(0.005)

    watching = asyncio.create_task(watch())
    other = {"secrets": {"S": "h1dden-value"}, "username": "ada", "password": "h1dden-token"}
    assert await ground.pipeline("secrets: [S]\nsteps: [{name: a, run: sleep 0.2}]", **other) == SUCCESS
    watching.cancel()
    assert any(b"services.builds.runner" in argv for argv in seen)
    assert not any(b"h1dden" in argv for argv in seen)


# --- what ends otherwise ---


async def test_a_failing_step_ends_the_run_with_its_exit_code(ground: Ground) -> None:
    """The run stops at the first failure; later steps do not start."""
    outcome = await ground.pipeline("steps: [{name: a, run: 'echo hi; (exit 3); echo no'}, {name: b, run: echo never}]")
    assert facts(outcome, "exit_code", "message", "retryable") == failure(
        "STEP_FAILED", exit_code=3, message="step a failed with exit code 3", retryable=False
    )
    assert ground.log.text("stdout") == "hi"
    assert ground.progress.reports == ["a"]


async def test_a_step_over_its_time_is_stopped(ground: Ground) -> None:
    """A step's time-out kills the step and fails the run."""
    outcome = await ground.pipeline("steps: [{name: slow, run: 'echo go; sleep 1000', timeout: 1s}]")
    assert facts(outcome, "message") == failure("STEP_TIMEOUT", message="step slow took longer than 1 s")
    assert "stopped: its 1 s are over" in ground.log.text("error")
    assert running(ground.job_id) == []


async def test_a_run_over_its_time_is_stopped_whatever_its_steps_may(ground: Ground) -> None:
    """The run's time-out goes before a step's, and before `allow_failure`."""
    pipeline = "timeout: 1s\nsteps: [{name: slow, run: sleep 1000, allow_failure: true}, {name: b, run: echo never}]"
    assert facts(await ground.pipeline(pipeline)) == failure("RUN_TIMEOUT")
    assert "never" not in ground.log.text("stdout")


async def test_a_missing_pipeline_says_which_file_was_looked_for(ground: Ground) -> None:
    """A repository without the file fails with the file and the commit."""
    outcome = await ground.pipeline(None, pipeline_path="ci/build.yml")
    assert facts(outcome) == failure("PIPELINE_MISSING")
    assert outcome.message.startswith("ci/build.yml: there is no such file at ")
    assert outcome.message in ground.log.text("error")


async def test_a_wrong_pipeline_says_line_and_expectation(ground: Ground) -> None:
    """A wrong file fails with file, line, column and what was expected."""
    outcome = await ground.pipeline("steps:\n  - name: a\n    runs: b\n")
    assert facts(outcome) == failure("PIPELINE_INVALID")
    assert ".slipway.yml:3:5: unknown key 'runs'; expected name, run," in ground.log.text("error")


@pytest.mark.parametrize("path", ["../.slipway.yml", "/etc/passwd", "link", "folder", ":(glob)*"])
async def test_a_pipeline_is_a_file_of_the_repository(ground: Ground, path: str) -> None:
    """Paths outside, symbolic links, folders and git's own pattern language lead nowhere."""
    repository, _ = ground.repository("steps: [{name: a, run: b}]")
    (repository.path / "link").symlink_to("/etc/passwd")
    commit = repository.commit({"folder/x": "y"})
    outcome = await ground.build(ground.spec(commit, pipeline_path=path))
    assert outcome.code in ("PIPELINE_INVALID", "PIPELINE_MISSING")
    assert "root:" not in ground.log.text()


async def test_a_run_that_its_pipeline_does_not_want_is_cancelled_with_the_reason(ground: Ground) -> None:
    """`when` is judged at the commit, with the event's files."""
    pipeline = "when: {path: ['src/**']}\nsteps: [{name: a, run: echo ran}]"
    outcome = await ground.pipeline(pipeline, changed_files=("docs/a.md",))
    assert (outcome.status, outcome.code) == (OutcomeStatus.CANCELLED, "SKIPPED")
    assert "none of the 1 changed files matches src/**" in outcome.message
    assert (
        await ground.build(ground.spec(Repository(ground.folder / "repositories/hello").git("rev-parse", "HEAD")))
        == SUCCESS
    )


async def test_an_environment_too_large_for_the_system_is_a_failure_that_stays_one(ground: Ground) -> None:
    """A variable that the kernel does not pass on ends the run with its words, and is not tried again."""
    outcome = await ground.pipeline(f"env: {{A: {'x' * 300_000}}}\nsteps: [{{name: a, run: 'true'}}]")
    assert facts(outcome, "retryable") == failure("RUNNER_ERROR", retryable=False)
    assert "Argument list too long" in outcome.message


async def test_without_git_a_build_says_so(ground: Ground) -> None:
    """A machine without git fails builds with the name of what is missing."""
    outcome = await ground.pipeline("steps: [{name: a, run: b}]", ground.provider(path="/nowhere"))
    assert facts(outcome, "retryable") == failure("RUNNER_ERROR", retryable=False)
    assert "'git'" in outcome.message


async def test_a_missing_secret_fails_by_its_name(ground: Ground) -> None:
    """A pipeline that names a secret which the repository does not have fails before any step."""
    outcome = await ground.pipeline("secrets: [TOKEN]\nsteps: [{name: a, run: echo ran}]")
    assert facts(outcome, "message") == failure("SECRET_MISSING", message="the repository has no secret TOKEN")


@pytest.mark.parametrize("protocol_v2", [True, False], ids=["v2", "v0"])
@pytest.mark.parametrize("commit", ["0123456789012345678901234567890123456789", "main", "--help"])
async def test_a_missing_commit_is_a_failure_of_its_own(folder: Path, commit: str, protocol_v2: bool) -> None:
    """A commit that the repository does not have (any more) is named."""
    with serve_http(folder / "repositories", protocol_v2=protocol_v2) as url:
        ground = Ground(folder, url)
        ground.repository("steps: [{name: a, run: b}]")
        outcome = await ground.build(ground.spec(commit))
    assert facts(outcome, "retryable") == failure("COMMIT_MISSING", retryable=False)
    assert commit in outcome.message


async def test_an_unreachable_server_is_worth_another_try(folder: Path) -> None:
    """A refused connection fails with git's own words, and may go well later."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        for scheme in ("http", "git"):
            ground = Ground(folder, f"{scheme}://127.0.0.1:{closed.getsockname()[1]}")
            outcome = await ground.build(ground.spec("0" * 40))
            assert facts(outcome, "retryable") == failure("CLONE_FAILED", retryable=True)
            assert "127.0.0.1" in outcome.message


async def test_a_silent_server_costs_no_more_than_the_time_of_a_clone(folder: Path) -> None:
    """A server that accepts and says nothing is given up."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ground = Ground(folder, f"http://127.0.0.1:{silent.getsockname()[1]}")
        outcome = await ground.build(ground.spec("0" * 40), ground.provider(clone_timeout_s=1))
    assert facts(outcome, "retryable") == failure("CLONE_TIMEOUT", retryable=True)


async def test_a_missing_repository_is_not_worth_another_try(ground: Ground) -> None:
    """A server that does not know the repository says so once."""
    outcome = await ground.build(ground.spec("0" * 40, clone_url=f"{ground.url}/nothing"))
    assert facts(outcome, "retryable") == failure("CLONE_FAILED", retryable=False)


async def test_wrong_credentials_are_denied(folder: Path) -> None:
    """A server that refuses the credentials ends the run without asking anybody."""
    with serve_http(folder / "repositories", login=("ada", "right")) as url:
        ground = Ground(folder, url)
        _, commit = ground.repository("steps: [{name: a, run: b}]")
        for given in ({}, {"username": "ada", "password": "wr0ng"}):
            outcome = await ground.build(ground.spec(commit, **given))
            assert facts(outcome, "retryable") == failure("CLONE_DENIED", retryable=False)
    assert "wr0ng" not in ground.log.text()


@pytest.mark.parametrize(
    "url", ["git://127.0.0.1/x", "http://127.0.0.1/x", "file:///etc", "/etc", "ext::sh -c id", "-u", ""]
)
async def test_insecure_addresses_are_refused_unless_allowed(folder: Path, url: str) -> None:
    """Only https and ssh are cloned; others need ALLOW_INSECURE_CLONE, and some are never."""
    ground = Ground(folder, "")
    outcome = await ground.build(ground.spec("0" * 40, clone_url=url), ground.provider(allow_insecure_clone=False))
    assert facts(outcome) == failure("CLONE_FORBIDDEN")


async def test_a_file_address_works_when_allowed(ground: Ground) -> None:
    """file:// is there for those who ask for it, also for repositories of another user."""
    _, commit = ground.repository("steps: [{name: a, run: echo ok}]")
    outcome = await ground.build(ground.spec(commit, clone_url=f"file://{ground.folder}/repositories/hello"))
    assert outcome == SUCCESS


# --- ends from outside ---


@linux
async def test_a_cancel_stops_the_step_and_tells_the_log(ground: Ground) -> None:
    """When the task is cancelled nothing of the build is left, and the log holds how it ended."""
    _, commit = ground.repository(
        "steps: [{name: a, run: 'trap \"echo cleaning; exit 1\" TERM; echo go; setsid sleep 1000 & wait'}]"
    )
    build = asyncio.create_task(ground.build(ground.spec(commit)))
    await until(lambda: "go" in ground.log.text("stdout"))
    build.cancel()
    with pytest.raises(asyncio.CancelledError):
        await build
    assert running(ground.job_id) == []
    assert ground.log.text("stdout").split("\n") == ["go", "cleaning"]
    assert "the build was cancelled" in ground.log.text("info")
    assert ground.work() == []


@linux
async def test_a_killed_runner_is_an_outcome_and_leaves_nothing(ground: Ground) -> None:
    """A runner that is killed (by the kernel, short of memory) ends the build as RUNNER_LOST, worth another try."""
    _, commit = ground.repository("steps: [{name: a, run: 'echo go; setsid sleep 1000 & sleep 1000'}]")
    build = asyncio.create_task(ground.build(ground.spec(commit)))
    await until(lambda: "go" in ground.log.text("stdout"))
    (child,) = ground.children._running
    os.kill(child.pid, signal.SIGKILL)
    assert facts(await build, "retryable") == failure("RUNNER_LOST", retryable=True)
    assert running(ground.job_id) == []


async def test_the_folder_of_a_killed_runner_goes_with_a_later_run(ground: Ground) -> None:
    """A later run removes what a killed one left: old folders, however they are closed or nested."""
    work = ground.folder / "work"
    work.mkdir()
    work.chmod(0o755)  # a umask of 002 lets the group write, and such a folder is refused
    old = work / "run-killed"
    nest(old, depth=1200)
    (old / "d").chmod(0)
    os.utime(old, (0, 0))
    young = work / "run-young"
    young.mkdir()
    assert await ground.pipeline("steps: [{name: a, run: 'true'}]") == SUCCESS
    assert ground.work() == ["run-young"]


async def test_a_work_folder_that_others_can_write_is_refused(ground: Ground) -> None:
    """A folder in a public place that somebody else has prepared is not worked in."""
    work = ground.folder / "work"
    work.mkdir()
    work.chmod(0o777)
    assert facts(await ground.pipeline("steps: [{name: a, run: 'true'}]")) == failure("RUNNER_ERROR")


@root
async def test_concurrent_builds_have_users_of_their_own(ground: Ground) -> None:
    """Under root, builds at the same time run as different users, none of them root."""
    _, commit = ground.repository("steps: [{name: a, run: id -u; sleep 1}]")
    ends = await asyncio.gather(*(ground.build(ground.spec(commit, job_id=f"job-{at}")) for at in range(3)))
    assert ends == [SUCCESS] * 3
    uids = ground.log.text("stdout").split("\n")
    assert len(set(uids)) == 3
    assert all(int(uid) >= 61000 for uid in uids)


@root
async def test_without_user_ids_builds_run_as_the_worker(ground: Ground) -> None:
    """LOCAL_UID_BASE=0 runs builds as the worker's own user."""
    outcome = await ground.pipeline("steps: [{name: a, run: id -u}]", ground.provider(uid_base=0))
    assert (outcome, ground.log.text("stdout")) == (SUCCESS, "0")


# --- output ---


async def test_a_long_line_is_cut_and_says_so(ground: Ground) -> None:
    """A line of 1 MB keeps its first 16 KB; what follows it is whole."""
    assert (
        await ground.pipeline("steps: [{name: a, run: \"head -c 1000000 /dev/zero | tr '\\\\0' x; echo; echo after\"}]")
        == SUCCESS
    )
    long, after = ground.log.text("stdout").split("\n")
    assert len(long) == 16 * 1024
    assert long.endswith("x [line cut at 16 KB]")
    assert after == "after"


async def test_binary_output_is_text_with_replacements(ground: Ground) -> None:
    """Any bytes may be printed; the log stays text."""
    assert await ground.pipeline("steps: [{name: a, run: head -c 3000000 /dev/urandom; echo; echo after}]") == SUCCESS
    assert ground.log.text("stdout").endswith("\nafter")
    assert "\ufffd" in ground.log.text("stdout")
    assert max(len(line.encode()) for _, line in ground.log.lines) <= 16 * 1024


async def test_200_mb_of_output_are_cut_and_cost_little_memory(ground: Ground) -> None:
    """A flood is cut near the log's limit and said so once; the exit code still arrives."""
    written = 0

    async def count(text: str, level: str = "stdout") -> None:
        nonlocal written
        written += len(text) + 1
        if level != "stdout":
            ground.log.lines.append((level, text))

    ground.log.write = count  # type: ignore[method-assign]  # 64 MB would be the test's memory, not the provider's
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = await ground.pipeline(
        "steps: [{name: a, run: yes 'a line of forty characters or a few more' | head -c 200000000; exit 5}]"
    )
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert facts(outcome, "exit_code") == failure("STEP_FAILED", exit_code=5)
    assert 60e6 < written < 64e6
    assert ground.log.text("error").count("[truncated]") == 1
    assert "exit code 5" in ground.log.text("error")
    assert grown_kb < 30_000


@linux
@root
async def test_a_fork_bomb_does_not_keep_a_build_from_its_end(ground: Ground) -> None:
    """A fork bomb stays within the limit of processes and ends with the step's time-out."""
    pipeline = "steps: [{name: a, timeout: 2s, run: 'bomb() { bomb | bomb & }; bomb; sleep 1000'}]"
    outcome = await ground.pipeline(pipeline, ground.provider(processes=100))
    assert facts(outcome) == failure("STEP_TIMEOUT")
    assert running(ground.job_id) == []
