"""Builds that pipelines make and report on: the documented routes, their refusals and histories."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import update

from services.builds.models import AxisValue, Build, BuildFailure, BuildState
from tests.builds.forges.payloads import push_request
from tests.states.builds import NEW, failed, made, reached, refusal
from tests.webhooks.people import admin, person, pipeline
from tests.webhooks.site import SECRETS, Site

COMMIT = "8c1d2f0e4b6a7c9d0e1f2a3b4c5d6e7f80912a3b"
FAILURE = {
    "error_message": "play failed",
    "error_code": "PIPELINE_FAILURE",
    "component": "concourse",
    "details": {"stage": "security", "exit_code": 2},
}


@pytest.mark.databases("sqlite", "postgresql")
async def test_a_build_from_beginning_to_end(site: Site) -> None:
    """A static key's build is shared, answers as documented under both of its names, and is a success at 100."""
    concourse = pipeline(site)
    body = NEW | {"build_id": "my-build", "pipeline_url": "https://ci.example/1", "commit_hash": COMMIT}
    answer = await concourse.post("/builds", body)
    assert answer.status_code == 201, answer.text
    uid = answer.json()["id"]
    assert answer.json() == {"id": uid, "build_id": "my-build", "status": "created"}
    assert (len(uid), answer.headers["Location"]) == (22, f"/builds/{uid}")
    begun = (await concourse.get("/builds/my-build/state")).json()
    assert begun | {"build_id": uid, "current_state": 0, "message": "Build initialized"} == begun

    for code in (10, 25, 50, 75, 100):
        ref = uid if code % 2 else "my-build"
        taken = await concourse.post(f"/builds/{ref}/state", {"state_code": code, "message": f"in {code}"})
        assert (taken.status_code, taken.json()) == (200, {"status": "updated", "build_id": uid, "new_state": code})
    state = (await concourse.get(f"/builds/{uid}/state")).json()
    assert state | {"build_id": uid, "current_state": 100, "message": "in 100"} == state
    view = (await concourse.get("/builds/my-build")).json()
    assert view | body | {"id": uid, "current_state": 100, "status": "success", "executor": "external"} == view

    [build] = await site.rows(Build)
    assert build.owner is None
    assert build.created_at <= build.started_at <= build.finished_at
    history = await site.rows(BuildState)
    assert [(one.status, one.state_code) for one in history] == [
        ("pending", 0),
        *(("in_progress", code) for code in (10, 25, 50, 75)),
        ("success", 100),
    ]
    assert {one.actor for one in history} == {"pipeline"}
    assert history[2].stage == "security"
    assert [(one.axis, one.name) for one in await site.rows(AxisValue)] == list(NEW.items())


async def test_creation_is_repeatable(site: Site) -> None:
    """The same content is the build that there is, another content a conflict that names what differs."""
    grace = await person(site, "grace")
    uid = await made(grace)
    again = await grace.post("/builds", NEW | {"build_id": "nightly", "commit_hash": ""})
    assert (again.status_code, again.json()) == (200, {"id": uid, "build_id": "nightly", "status": "exists"})
    other = await grace.post("/builds", NEW | {"build_id": "nightly", "platform": "azure"})
    assert refusal(other) == (409, "BUILD_EXISTS")
    assert other.json()["error"]["details"] == {"id": uid, "different": ["platform"]}
    assert len(await site.rows(BuildState)) == 1
    assert [one.name for one in await site.rows(AxisValue)] == list(NEW.values())


@pytest.mark.databases("sqlite", "postgresql")
async def test_many_create_at_once(site: Site) -> None:
    """However many ask for one build at the same moment, shared or somebody's, one is made and all are told of it."""
    grace = await person(site, "grace")
    for caller in (grace, pipeline(site)):
        answers = await asyncio.gather(*(caller.post("/builds", NEW | {"build_id": "one"}) for _ in range(8)))
        assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
        assert len({answer.json()["id"] for answer in answers}) == 1
    new_axes = [NEW | {"build_id": f"b{number}", "platform": f"p{number // 4}"} for number in range(8)]
    answers = await asyncio.gather(*(grace.post("/builds", body) for body in new_axes))
    assert {answer.status_code for answer in answers} == {201}
    assert sorted(one.name for one in await site.rows(AxisValue)) == ["aws", "base", "p0", "p1", "rhel-9.2"]


async def test_a_failed_build_waits_for_its_reset(site: Site) -> None:
    """It stays at its state, takes further failures but no states; a reset lets it go on from there."""
    grace = await person(site, "grace")
    uid = await made(grace)
    await reached(grace, uid, 10, 25)
    answer = await grace.post(f"/builds/{uid}/failure", FAILURE)
    assert (answer.status_code, answer.json()) == (200, {"status": "recorded", "build_id": uid})
    refused = await grace.post(f"/builds/{uid}/state", {"state_code": 50})
    assert refusal(refused) == (409, "BUILD_FAILED")
    assert f"/builds/{uid}/reset" in refused.json()["error"]["message"]
    await failed(grace, uid, "still no")
    view = (await grace.get(f"/builds/{uid}")).json()
    assert (view["status"], view["current_state"]) == ("failure", 25)
    [newest, first] = (await grace.get(f"/builds/{uid}/failures")).json()["items"]
    assert first | FAILURE | {"state_code": 25, "actor": "grace", "retired_at": None} == first
    assert newest["error_message"] == "still no"

    reset = await grace.post(f"/builds/{uid}/reset")
    assert (reset.status_code, reset.json()) == (200, {"status": "reset", "build_id": uid, "state_code": 25})
    assert refusal(await grace.post(f"/builds/{uid}/reset")) == (409, "BUILD_NOT_FAILED")
    page = (await grace.get(f"/builds/{uid}/failures")).json()
    assert (page["total"], [one["retired_at"] is None for one in page["items"]]) == (2, [False, False])
    await reached(grace, uid, 25, 100)
    history = [(one.status, one.state_code, one.message) for one in await site.rows(BuildState)]
    assert history[3:6] == [
        ("failure", 25, "PIPELINE_FAILURE: play failed"),
        ("failure", 25, "PIPELINE_FAILURE: still no"),
        ("in_progress", 25, "Build reset"),
    ]
    [build] = await site.rows(Build)
    assert (build.status, build.error) == ("success", None)


async def test_a_complete_build_takes_nothing_more(site: Site) -> None:
    """After 100 other states and failures are refused, and nothing is left to reset."""
    grace = await person(site, "grace")
    uid = await made(grace)
    await reached(grace, uid, 100)
    assert refusal(await grace.post(f"/builds/{uid}/state", {"state_code": 50})) == (409, "BUILD_COMPLETED")
    assert refusal(await grace.post(f"/builds/{uid}/failure", FAILURE)) == (409, "BUILD_COMPLETED")
    assert refusal(await grace.post(f"/builds/{uid}/reset")) == (409, "BUILD_NOT_FAILED")
    assert await site.rows(BuildFailure) == []


async def test_what_is_said_twice_is_kept_once(site: Site) -> None:
    """A request that is sent again because its answer was lost changes nothing, also at 100 and for a failure."""
    grace = await person(site, "grace")
    uid = await made(grace)
    await reached(grace, uid, 0, 10, 10, 25, 25, 10, 10)
    for _ in range(2):
        assert (await grace.post(f"/builds/{uid}/failure", FAILURE)).status_code == 200
    await grace.post(f"/builds/{uid}/reset")
    news = await grace.post(f"/builds/{uid}/state", {"state_code": 10, "message": "something else"})
    assert news.status_code == 200
    await reached(grace, uid, 100, 100)
    codes = [one.state_code for one in await site.rows(BuildState)]
    assert codes == [0, 0, 10, 25, 10, 10, 10, 10, 100]
    assert len(await site.rows(BuildFailure)) == 1


@pytest.mark.databases("sqlite")
async def test_a_build_fails_for_so_many_reasons(site: Site) -> None:
    """A pipeline that reports failures in a loop is stopped, until the build is reset."""
    grace = await person(site, "grace")
    uid = await made(grace)
    for number in range(20):
        await failed(grace, uid, f"no {number}")
    more = await grace.post(f"/builds/{uid}/failure", {"error_message": "no 20"})
    assert refusal(more) == (409, "TOO_MANY_FAILURES")
    await grace.post(f"/builds/{uid}/reset")
    await failed(grace, uid, "no 20")


async def test_other_peoples_builds_do_not_exist(site: Site) -> None:
    """Whatever somebody else tries is a 404, also by the name; one's own build goes before a shared one of its name."""
    grace, eve = await person(site, "grace"), await person(site, "eve")
    uid = await made(grace)
    for ref in (uid, "nightly"):
        for answer in (
            await eve.get(f"/builds/{ref}"),
            await eve.get(f"/builds/{ref}/state"),
            await eve.post(f"/builds/{ref}/state", {"state_code": 5}),
            await eve.post(f"/builds/{ref}/failure", FAILURE),
            await eve.post(f"/builds/{ref}/reset"),
            await pipeline(site).post(f"/builds/{ref}/state", {"state_code": 5}),
        ):
            assert refusal(answer) == (404, "BUILD_NOT_FOUND")
    assert (await admin(site).get(f"/builds/{uid}")).status_code == 200
    shared = await made(pipeline(site))
    assert (await grace.get("/builds/nightly")).json()["id"] == uid
    assert (await eve.get("/builds/nightly")).json()["id"] == shared
    await reached(grace, "nightly", 5)
    assert {row.uid: row.state_code for row in await site.rows(Build)} == {uid: 5, shared: 0}


async def test_shared_builds_are_reported_by_keys_of_nobody(site: Site) -> None:
    """People read them; pipelines' keys and superusers change them."""
    uid = await made(pipeline(site))
    grace = await person(site, "grace")
    assert (await grace.get(f"/builds/{uid}")).status_code == 200
    for answer in (
        await grace.post(f"/builds/{uid}/state", {"state_code": 5}),
        await grace.post(f"/builds/{uid}/failure", FAILURE),
        await grace.put(f"/builds/{uid}/variables", {"key": "A", "value": "1"}),
    ):
        assert refusal(answer) == (403, "SUPERUSER_NEEDED")
    await reached(admin(site), uid, 5)
    assert [one.actor for one in await site.rows(BuildState)] == ["pipeline", "pipeline"]


async def test_builds_of_other_providers_take_finer_states(site: Site) -> None:
    """A build that a job runs begins and moves with posted states, stands failed by a posted failure, and ends with
    its job only."""
    assert (await site.post("gitea", push_request("gitea", secret=SECRETS["gitea"]))).status_code == 202
    concourse = pipeline(site)
    [build] = await site.rows(Build)
    await reached(concourse, build.uid, 35)
    await failed(concourse, build.uid)
    assert refusal(await concourse.post(f"/builds/{build.uid}/state", {"state_code": 40})) == (409, "BUILD_FAILED")
    [build] = await site.rows(Build)
    assert (build.status, build.state_code, build.error["message"]) == ("in_progress", 35, "no")
    assert (await concourse.post(f"/builds/{build.uid}/reset")).status_code == 200
    await reached(concourse, build.uid, 100)
    [build] = await site.rows(Build)
    assert (build.status, build.state_code, build.error, build.finished_at) == ("in_progress", 100, None, None)
    assert refusal(await concourse.post(f"/builds/{build.uid}/state", {"state_code": 40})) == (409, "BUILD_COMPLETED")
    assert [one.job_id for one in await site.rows(BuildState)] == [build.job_id] * 5


async def test_builds_that_ended_with_their_jobs(site: Site) -> None:
    """A cancelled one takes nothing; one that failed is told apart from a reported failure and is retried instead."""
    assert (await site.post("gitea", push_request("gitea", secret=SECRETS["gitea"]))).status_code == 202
    [build] = await site.rows(Build)
    assert (await admin(site).post(f"/jobs/{build.job_id}/cancel")).status_code == 202
    concourse = pipeline(site)
    assert refusal(await concourse.post(f"/builds/{build.uid}/state", {"state_code": 5})) == (409, "BUILD_CANCELLED")
    assert refusal(await concourse.post(f"/builds/{build.uid}/failure", FAILURE)) == (409, "BUILD_CANCELLED")
    async with site.database.transaction() as tx:
        error = {"code": "STEP_FAILED", "message": "make: *** no rule"}
        await tx.execute(update(Build).values(status="failure", error=error))
    assert (await concourse.post(f"/builds/{build.uid}/failure", FAILURE)).status_code == 200
    reset = await concourse.post(f"/builds/{build.uid}/reset")
    assert refusal(reset) == (409, "BUILD_ENDED_WITH_JOB")
    assert str(build.job_id) in reset.json()["error"]["message"]
    assert [row.error for row in await site.rows(Build)] == [error]
    assert (await admin(site).post(f"/jobs/{build.job_id}/retry")).status_code == 202
    assert all(one.retired_at for one in await site.rows(BuildFailure))


WRONG: list[tuple[str, dict[str, Any], int, list[str | int]]] = [
    ("", NEW, 422, ["body", "build_id"]),
    ("", NEW | {"build_id": ""}, 422, ["body", "build_id"]),
    ("", NEW | {"build_id": "a\nb"}, 422, ["body", "build_id"]),
    ("", NEW | {"build_id": "x" * 256}, 422, ["body", "build_id"]),
    ("", NEW | {"build_id": "a", "platform": "p" * 65}, 422, ["body", "platform"]),
    ("", NEW | {"build_id": "a", "commit_hash": "c" * 65}, 422, ["body", "commit_hash"]),
    ("", NEW | {"build_id": "a", "pipeline_url": "u" * 2049}, 422, ["body", "pipeline_url"]),
    ("", NEW | {"build_id": "a", "color": "red"}, 422, ["body", "color"]),
    ("/state", {}, 422, ["body", "state_code"]),
    ("/state", {"state_code": -5}, 422, ["body", "state_code"]),
    ("/state", {"state_code": 105}, 422, ["body", "state_code"]),
    ("/state", {"state_code": "10"}, 422, ["body", "state_code"]),
    ("/state", {"state_code": 10.5}, 422, ["body", "state_code"]),
    ("/state", {"state_code": 10, "message": "m" * 4097}, 422, ["body", "message"]),
    ("/failure", {}, 422, ["body", "error_message"]),
    ("/failure", {"error_message": "m" * 65537}, 422, ["body", "error_message"]),
    ("/failure", {"error_message": "m", "details": [1]}, 422, ["body", "details"]),
    ("/failure", {"error_message": "m", "details": {"log": "x" * 65536}}, 422, ["body"]),
]


@pytest.mark.databases("sqlite")
async def test_wrong_bodies(site: Site) -> None:
    """Each wrong value is a 422 that names it; a code between two stages is the documented 400; nothing is written."""
    grace = await person(site, "grace")
    uid = await made(grace)
    for path, body, status, where in WRONG:
        answer = await grace.post(f"/builds/{uid}{path}" if path else "/builds", body)
        assert answer.status_code == status, (body, answer.text)
        assert [one["loc"] for one in answer.json()["error"]["details"]] == [where], answer.text
    for broken in (b'{"state_code": 5, "message": "\\ud800"}', b'{"state_code": 5', b"\xff", b""):
        headers = grace.headers | {"Content-Type": "application/json"}
        answer = await site.client.post(f"/builds/{uid}/state", content=broken, headers=headers)
        assert answer.status_code in {400, 422}, (broken, answer.text)
    between = await grace.post(f"/builds/{uid}/state", {"state_code": 12})
    assert refusal(between) == (400, "INVALID_STATE_CODE")
    assert between.json()["error"]["message"] == "State code must be multiple of 5"
    unknown = await grace.post("/builds/nothing/state", {"state_code": 10})
    assert refusal(unknown) == (404, "BUILD_NOT_FOUND")
    assert len(await site.rows(BuildState)) == 1


async def test_resume_context(site: Site) -> None:
    """It says where a build failed and what it got past, where to go on, how often a stage may be tried again, and
    with what; nothing when it is complete."""
    grace = await person(site, "grace")
    uid = await made(grace)
    context = f"/builds/{uid}/resume-context"
    begun = (await grace.get(context)).json()
    assert (begun["last_successful_state"], begun["failed_state"], begun["resume_from_state"]) == (None, None, 0)
    await reached(grace, uid, 5)
    await failed(grace, uid)
    view = (await grace.get(context)).json()
    assert view == {
        "current_state": 5,
        "last_successful_state": 0,
        "failed_state": 5,
        "resume_from_state": 5,
        "artifacts": [],
        "variables": {},
        "resumable_state_config": {"state_code": 5, "name": "kickstart", "auto_retries": 3, "failures": 1},
    }
    await grace.post(f"/builds/{uid}/reset")
    assert (await grace.get(context)).json() == view | {"failed_state": None}
    await reached(grace, uid, 100)
    done = (await grace.get(context)).json()
    assert (done["last_successful_state"], done["resume_from_state"]) == (100, None)
    assert done["resumable_state_config"] is None
