"""How builds on GitHub end, and end early: conclusions, cancel, time-outs, reruns, retries."""

import asyncio

import pytest
from sqlalchemy import update

from libs.common.errors import Conflict, NotFound
from libs.common.http.principal import Principal
from services.builds.errors import InputsTooLarge
from services.builds.models import Build
from services.builds.service.workflows import check_inputs
from tests.fakegithub.actions import Conclusion
from tests.fakegithub.faults import LOST_ANSWER, delayed, refused, unavailable
from tests.fakegithub.forge import FakeGitHub
from tests.workflows.site import ACTOR, GRACE, Site, open_site
from tests.workflows.test_lost_answers import DISPATCH, LISTING
from tests.world import eventually

RERUN = "actions/re-run-workflow"
TWO_JOBS = """\
run-name: Build ${{ inputs.slipway_build }}
on: {workflow_dispatch: {inputs: {slipway_build: {}, image_type: {}}}}
jobs:
  test: {runs-on: ubuntu-latest, steps: [{name: Test, run: make test}]}
  image: {runs-on: ubuntu-latest, steps: [{name: Image, run: make image}]}
"""

pytestmark = pytest.mark.databases("sqlite")


@pytest.mark.parametrize(
    ("conclusion", "status", "code"),
    [
        ("failure", "failed", "WORKFLOW_FAILED"),
        pytest.param("timed_out", "failed", "WORKFLOW_TIMED_OUT", marks=pytest.mark.slow),
        ("cancelled", "cancelled", "RUN_CANCELLED"),
        pytest.param("skipped", "failed", "WORKFLOW_SKIPPED", marks=pytest.mark.slow),
    ],
)
async def test_a_build_ends_as_its_run(
    site: Site, github: FakeGitHub, conclusion: Conclusion, status: str, code: str
) -> None:
    """Each conclusion of GitHub's has its end here; the build keeps GitHub's word."""
    async with site.worker():
        job = await site.trigger()
        run = await site.followed(job)
        run.advance()
        run.finish(conclusion)
        ended = await site.world.ended(job)
    assert ended.view.error is not None
    assert (ended.view.status, ended.view.error.code) == (status, code)
    assert (await site.build(job)).conclusion == conclusion


async def test_a_failure_names_the_job_and_the_step(site: Site, github: FakeGitHub) -> None:
    """Nobody has to look through the log for where it broke."""
    async with site.worker():
        job = await site.trigger()
        run = await site.followed(job)
        for _ in range(3):
            run.advance()
        run.finish("failure")
        ended = await site.world.ended(job)
    step = next(step for step in run.jobs[0].steps if step.conclusion == "failure")
    assert ended.view.error is not None
    assert f"the step {step.name!r} of the job 'build'" in ended.view.error.message


# --- cancel and time-out --------------------------------------------------------------------------------------------


async def test_cancelling_a_build_cancels_its_run(site: Site, github: FakeGitHub) -> None:
    """The job ends as cancelled when the run has ended on GitHub."""
    async with site.worker():
        job = await site.trigger()
        run = await site.followed(job)
        run.advance()
        await site.world.jobs.cancel(job.view.id, ACTOR)
        ended = await site.world.ended(job)
    assert ended.view.status == "cancelled"
    assert (run.status, run.conclusion) == ("completed", "cancelled")
    build = await site.build(job)
    assert (build.status, build.conclusion) == ("cancelled", "cancelled")


async def test_a_run_that_does_not_obey_is_cancelled_by_force(database: str, redis: str, github: FakeGitHub) -> None:
    """After a while: `always()` steps may hold a run for hours."""
    github.obeys_cancel = False
    async with open_site(database, redis, github) as site, site.worker():
        job = await site.trigger()
        run = await site.followed(job)
        run.advance()
        await site.world.jobs.cancel(job.view.id, ACTOR)
        assert (await site.world.ended(job)).view.status == "cancelled"
    assert run.is_completed
    assert [len(github.done("cancel")), len(github.done("force_cancel"))] == [1, 1]


async def test_a_cancel_in_the_middle_of_the_dispatch_cancels_what_it_started(site: Site, github: FakeGitHub) -> None:
    """The run that nobody had heard of yet is found and cancelled."""
    github.inject(delayed(0.4), DISPATCH)
    async with site.worker():
        job = await site.trigger()
        await site.world.until(job, lambda now: now.view.status == "running")
        await eventually(lambda: asyncio.sleep(0, github.count(LISTING) > 0), "nobody looked")
        await site.world.jobs.cancel(job.view.id, ACTOR)
        assert (await site.world.ended(job)).view.status == "cancelled"
        run = await site.run()
    assert run.conclusion == "cancelled"


@pytest.mark.slow
async def test_a_cancel_while_github_is_away_says_that_the_run_may_go_on(site: Site, github: FakeGitHub) -> None:
    """The job ends all the same; the log says what a person has to do."""
    async with site.worker():
        job = await site.trigger()
        await site.followed(job)
        github.inject(unavailable(503), times=None)
        await site.world.jobs.cancel(job.view.id, ACTOR)
        assert (await site.world.ended(job)).view.status == "cancelled"
        assert any("cancel it there" in line for line in await site.log(job))


async def test_a_build_that_takes_too_long_is_cancelled_on_github(site: Site, github: FakeGitHub) -> None:
    """The build's own limit counts from its first step, waits included."""
    async with site.worker():
        job = await site.trigger(timeout_s=3600)
        run = await site.followed(job)
        async with site.world.database.transaction() as tx:
            await tx.execute(update(Build).values(timeout_s=1))
        ended = await site.world.ended(job)
    assert ended.view.error is not None
    assert ended.view.error.code == "TIMEOUT"
    assert run.conclusion == "cancelled"


# --- once more ------------------------------------------------------------------------------------------------------


async def failed(site: Site, *, after: int = 3) -> int:
    """A build whose run has failed in its second job; answers its number."""
    job = await site.trigger()
    run = await site.followed(job)
    for _ in range(after):
        run.advance()
    run.finish("failure")
    await site.world.ended(job)
    assert job.view.build_id is not None
    return job.view.build_id


@pytest.mark.parametrize("failed_only", [False, True])
async def test_a_rerun_is_the_runs_next_attempt(
    database: str, redis: str, github: FakeGitHub, failed_only: bool
) -> None:
    """The same run goes on under a new job; jobs that succeeded stay as they were when only failed ones are asked."""
    async with open_site(database, redis, github, workflow=TWO_JOBS) as site, site.worker():
        build_id = await failed(site, after=5)
        run = site.repository.runs[0]
        first_test = run.jobs[0]
        again = await site.workflows.rerun(GRACE, ACTOR, build_id, failed_only=failed_only)
        await site.world.until(again, lambda now: "run" in (now.view.waiting_for or ""))
        assert (await site.build(again)).status in ("queued", "in_progress")
        assert run.attempt == 2
        assert (run.jobs[0] is first_test) == failed_only
        run.finish()
        assert (await site.world.ended(again)).view.status == "success"
        build = await site.build(again)
        assert (build.status, build.run_id, build.error) == ("success", run.id, None)
    assert len(github.done("dispatch")) == 1


@pytest.mark.parametrize("fault", [LOST_ANSWER, pytest.param(unavailable(502), marks=pytest.mark.slow)])
async def test_a_rerun_whose_answer_is_lost_makes_one_attempt(site: Site, github: FakeGitHub, fault: object) -> None:
    """The number of the attempt tells whether GitHub acted."""
    async with site.worker():
        build_id = await failed(site)
        github.inject(fault, RERUN)  # type: ignore[arg-type]
        again = await site.workflows.rerun(GRACE, ACTOR, build_id, failed_only=False)
        run = site.repository.runs[0]
        await site.waits_for(again, f"run {run.id}")
        run.finish()
        assert (await site.world.ended(again)).view.status == "success"
    assert run.attempt == 2
    assert len(github.done("rerun")) == 1


async def test_a_run_that_github_does_not_run_again_says_why(site: Site, github: FakeGitHub) -> None:
    """NOT_RERUNNABLE with GitHub's reason."""
    async with site.worker():
        build_id = await failed(site)
        github.inject(refused(403, {"message": "Unable to retry: created over a month ago"}), RERUN)
        ended = await site.world.ended(await site.workflows.rerun(GRACE, ACTOR, build_id, failed_only=False))
    assert ended.view.error is not None
    assert ended.view.error.code == "NOT_RERUNNABLE"
    assert "over a month ago" in ended.view.error.message


async def test_only_what_may_be_run_again_is(site: Site, github: FakeGitHub) -> None:
    """Not a build of somebody else, none that runs, none that never had a run."""
    job = await site.trigger()
    stranger = Principal(user_id=8, name="heinz", scopes=frozenset())
    assert job.view.build_id is not None
    with pytest.raises(NotFound):
        await site.workflows.rerun(stranger, ACTOR, job.view.build_id, failed_only=False)
    with pytest.raises(Conflict) as error:
        await site.workflows.rerun(GRACE, ACTOR, job.view.build_id, failed_only=False)
    assert error.value.code == "NOT_RERUNNABLE"
    async with site.worker():
        await site.followed(job)
        with pytest.raises(Conflict) as error:
            await site.workflows.rerun(GRACE, ACTOR, job.view.build_id, failed_only=False)
        assert error.value.code == "BUILD_NOT_ENDED"


async def test_a_retried_job_starts_a_new_run(site: Site, github: FakeGitHub) -> None:
    """Of the branch as it is today; the old run is never mistaken for it."""
    async with site.worker():
        build_id = await failed(site)
        [old] = [run.id for run in site.repository.runs]
        failed_job = (await site.rows_of_jobs(build_id))[-1]
        github.inject(LOST_ANSWER, DISPATCH)
        again = await site.world.jobs.retry(failed_job, ACTOR)
        run = await site.run(1)
        run.finish()
        assert (await site.world.ended(again)).view.status == "success"
        assert (await site.build(again)).run_id == run.id != old
    assert len(github.done("dispatch")) == 2


# --- what GitHub takes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({f"input_{number}": "x" for number in range(26)}, "25 inputs"),
        ({"yaml_content": "x" * 65_535}, "yaml_content"),
        ({"yaml_content": "\n" * 40_000}, "yaml_content"),
    ],
)
def test_inputs_over_githubs_limits_are_refused(inputs: dict[str, str], said: str) -> None:
    """Before a build is made: GitHub would refuse it later."""
    with pytest.raises(InputsTooLarge, match=said):
        check_inputs(inputs)
    check_inputs({f"input_{number}": "x" * 100 for number in range(25)})
