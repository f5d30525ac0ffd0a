"""Repositories that build on GitHub: what their owners and superusers may set, and what their pushes start."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from libs.common.jobs.models import Job
from services.builds.models import Build, Repository
from tests.builds.forges.payloads import push_request, tag_request
from tests.webhooks.people import NEW, REPOSITORIES, Caller, admin, person, pipeline
from tests.webhooks.site import SECRETS, Site, open_site, webhook_settings

ON_GITHUB = {**NEW, "forge": "github", "executor": "github", "clone_url": "https://github.com/acme/app.git"}

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
async def site(database: str, redis: str) -> AsyncIterator[Site]:
    async with open_site(database, redis, webhooks=webhook_settings(default_executor="github")) as opened:
        yield opened


async def changed(caller: Caller, uid: str, **change: Any) -> dict[str, Any]:
    answer = await caller.patch(f"{REPOSITORIES}/{uid}", change)
    found: dict[str, Any] = answer.json()
    return found


async def test_a_push_is_dispatched_on_its_branch_or_tag(site: Site) -> None:
    """Its build knows repository and ref, and waits for a worker that speaks to GitHub."""
    await site.post("github", push_request("github", secret=SECRETS["github"], branch="feature/bridge", delivery="1"))
    await site.post("github", tag_request("github", secret=SECRETS["github"], tag="v1", delivery="2"))
    branch, tag = await site.rows(Build)
    assert (branch.executor, branch.run_repository, branch.ref, branch.run_id) == (
        *("github", "acme/app", "feature/bridge"),
        None,
    )
    assert tag.ref == "v1"
    assert [(row.kind, row.job_class) for row in await site.rows(Job)] == [("builds.run_workflow", "light")] * 2


async def test_other_forges_never_build_on_github(site: Site) -> None:
    """A repository that registers itself there is built here, one that asks for it is refused."""
    await site.post("gitea", push_request("gitea", secret=SECRETS["gitea"], branch="main", delivery="1"))
    assert [row.executor for row in await site.rows(Repository)] == ["local"]
    grace = await person(site, "grace")
    answer = await grace.post(REPOSITORIES, NEW | {"executor": "github"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "VALIDATION_ERROR")
    uid = await grace.registered()
    assert (await changed(grace, uid, executor="github"))["error"]["code"] == "VALIDATION_ERROR"


async def test_only_superusers_give_the_operators_token(site: Site) -> None:
    """Whoever may use it writes to every repository that the operator may write to."""
    grace = await person(site, "grace", may_run_local=False)
    uid = await grace.registered(**ON_GITHUB)
    assert (await changed(grace, uid, uses_operator_token=True))["error"]["code"] == "SUPERUSER_NEEDED"
    assert (await changed(grace, uid, uses_operator_token=False))["uses_operator_token"] is False
    assert (await changed(admin(site), uid, uses_operator_token=True))["uses_operator_token"] is True
    assert (await changed(grace, uid, workflow_file="image.yaml"))["uses_operator_token"] is True


async def test_the_operators_token_is_for_the_name_that_it_was_given_for(site: Site) -> None:
    """An owner who points the repository at another one of the operator's loses it."""
    grace = await person(site, "grace", may_run_local=False)
    uid = await grace.registered(**ON_GITHUB)
    await changed(admin(site), uid, uses_operator_token=True)
    moved = await changed(grace, uid, full_name="operator/secrets")
    assert (moved["full_name"], moved["uses_operator_token"]) == ("operator/secrets", False)
    await changed(admin(site), uid, uses_operator_token=True)
    assert (await changed(admin(site), uid, full_name="acme/other"))["uses_operator_token"] is True


@pytest.mark.parametrize("file", ["../build.yml", "a/b.yml", "build", "build.yml?x", ""])
async def test_a_workflow_file_is_a_name_in_the_workflows_folder(site: Site, file: str) -> None:
    """Its name becomes part of an address."""
    answer = await pipeline(site).post(REPOSITORIES, ON_GITHUB | {"workflow_file": file})
    assert answer.status_code == 422


async def test_a_bare_commit_cannot_be_dispatched(site: Site) -> None:
    """GitHub takes branches and tags; the request is refused, not the build later."""
    grace = await person(site, "grace", may_run_local=False)
    uid = await grace.registered(**ON_GITHUB)
    answer = await grace.post("/jobs", {"repository": uid, "ref": "a" * 40})
    assert (answer.status_code, answer.json()["error"]["details"][0]["loc"]) == (422, ["body", "ref"])
    assert (await grace.post("/jobs", {"repository": uid, "ref": "main"})).status_code == 202
