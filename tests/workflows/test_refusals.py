"""What GitHub refuses for good ends the build with a code and a hint; what it refuses for now is waited out."""

from typing import Any

import pytest

from libs.common.settings import Secret
from services.builds.models import Build, Repository
from tests.fakegithub.faults import (
    BAD_CREDENTIALS,
    LOST_ANSWER,
    NOT_ACCESSIBLE,
    Fault,
    failed,
    instead,
    primary_limit,
    refused,
    secondary_limit,
    unavailable,
)
from tests.fakegithub.forge import TOKEN, FakeGitHub
from tests.workflows.site import Site, open_site
from tests.workflows.test_lost_answers import DISPATCH, LISTING, PLAIN

JOBS = "actions/list-jobs-for-workflow-run"
PUSHED = "on: push\njobs: {build: {steps: [{run: make}]}}\n"
DEMANDING = "on: {workflow_dispatch: {inputs: {size: {required: true}}}}\njobs: {build: {steps: [{run: make}]}}\n"

pytestmark = pytest.mark.databases("sqlite")


@pytest.mark.parametrize(
    ("fault", "operation", "code"),
    [
        pytest.param(BAD_CREDENTIALS, LISTING, "GITHUB_UNAUTHORIZED", id="401"),
        pytest.param(NOT_ACCESSIBLE, DISPATCH, "GITHUB_FORBIDDEN", id="403"),
        pytest.param(refused(422, {"message": "No."}), DISPATCH, "GITHUB_REFUSED", id="422"),
        pytest.param(BAD_CREDENTIALS, JOBS, "GITHUB_UNAUTHORIZED", id="401 of a run"),
    ],
)
async def test_a_refusal_ends_the_build(
    site: Site, github: FakeGitHub, fault: Fault, operation: str, code: str
) -> None:
    """The job and the build say the same code, with words that a person can act on."""
    github.inject(fault, operation)
    async with site.worker():
        ended = await site.world.ended(await site.trigger())
    assert ended.view.error is not None
    assert (ended.view.status, ended.view.error.code) == ("failed", code)
    [build] = await site.rows(Build)
    assert (build.status, build.error["code"]) == ("failure", code)


@pytest.mark.parametrize(
    ("workflow", "asked", "code", "said"),
    [
        pytest.param("", {}, "WORKFLOW_NOT_FOUND", "no workflow build.yml", id="no workflow"),
        pytest.param(PUSHED, {}, "WORKFLOW_NOT_DISPATCHABLE", "`workflow_dispatch:`", id="no trigger"),
        pytest.param(PLAIN, {}, "INPUTS_REFUSED", "image_type", id="inputs that it does not declare"),
        pytest.param(DEMANDING, {"inputs": {}}, "INPUTS_REFUSED", "'size' not provided", id="inputs that it misses"),
        pytest.param(None, {"ref": "gone"}, "REF_NOT_FOUND", "no branch or tag gone", id="no ref"),
        pytest.param(None, {"run_repository": "acme/gone"}, "REPOSITORY_NOT_FOUND", "acme/gone", id="no repository"),
        pytest.param(None, {"run_repository": "not-one"}, "GITHUB_NOT_FOUND", "owner/name", id="no name of one"),
    ],
)
async def test_a_workflow_that_cannot_be_dispatched_says_why(
    database: str, redis: str, github: FakeGitHub, workflow: str | None, asked: dict[str, Any], code: str, said: str
) -> None:
    """Each reason has its code and says what to mend; nothing was started."""
    async with open_site(database, redis, github, workflow=workflow) as site, site.worker():
        ended = await site.world.ended(await site.trigger(**asked))
    assert ended.view.error is not None
    assert ended.view.error.code == code
    assert said in ended.view.error.message
    assert github.done("dispatch") == []


async def test_without_any_credentials_the_build_says_so(database: str, redis: str, github: FakeGitHub) -> None:
    """Nothing is sent to GitHub at all."""
    async with open_site(database, redis, github, token=Secret("")) as site, site.worker():
        ended = await site.world.ended(await site.trigger())
    assert ended.view.error is not None
    assert ended.view.error.code == "GITHUB_NOT_CONFIGURED"
    assert github.seen == []


async def test_a_repository_without_leave_does_not_get_the_operators_token(site: Site, github: FakeGitHub) -> None:
    """A registered repository acts with its own token, with the operator's only where a superuser allowed it."""
    github.tokens["ghp_of_the_repository_itself_0123456789ab"] = "acme-bot"
    async with site.worker():
        refused_job = await site.world.ended(await site.trigger(repository_id=await site.registered()))
        assert refused_job.view.error is not None
        assert refused_job.view.error.code == "NO_API_TOKEN"
        assert github.seen == []
        own = await site.registered(token="ghp_of_the_repository_itself_0123456789ab")
        run = await site.followed(await site.trigger(repository_id=own))
        assert run.actor == "acme-bot"
        operators = await site.registered(operators=True)
        run = await site.followed(await site.trigger(repository_id=operators))
        assert run.actor == "slipway-operator"
        sealed = [row.sealed_api_token for row in await site.rows(Repository) if row.sealed_api_token]
    assert len(sealed) == 1
    assert b"ghp_" not in sealed[0]


async def test_a_token_is_never_in_the_log(site: Site, github: FakeGitHub) -> None:
    """Not even when the workflow prints it."""
    async with site.worker():
        job = await site.trigger(repository_id=await site.registered(token=TOKEN))
        run = await site.followed(job)
        run.jobs[0].steps[1].lines.append(f"token={TOKEN}")
        run.finish()
        await site.world.ended(job)
        assert TOKEN not in "\n".join(await site.log(job))


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(LOST_ANSWER, id="connection cut"),
        pytest.param(failed(500), id="500", marks=pytest.mark.slow),
        pytest.param(unavailable(503), id="503"),
        pytest.param(instead(b"{"), id="half an answer", marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
async def test_an_outage_while_a_run_is_followed_is_waited_out(site: Site, github: FakeGitHub, fault: Fault) -> None:
    """The job says what it waits for, and the build ends as its run did."""
    async with site.worker():
        job = await site.trigger()
        run = await site.followed(job)
        github.inject(fault, LISTING, times=2)
        github.inject(fault, "actions/get-workflow-run", times=2)
        waiting = await site.waits_for(job, "GitHub to answer again")
        assert waiting.view.status == "running"
        run.finish()
        github.heal()  # a request of the same step may not have met its fault yet, and would wait once more
        await site.world.jobs.wake(job.view.id)
        await site.world.until(job, lambda now: "answer again" not in (now.view.waiting_for or ""))
        await site.world.jobs.wake(job.view.id)
        assert (await site.world.ended(job)).view.status == "success"


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(primary_limit(60), id="primary"),
        pytest.param(secondary_limit(60), id="secondary"),
        pytest.param(secondary_limit(None), id="secondary without a time", marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
async def test_a_rate_limit_is_waited_for_until_its_end(site: Site, github: FakeGitHub, fault: Fault) -> None:
    """The job says until when; meanwhile no build of this account asks GitHub for anything."""
    async with site.worker():
        first = await site.trigger()
        await site.followed(first)
        github.inject(fault, LISTING)
        github.inject(fault, JOBS)
        waiting = await site.waits_for(first, "GitHub's rate limit until ")
        assert waiting.view.waiting_for is not None
        assert waiting.view.waiting_for.endswith(" UTC")
        seen = len(github.seen)
        second = await site.trigger()
        await site.waits_for(second, "GitHub's rate limit until ")
        await site.world.jobs.wake(first.view.id)
        await site.waits_for(first, "GitHub's rate limit until ")
        assert len(github.seen) == seen


@pytest.mark.slow
async def test_a_deleted_run_ends_its_build(site: Site, github: FakeGitHub) -> None:
    """RUN_DELETED, when the repository is still there."""
    async with site.worker():
        job = await site.trigger()
        github.delete_run(await site.followed(job))
        ended = await site.world.ended(job)
    assert ended.view.error is not None
    assert ended.view.error.code == "RUN_DELETED"


async def test_a_renamed_repository_is_followed_under_its_new_name(site: Site, github: FakeGitHub) -> None:
    """Before the dispatch and in the middle of a run; webhooks of the new name then wake the job."""
    async with site.worker():
        site.repository.rename("acme/pictures")
        job = await site.trigger()
        run = await site.followed(job)
        assert (await site.build(job)).run_repository == "acme/pictures"
        site.repository.rename("acme/paintings")
        run.finish()
        assert (await site.world.ended(job)).view.status == "success"
    assert (await site.build(job)).run_repository == "acme/paintings"
    assert len(github.done("dispatch")) == 1
