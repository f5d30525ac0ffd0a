"""Many builds are followed without hammering GitHub: shared listings, ETags, webhooks, several workers."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from libs.common.settings import Secret
from services.builds.models import Build
from services.builds.providers.github import finding, progress
from services.builds.providers.github.client import Server
from services.builds.providers.github.listing import Listings
from services.builds.providers.github.shapes import Account, Run, Step, WorkflowJob
from services.builds.settings import GitHubSettings
from tests.fakegithub.faults import delayed
from tests.fakegithub.forge import TOKEN, FakeGitHub
from tests.workflows.site import QUICK, Site, open_site
from tests.workflows.test_lost_answers import DISPATCH, LISTING
from tests.world import eventually

JOBS = "actions/list-jobs-for-workflow-run"

quick = pytest.mark.databases("sqlite")


async def test_builds_of_one_repository_share_its_listing(github: FakeGitHub) -> None:
    """Whoever looks while another does, or soon after, gets that answer; one that did not change costs nothing."""
    github.add_repository("acme/images")
    server = Server(GitHubSettings(token=Secret(TOKEN), api_url=github.url))
    client, listings = await server.client(None, "acme/images"), Listings()

    async def look(times: int, max_age_s: float) -> int:
        before = github.count(LISTING)
        await asyncio.gather(*(listings.newest(client, "acme/images", max_age_s=max_age_s) for _ in range(times)))
        return github.count(LISTING) - before

    assert await look(10, 60.0) == 1
    assert await look(10, 60.0) == 0
    # Those who came after the first one's request was sent need another; they share it.
    assert await look(10, 0.0) == 2
    assert github.count(LISTING, status=304) == 2
    await server.close()


@quick
async def test_a_webhook_makes_a_build_look_at_once(database: str, redis: str, github: FakeGitHub) -> None:
    """However long its next look is away, and what was looked up a moment ago does not count."""
    async with (
        open_site(database, redis, github, pace=replace(QUICK, first_s=3600.0), poll_interval_s=3600) as site,
        site.worker(),
    ):
        job = await site.trigger()
        run = await site.followed(job)
        await site.waits_for(job, "GitHub to begin run")
        run.advance()
        await site.world.jobs.wake(job.view.id)
        await site.world.until(job, lambda now: now.view.stage is not None)
        run.finish()
        await site.world.jobs.wake(job.view.id)
        assert (await site.world.ended(job)).view.status == "success"


async def test_a_worker_that_is_stopped_in_the_middle_of_a_dispatch(site: Site, github: FakeGitHub) -> None:
    """Another one finds the run that the first never heard of."""
    github.inject(delayed(0.5), DISPATCH)
    async with site.worker() as first:
        job = await site.trigger()
        await eventually(lambda: asyncio.sleep(0, github.count(LISTING) > 0), "nobody looked")
        await site.world.until(job, lambda now: now.view.status == "running")
        first.stop()
    async with site.worker():
        run = await site.followed(job)
        run.finish()
        assert (await site.world.ended(job)).view.status == "success"
    assert [act.run_id for act in github.done("dispatch")] == [run.id]


@quick
async def test_a_state_that_the_workflow_reports_is_not_lowered(site: Site, github: FakeGitHub) -> None:
    """A workflow that posts its own state codes knows better than its steps."""
    async with site.worker():
        job = await site.trigger()
        run = await site.followed(job)
        async with site.world.database.transaction() as tx:
            await tx.execute(update(Build).where(Build.id == job.view.build_id).values(state_code=90))
        run.advance()
        run.advance()
        await site.world.until(job, lambda now: now.view.progress > 0)
        assert (await site.build(job)).state_code == 90


# --- pure -----------------------------------------------------------------------------------------------------------


def step(name: str, number: int, status: str = "queued", conclusion: str | None = None) -> Step:
    return Step(name=name, number=number, status=status, conclusion=conclusion)


def test_progress_is_spread_over_jobs_and_steps() -> None:
    """Each job counts the same; 95 is the most before the run has ended well."""
    run = Run(id=1, status="in_progress")
    steps = [step("Set up", 1, "completed", "success"), step("Build", 2, "in_progress"), step("Push", 3)]
    jobs = [WorkflowJob(id=1, name="image", status="in_progress", steps=steps)]
    assert progress.standing(run, []) == progress.Standing(None, 0)
    assert progress.standing(run, jobs) == progress.Standing("Build", 50)
    done = WorkflowJob(id=2, name="test", status="completed", conclusion="success")
    assert progress.standing(run, [done, *jobs]) == progress.Standing("image: Build", 75)
    assert progress.standing(run, [done]).percent == 95
    assert progress.standing(Run(id=1, status="waiting"), []).stage == "Waiting for an approval"


def test_what_was_told_is_not_told_again() -> None:
    """News of two looks are together those of one."""
    began = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
    ended = Step("Build", 1, "completed", "success", began, began + timedelta(seconds=73))
    first = [WorkflowJob(id=5, name="image", status="in_progress", runner_name="r1", steps=[ended])]
    last = [WorkflowJob(id=5, name="image", status="completed", conclusion="failure", steps=[ended, ended])]
    lines, told = progress.news(first, {})
    assert lines == ["▶ image: started on r1", "  ✓ image / Build (73 s)"]
    assert progress.news(first, told) == ([], told)
    more, _ = progress.news(last, told)
    assert more == ["  ✓ image / Build (73 s)", "✗ image: failure"]


MARK = "kV3mXq0cTt2d9yqB7aXnUw"
WANTED = finding.Wanted(after=100, workflow_file="build.yml", ref="main", actor="Bot", others={"another"}, taken={105})


@pytest.mark.parametrize(
    ("changed", "possible"),
    [
        ({}, True),
        ({"id": 100}, False),
        ({"id": 105}, False),
        ({"event": "push"}, False),
        ({"head_branch": "next"}, False),
        ({"path": ".github/workflows/other.yml"}, False),
        ({"path": ".github/workflows/build.yml@refs/heads/main"}, True),
        ({"actor": Account("somebody")}, False),
        ({"actor": Account("bot")}, True),
        ({"display_title": "Build another"}, False),
    ],
)
def test_which_runs_may_be_the_one(changed: dict[str, object], possible: bool) -> None:
    """New, of the same workflow, ref and account, of no other build."""
    usual = {"id": 101, "event": "workflow_dispatch", "head_branch": "main", "path": ".github/workflows/build.yml"}
    run = Run(**(usual | {"actor": Account("Bot")} | changed))  # type: ignore[arg-type]
    assert (finding.candidates([run], WANTED) == [run]) == possible


@given(st.lists(st.integers(1, 200), unique=True))
def test_the_marked_run_is_the_first_behind_the_intent(ids: list[int]) -> None:
    """A mark that an older run of the same build shows does not count."""
    runs = [Run(id=number, display_title=f"Build {MARK}") for number in ids]
    newer = [number for number in ids if number > 100]
    found = finding.marked(runs, MARK, after=100)
    assert (found.id if found else None) == (min(newer) if newer else None)
