"""Never two runs for one trigger: what a lost answer started is found again, whatever lost it."""

from dataclasses import replace

import pytest

from services.builds.models import Build
from tests.fakegithub.actions import Run
from tests.fakegithub.faults import (
    LOST_ANSWER,
    LOST_REQUEST,
    Fault,
    failed,
    instead,
    primary_limit,
    refused,
    secondary_limit,
    unavailable,
)
from tests.fakegithub.forge import FakeGitHub
from tests.workflows.site import QUICK, Site, open_site

DISPATCH = "actions/create-workflow-dispatch"
LISTING = "actions/list-workflow-runs-for-repo"
PLAIN = (
    "name: Build\non: workflow_dispatch\njobs: {build: {runs-on: ubuntu-latest, steps: [{name: Build, run: make}]}}\n"
)

pytestmark = pytest.mark.databases("sqlite")


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(LOST_ANSWER, id="connection cut after it acted"),
        pytest.param(failed(502), id="error page after it acted", marks=pytest.mark.slow),
        pytest.param(instead(b"<html>"), id="unreadable answer after it acted", marks=pytest.mark.slow),
        pytest.param(LOST_REQUEST, id="connection cut before it acted", marks=pytest.mark.slow),
        pytest.param(unavailable(503), id="error page, nothing done"),
        pytest.param(primary_limit(1), id="primary rate limit"),
        pytest.param(secondary_limit(1), id="secondary rate limit", marks=pytest.mark.slow),
        pytest.param(secondary_limit(1, status=429), id="429", marks=pytest.mark.slow),
    ],
)
async def test_a_dispatch_whose_answer_is_lost_makes_one_run(site: Site, github: FakeGitHub, fault: Fault) -> None:
    """GitHub is asked again only after it has shown nothing for long enough."""
    github.inject(fault, DISPATCH)
    async with site.worker():
        job = await site.trigger()
        run = await site.followed(job)
        run.finish()
        ended = await site.world.ended(job)
    assert ended.view.status == "success"
    assert [act.run_id for act in github.done("dispatch")] == [run.id]


async def test_a_run_that_shows_late_is_waited_for(database: str, redis: str, github: FakeGitHub) -> None:
    """The answer is lost and the listing is behind for a while: still one run."""
    github.inject(LOST_ANSWER, DISPATCH)
    nothing = refused(200, {"total_count": 0, "workflow_runs": []})
    github.inject(Fault(), LISTING)  # the look before the dispatch
    github.inject(nothing, LISTING, times=3)
    async with open_site(database, redis, github, pace=replace(QUICK, settle_s=60.0)) as site, site.worker():
        job = await site.trigger()
        await site.waits_for(job, "to show the run")
        run = await site.followed(job)
    assert [act.run_id for act in github.done("dispatch")] == [run.id]


async def test_without_a_mark_the_only_new_run_is_taken(database: str, redis: str, github: FakeGitHub) -> None:
    """A workflow that declares no input is found by account, ref and its number behind what was there before."""
    async with open_site(database, redis, github, workflow=PLAIN) as site, site.worker():
        old = Run(site.repository.id, site.repository.workflows[0], "main", {}, "slipway-operator", 1)
        site.repository.runs.append(old)
        github.inject(Fault(), DISPATCH)  # refuses the mark
        github.inject(LOST_ANSWER, DISPATCH)
        job = await site.trigger(inputs={})
        run = await site.followed(job)
        assert run is not old
    assert len(github.done("dispatch")) == 1


async def test_several_possible_runs_end_the_build_and_are_named(database: str, redis: str, github: FakeGitHub) -> None:
    """Nobody guesses: DISPATCH_UNKNOWN lists them and says how it would be clear."""
    async with open_site(database, redis, github, workflow=PLAIN) as site:
        job = await site.trigger(inputs={})
        workflow = site.repository.workflows[0]

        def somebody_else_too(repository: object, run: Run, about: object, action: str) -> None:
            if len(site.repository.runs) == 1:
                other = Run(site.repository.id, workflow, "main", {}, "slipway-operator", 2)
                site.repository.runs.append(other)

        github.told.append(somebody_else_too)
        github.inject(Fault(), DISPATCH)  # refuses the mark
        github.inject(LOST_ANSWER, DISPATCH)
        async with site.worker():
            ended = await site.world.ended(job)
    error = ended.view.error
    assert error is not None
    assert error.code == "DISPATCH_UNKNOWN"
    assert all(f"/runs/{run.id}" in error.message for run in site.repository.runs)
    assert "slipway_build" in error.message
    assert len(github.done("dispatch")) == 1


async def test_another_builds_run_is_never_taken(database: str, redis: str, github: FakeGitHub) -> None:
    """Of two builds of one ref at the same time each gets its own run, also when both answers are lost."""
    async with open_site(database, redis, github) as site:
        github.inject(LOST_ANSWER, DISPATCH, times=2)
        jobs = [await site.trigger(), await site.trigger()]
        async with site.worker(), site.worker():
            runs = [await site.followed(job) for job in jobs]
        assert len(github.done("dispatch")) == 2
        by_uid = {run.inputs["slipway_build"]: run.id for run in runs}
        assert {build.uid: build.run_id for build in await site.rows(Build)} == by_uid


@pytest.mark.slow
async def test_github_that_never_starts_a_run_is_given_up(site: Site, github: FakeGitHub) -> None:
    """After three requests without an answer and without a run the build ends and says so."""
    github.inject(LOST_REQUEST, DISPATCH, times=None)
    async with site.worker():
        job = await site.trigger()
        ended = await site.world.ended(job)
    assert ended.view.error is not None
    assert ended.view.error.code == "DISPATCH_UNKNOWN"
    assert github.count(DISPATCH) == 3
    assert github.done("dispatch") == []
