"""Newest wins: a push cancels the builds of older pushes to its branch, where the repository wants it so."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from libs.common.jobs.kinds import Done
from libs.common.jobs.models import Job
from libs.common.redis import connect
from libs.common.worker.context import Context, Handler
from services.builds.jobs import RunBuild
from services.builds.models import Build, BuildState, Repository
from services.builds.service import RULES
from tests.builds.forges.payloads import SignedRequest, push_request, tag_request
from tests.webhooks.site import SECRETS, Site
from tests.world import World, make_world

pytestmark = pytest.mark.databases("sqlite", "postgresql")

PULL_REQUEST = "pull_request"


def push(number: int, branch: str = "main") -> SignedRequest:
    return push_request("github", secret=SECRETS["github"], branch=branch, sha=f"{number:040x}")


async def accepted(site: Site, request: SignedRequest) -> UUID:
    answer = await site.post("github", request)
    assert answer.status_code == 202, answer.text
    return UUID(answer.json()["job_id"])


async def job(site: Site, job_id: UUID) -> Any:
    async with site.database.reading() as tx:
        return (await tx.execute(select(Job.__table__).where(Job.id == job_id))).one()


@pytest.fixture
async def newest_wins(site: Site) -> Site:
    """A site whose one repository lets the newest push win, and where a first push waits."""
    await accepted(site, push(1))
    async with site.database.transaction() as tx:
        await tx.execute(update(Repository).values(newest_wins=True))
    return site


async def test_waiting_builds_of_the_branch_end_with_the_reason(newest_wins: Site) -> None:
    """All older ones end at once as cancelled; job, build and history name the job that replaced them."""
    site = newest_wins
    second = await accepted(site, push(2))
    third = await accepted(site, push(3))
    rows = await site.rows(Job)
    assert [row.status for row in rows] == ["cancelled", "cancelled", "pending"]
    assert [row.error["code"] for row in rows[:2]] == ["SUPERSEDED", "SUPERSEDED"]
    assert str(second) in rows[0].error["message"]
    assert str(third) in rows[1].error["message"]
    builds = await site.rows(Build)
    assert [(build.status, build.error and build.error["code"]) for build in builds] == [
        ("cancelled", "SUPERSEDED"),
        ("cancelled", "SUPERSEDED"),
        ("pending", None),
    ]
    assert str(third) in (await site.rows(BuildState))[-1].message
    shown = (await site.read(f"/jobs/{second}")).json()
    assert (shown["status"], shown["error"]["code"]) == ("cancelled", "SUPERSEDED")


@pytest.mark.slow
async def test_other_branches_tags_and_pull_requests_are_left_alone(newest_wins: Site) -> None:
    """A tag of the branch's name neither cancels its builds nor is cancelled by a push, nor is a pull request."""
    site = newest_wins
    [main] = [row.id for row in await site.rows(Job)]
    other = await accepted(site, push(2, branch="next"))
    tag = await accepted(site, tag_request("github", secret=SECRETS["github"], tag="main", sha=f"{3:040x}"))
    assert {(await job(site, one)).status for one in (main, other, tag)} == {"pending"}

    async with site.database.transaction() as tx:
        await tx.execute(update(Build).where(Build.job_id == main).values(event=PULL_REQUEST))
    newest = await accepted(site, push(4))
    assert {(await job(site, one)).status for one in (main, other, tag, newest)} == {"pending"}


@pytest.mark.slow
async def test_without_the_option_all_pushes_are_built(site: Site) -> None:
    """By default builds of one branch wait for each other."""
    for number in (1, 2, 3):
        await accepted(site, push(number))
    assert {row.status for row in await site.rows(Job)} == {"pending"}


async def test_pushes_at_the_same_time_leave_one(newest_wins: Site) -> None:
    """Of many that arrive together, in one transaction or in several, exactly one is left to be built."""
    site = newest_wins
    await asyncio.gather(*(accepted(site, push(number)) for number in range(2, 22)))
    rows = await site.rows(Job)
    left = [row.id for row in rows if row.status == "pending"]
    assert len(left) == 1
    assert sum(row.status == "cancelled" for row in rows) == 20


async def test_a_running_build_is_told_to_stop_and_ends_with_the_reason(
    newest_wins: Site, database: str, redis: str
) -> None:
    """Its worker undoes it and ends it as SUPERSEDED; then the newer one runs."""
    site, ran = newest_wins, []

    async def run(message: RunBuild, ctx: Context) -> Done:
        ran.append(ctx.job.id)
        if len(ran) == 1:
            await asyncio.Event().wait()
        return Done()

    async with make_world(database, redis, rules=RULES) as world, _builds_worker(world, run):
        [first] = [row.id for row in await site.rows(Job)]
        await world.until(await world.row(first), lambda now: now.view.status == "running")
        second = await accepted(site, push(2))
        ended = await world.ended(await world.row(first))
        assert (ended.view.status, ended.view.error and ended.view.error.code) == ("cancelled", "SUPERSEDED")
        assert ended.view.error is not None
        assert str(second) in ended.view.error.message
        await world.ended(await world.row(second))
    assert ran == [first, second]
    assert [build.status for build in await site.rows(Build)] == ["cancelled", "success"]


def _builds_worker(world: World, run: Any) -> Any:
    rule = next(rule for rule in RULES if rule.message is RunBuild)
    return world.worker(Handler(RunBuild, run, on_end=rule.on_end))


@pytest.mark.slow
async def test_the_limit_of_a_repository_is_that_of_its_lanes(site: Site, redis: str) -> None:
    """A repository that may build a branch twice at once gets jobs with that limit."""
    await accepted(site, push(1))
    async with site.database.transaction() as tx:
        await tx.execute(update(Repository).values(lane_limit=2))
    second = await accepted(site, push(2))
    assert (await job(site, second)).lane_limit == 2
    third = await accepted(site, push(3))
    client = connect(redis)
    await client.flushall()  # the row answers
    await client.aclose()
    first, *_ = await site.rows(Job)
    reasons = [(await site.read(f"/jobs/{one}")).json()["waiting_for"] for one in (first.id, second, third)]
    assert "earlier job" in reasons[2]
    assert not any("earlier job" in reason for reason in reasons[:2])
