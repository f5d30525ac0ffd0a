"""Image builds from the trigger to the channel: a gateway, a worker, and a GitHub that is a fake."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.fakegithub.forge import FakeGitHub
from tests.webhooks.people import Caller, person
from tests.webhooks.site import open_site as open_gateway
from tests.workflows.site import Site as Workflows
from tests.workflows.site import open_site as open_workflows
from tests.world import eventually

RECIPE = "name: demo\ndescription: A small image\nmodules: []\n"


@pytest.fixture
async def workflows(database: str, redis: str) -> AsyncIterator[Workflows]:
    """A worker that follows runs on the fake."""
    with FakeGitHub() as github:
        async with open_workflows(database, redis, github) as site, site.worker():
            yield site


@pytest.fixture
async def grace(database: str, redis: str, workflows: Workflows) -> AsyncIterator[Caller]:
    async with open_gateway(database, redis, github=workflows.settings) as gateway:
        yield await person(gateway, "grace")


async def triggered(grace: Caller) -> dict[str, Any]:
    answer = await grace.post("/api/build/trigger", {"yaml_content": RECIPE, "image_type": "fedora-bootc"})
    assert answer.status_code == 202, answer.text
    build: dict[str, Any] = answer.json()
    return build


async def until_status(grace: Caller, build: dict[str, Any], status: str) -> dict[str, Any]:
    """Wait until a build stands so; answers its documented status."""
    found: dict[str, Any] = {}

    async def stands() -> bool:
        found.update((await grace.get(f"/api/build/{build['id']}/status")).json())
        return bool(found["build"]["status"] == status)

    await eventually(stands, f"the build is not {status}")
    return found


async def test_a_good_image_is_offered(workflows: Workflows, grace: Caller) -> None:
    """A recipe is dispatched with its inputs; when its run succeeds the image is in the matrix and can be promoted."""
    build = await triggered(grace)
    run = await workflows.run()
    assert run.inputs["yaml_content"] == RECIPE
    await until_status(grace, build, "queued")
    run.advance()
    running = await until_status(grace, build, "in_progress")
    assert (running["workflow_status"], running["build"]["workflow_run_id"]) == ("in_progress", run.id)
    run.finish()
    ended = await until_status(grace, build, "success")
    assert (ended["workflow_status"], ended["conclusion"]) == ("completed", "success")
    assert ended["logs_url"] == f"{ended['workflow_url']}/checks"
    promoted = await grace.post(f"/api/v1/builds/{build['uid']}/promote", {"channel": "stable"})
    assert promoted.status_code == 200, promoted.text
    [cell] = (await grace.get("/api/v1/builds/matrix")).json()["cells"]
    assert (cell["platform"], cell["os_version"], cell["image_type"]) == ("bootc", "43", "fedora-bootc")
    assert cell["good"]["uid"] == cell["channels"]["stable"] == build["uid"]


async def test_a_cancel_is_answered_with_the_cancelled_build(workflows: Workflows, grace: Caller) -> None:
    """The answer waits for the run to stop on GitHub; how long, the client may say."""
    build = await triggered(grace)
    run = await workflows.run()
    run.advance()
    await until_status(grace, build, "in_progress")
    cancelled = await grace.post(f"/api/build/{build['id']}/cancel", Prefer="wait=30")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert (run.status, run.conclusion) == ("completed", "cancelled")
