"""Posts of many pipelines at the same time, at one gateway and at two."""

import asyncio
from collections import defaultdict
from typing import Any

import pytest

from services.builds.models import Build, BuildState
from tests.states.builds import made, refusal
from tests.webhooks.people import Caller, pipeline
from tests.webhooks.site import Site, open_site

CODES = tuple(range(0, 100, 5))


async def report(caller: Caller, ref: str) -> None:
    """Report all states of a build but the last, one after the other."""
    for code in CODES:
        answer = await caller.post(f"/builds/{ref}/state", {"state_code": code, "message": f"{ref} {code}"})
        assert answer.status_code == 200, answer.text


@pytest.mark.databases("sqlite", "postgresql")
async def test_nothing_is_lost_and_histories_are_in_order(site: Site, database: str, redis: str) -> None:
    """Pipelines that report to two gateways at once leave whole histories, each in its own order, with the right
    names; one who may not, or is wrong, fails nobody else."""
    async with open_site(database, redis) as second:
        callers = [pipeline(site), pipeline(second)]
        refs = [f"b{number}" for number in range(12)]
        await asyncio.gather(*(made(callers[0], ref) for ref in refs))
        wrong = [callers[number % 2].post("/builds/nothing/state", {"state_code": 5}) for number in range(12)]
        reports = [report(callers[number % 2], ref) for number, ref in enumerate(refs)]
        refused, _ = await asyncio.gather(asyncio.gather(*wrong), asyncio.gather(*reports))
    assert {refusal(answer) for answer in refused} == {(404, "BUILD_NOT_FOUND")}
    builds = {row.id: row for row in await site.rows(Build)}
    histories: dict[str, list[Any]] = defaultdict(list)
    for entry in await site.rows(BuildState):
        histories[builds[entry.build_id].build_id].append((entry.state_code, entry.message))
    assert dict(histories) == {
        ref: [(0, "Build initialized"), *((code, f"{ref} {code}") for code in CODES)] for ref in refs
    }
    assert {(row.status, row.state_code) for row in builds.values()} == {("in_progress", CODES[-1])}


@pytest.mark.databases("sqlite", "postgresql")
async def test_posts_about_one_build_at_once(site: Site) -> None:
    """All are taken, one after the other; the build stands where the last entry of its history says."""
    concourse = pipeline(site)
    ref = await made(concourse)
    bodies = [{"state_code": code, "message": f"{number}"} for number, code in enumerate(CODES)]
    answers = await asyncio.gather(*(concourse.post(f"/builds/{ref}/state", body) for body in bodies))
    assert {answer.status_code for answer in answers} == {200}
    history = (await site.rows(BuildState))[1:]
    assert sorted(entry.state_code for entry in history) == list(CODES)
    [build] = await site.rows(Build)
    assert build.state_code == history[-1].state_code


@pytest.mark.databases("sqlite", "postgresql")
async def test_the_end_and_failures_at_once(site: Site) -> None:
    """Of an end and a failure at the same moment one wins and the other is refused: history and build agree."""
    concourse = pipeline(site)
    for number in range(5):
        ref = await made(concourse, f"b{number}")
        end = concourse.post(f"/builds/{ref}/state", {"state_code": 100})
        fail = concourse.post(f"/builds/{ref}/failure", {"error_message": "no"})
        answers = await asyncio.gather(end, fail)
        codes = sorted(refusal(answer)[1] if answer.is_error else "taken" for answer in answers)
        assert codes in (["BUILD_COMPLETED", "taken"], ["BUILD_FAILED", "taken"])
    rows = {row.id: row.status for row in await site.rows(Build)}
    assert {entry.build_id: entry.status for entry in await site.rows(BuildState)} == rows
