"""Who polls a job or a list of jobs gets 304 until something has changed."""

import httpx
from sqlalchemy import update

from libs.common.jobs.models import Job
from tests.common.joblog.world import World
from tests.gateway.jobs.conftest import Site


async def poll(site: Site, path: str, tag: str) -> httpx.Response:
    return await site.client.get(path, headers={"If-None-Match": tag})


async def test_a_job_that_runs(world: World, site: Site) -> None:
    """While a job runs on, a poll is a 304, although its duration counts up; its end has another tag."""
    claimed, log = await world.started(owner=1)
    path = f"/jobs/{claimed.job.view.id}"
    tag = (await site.client.get(path)).headers["etag"]
    assert tag.startswith('W/"')
    for _ in range(3):
        assert (await poll(site, path, tag)).status_code == 304
    await world.end(claimed, log)
    ended = await poll(site, path, tag)
    assert (ended.status_code, ended.json()["status"]) == (200, "success")
    assert (await poll(site, path, ended.headers["etag"])).status_code == 304


async def test_a_list_of_jobs(world: World, site: Site) -> None:
    """A list has another tag when a job in it changes, when one more is found, and on another page."""
    first, second = await world.new_job(owner=1), await world.new_job(owner=1)
    tags = [(await site.client.get("/jobs?limit=1")).headers["etag"]]
    assert (await poll(site, "/jobs?limit=1", tags[0])).status_code == 304
    await world.claim(second.view.id)
    tags.append((await poll(site, "/jobs?limit=1", tags[0])).headers["etag"])
    async with world.database.transaction() as tx:
        await tx.execute(update(Job).where(Job.id == first.view.id).values(owner=2))
    tags.append((await poll(site, "/jobs?limit=1", tags[1])).headers["etag"])
    tags.append((await site.client.get("/jobs?limit=1&offset=1")).headers["etag"])
    assert len(set(tags)) == 4


async def test_somebody_else_s_tag_opens_nothing(world: World, site: Site) -> None:
    """Who may not see a job gets 404, whatever tag they name."""
    job = await world.new_job(owner=1)
    path = f"/jobs/{job.view.id}"
    tag = (await site.client.get(path)).headers["etag"]
    answer = await site.client.get(path, headers={"If-None-Match": tag, "X-API-Key": "bob"})
    assert answer.status_code == 404
    assert (await site.client.get(path, headers={"If-None-Match": "*", "X-API-Key": "bob"})).status_code == 404
