"""Build State's dashboards: counts, newest builds, builds of a platform."""

from typing import Any

import pytest
from sqlalchemy import insert

from libs.common.database import utcnow
from services.builds.models import AxisValue, Build
from services.builds.states import BuildStatus
from tests.builds.forges.payloads import push_request
from tests.states.builds import NEW, failed, made, reached
from tests.webhooks.people import Caller, admin, person, pipeline
from tests.webhooks.site import SECRETS, Site


async def counts(caller: Caller) -> tuple[int, dict[str, int]]:
    answer = await caller.get("/dashboard/summary")
    assert answer.status_code == 200, answer.text
    return answer.json()["total_builds"], answer.json()["status_counts"]


async def test_each_build_counts_once(site: Site) -> None:
    """However often a build failed it is one failed build, and none after its reset; other people's do not count."""
    grace, eve = await person(site, "grace"), await person(site, "eve")
    twice = await made(grace, "twice")
    await failed(grace, twice, "no")
    await failed(grace, twice, "no, again")
    done = await made(grace, "done")
    await failed(grace, done)
    await grace.post(f"/builds/{done}/reset")
    await reached(grace, done, 100)
    await made(pipeline(site), "shared")
    await made(eve, "hers")
    assert await counts(grace) == (3, {"completed": 1, "failed": 1, "in_progress": 1})
    assert await counts(eve) == (2, {"completed": 0, "failed": 0, "in_progress": 2})
    assert (await counts(admin(site)))[0] == 4


async def test_every_status_is_one_of_the_three(site: Site) -> None:
    """What was cancelled ended without an image, as what failed; what waits is on its way."""
    columns = {"executor": "local", "state_code": 0, "created_at": utcnow(), "updated_at": utcnow()}
    builds = [columns | {"uid": f"build-{status}", "status": status.value} for status in BuildStatus]
    async with site.database.transaction() as tx:
        await tx.execute(insert(Build), builds)
    assert await counts(pipeline(site)) == (6, {"completed": 1, "failed": 2, "in_progress": 3})


@pytest.mark.databases("sqlite", "postgresql")
async def test_the_newest_builds(site: Site) -> None:
    """Ten at most, newest first, by the ids of the values that they name; a build that makes no image has none."""
    concourse = pipeline(site)
    for number in range(10):
        await made(concourse, f"b{number}", os_version="rhel-9.2" if number % 2 else "rhel-8.8")
    await reached(concourse, "b9", 10)
    assert (await site.post("gitea", push_request("gitea", secret=SECRETS["gitea"]))).status_code == 202
    recent = (await concourse.get("/dashboard/recent")).json()["recent_builds"]
    summary = (await concourse.get("/dashboard/summary")).json()
    assert (summary["total_builds"], summary["recent_builds"]) == (11, recent)
    pushed, *reported = recent
    local = (await site.rows(Build))[-1]
    assert pushed | {"id": local.uid, "build_id": local.uid, "platform_id": None, "state_code": 0} == pushed
    assert [one["build_id"] for one in reported] == [f"b{number}" for number in range(9, 0, -1)]
    assert (reported[0]["state_code"], reported[1]["state_code"]) == (10, 0)
    ids = {(one.axis, one.name): one.id for one in await site.rows(AxisValue)}
    named = ("platform_id", "os_version_id", "image_type_id")
    for one, version in zip(reported[:2], ("rhel-9.2", "rhel-8.8"), strict=True):
        values = (("platform", "aws"), ("os_version", version), ("image_type", "base"))
        assert {name: one[name] for name in named} == {
            name: ids[value] for name, value in zip(named, values, strict=True)
        }
    assert set(reported[0]) == {"id", "build_id", *named, "state_code", "created_at"}


async def test_builds_of_a_platform(site: Site) -> None:
    """Only that platform's, cut into pages; a platform that nobody named has none, whatever it is called."""
    grace = await person(site, "grace")
    for number in range(3):
        await made(grace, f"b{number}")
    await made(grace, "elsewhere", platform="azure/gov")
    page: dict[str, Any] = (await grace.get("/dashboard/platform/aws", limit=2)).json()
    assert [one["build_id"] for one in page["builds"]] == ["b2", "b1"]
    assert (page["platform"], page["total"], page["next_offset"]) == (NEW["platform"], 3, 2)
    for nothing in ("gcp", "%25", "%F0%9F%9A%80", "'"):
        empty = await grace.get(f"/dashboard/platform/{nothing}")
        assert (empty.status_code, empty.json()["builds"]) == (200, [])
    assert (await grace.get("/dashboard/platform/aws", limit=0)).status_code == 422
