"""Triggering image builds over HTTP: what is built, what is refused; then their status, cancelling and running again.

No worker runs here: what becomes of a dispatched build has its tests beside the fake GitHub.
"""

from typing import Any

import msgspec
import pytest
import yaml
from sqlalchemy import update

from libs.common.jobs.models import Job
from services.builds.models import AxisValue, Build, BuildState
from services.builds.settings import GitHubSettings
from tests.images.stored import CELL, store_build
from tests.webhooks.people import Caller, person, pipeline
from tests.webhooks.site import GITHUB, Site, open_site

TRIGGER = "/api/build/trigger"
RECIPE = "name: demo\ndescription: A small image\nmodules:\n  - type: script\n    scripts: ['true']\n"


@pytest.fixture
async def grace(site: Site) -> Caller:
    return await person(site, "grace")


async def triggered(site: Site, caller: Caller, body: dict[str, Any]) -> Any:
    """Trigger a build; answers its row."""
    answer = await caller.post(TRIGGER, body)
    assert answer.status_code == 202, answer.text
    [row] = [row for row in await site.rows(Build) if row.id == answer.json()["id"]]
    return row


async def test_a_recipe_is_accepted_with_the_job_that_dispatches_it(site: Site, grace: Caller) -> None:
    """202 answers the build, where it is read and its job; build, history, job and audit entry are written."""
    answer = await grace.post(TRIGGER, {"yaml_content": RECIPE, "image_type": "fedora-bootc", "ref": "refs/heads/next"})
    assert answer.status_code == 202
    body = answer.json()
    assert body | {"created_at": "", "id": 0, "uid": "", "job_id": ""} == {
        "id": 0,
        "uid": "",
        "job_id": "",
        "created_at": "",
        "status": "pending",
        "config_id": None,
        "workflow_run_id": None,
        "image_type": "fedora-bootc",
        "fedora_version": "43",
        "ref": "next",
        "started_at": None,
        "completed_at": None,
    }
    assert answer.headers["location"] == f"/api/v1/builds/{body['uid']}"
    [row], [state], [job] = await site.rows(Build), await site.rows(BuildState), await site.rows(Job)
    assert (row.executor, row.owner, row.run_repository, row.run_id) == ("github", grace.id, "acme/images", None)
    assert (row.platform, row.os_version, row.image_type) == ("bootc", "43", "fedora-bootc")
    assert row.inputs == {
        "image_type": "fedora-bootc",
        "distro_version": "43",
        "enable_plymouth": "true",
        "yaml_content": RECIPE,
    }
    assert (state.message, state.actor) == ("Build initialized", "grace")
    assert (str(job.id), job.kind, job.owner) == (body["job_id"], "builds.run_workflow", grace.id)
    assert {(value.axis, value.name) for value in await site.rows(AxisValue)} == {
        *[("platform", "bootc"), ("os_version", "43"), ("image_type", "fedora-bootc")]
    }
    assert (await grace.get(answer.headers["location"])).json()["status"] == "pending"


async def test_what_is_built_by_precedence(site: Site, grace: Caller) -> None:
    """A configuration goes before a definition, that before a recipe, that before what fits a system and desktop."""
    saved = {"name": "kiosk", "yaml_content": RECIPE, "image_type": "fedora-kinoite", "fedora_version": "42"}
    config = await grace.post("/api/config", saved | {"enable_plymouth": False})
    assert config.status_code == 201, config.text
    wish: dict[str, Any] = {"window_manager": "sway", "image_type": "fedora-sway-atomic", "fedora_version": "44"}
    wish |= {"yaml_content": "name: given\ndescription: x\nmodules: []\n", "definition_filename": "sway-bootc.yml"}
    by_config = await triggered(site, grace, wish | {"config_id": config.json()["id"]})
    assert (by_config.config_id, by_config.inputs["yaml_content"]) == (config.json()["id"], RECIPE)
    assert (by_config.image_type, by_config.os_version) == ("fedora-kinoite", "42")
    assert by_config.inputs["enable_plymouth"] == "false"
    by_definition = await triggered(site, grace, wish)
    assert yaml.safe_load(by_definition.inputs["yaml_content"])["name"] == "sway-bootc"
    assert (by_definition.image_type, by_definition.os_version) == ("fedora-sway-atomic", "44")
    del wish["definition_filename"]
    by_recipe = await triggered(site, grace, wish)
    assert yaml.safe_load(by_recipe.inputs["yaml_content"])["name"] == "given"
    del wish["yaml_content"]
    picked = await triggered(site, grace, wish)
    recipe = yaml.safe_load(picked.inputs["yaml_content"])
    assert recipe["name"] == "sway-atomic"
    assert (recipe["image-version"], recipe["build"]["enable_plymouth"]) == ("44", True)
    assert recipe["desktop"]["window_manager"] == picked.inputs["window_manager"] == "sway"


async def test_a_desktop_is_written_into_bootc_recipes_only(site: Site, grace: Caller) -> None:
    """Window manager and desktop environment replace those of a recipe when the image type has bootc in it."""
    wish = {"yaml_content": RECIPE, "window_manager": "labwc", "desktop_environment": "lxqt"}
    bootc = await triggered(site, grace, wish | {"image_type": "fedora-bootc"})
    desktop = {"window_manager": "labwc", "desktop_environment": "lxqt"}
    assert yaml.safe_load(bootc.inputs["yaml_content"])["desktop"] == desktop
    atomic = await triggered(site, grace, wish | {"image_type": "fedora-sway-atomic"})
    assert atomic.inputs["yaml_content"] == RECIPE
    assert atomic.inputs["window_manager"] == "labwc"


Refusal = tuple[dict[str, Any], int, str, str | None]
REFUSED: list[Refusal] = [
    ({}, 400, "NOTHING_TO_BUILD", "config_id, yaml_content, or definition_filename must be provided"),
    ({"config_id": 77}, 404, "CONFIGURATION_NOT_FOUND", "Configuration 77 not found"),
    ({"definition_filename": "../secret.yml"}, 400, "INVALID_FILENAME", "Invalid definition filename"),
    ({"definition_filename": "/etc/passwd"}, 400, "INVALID_FILENAME", "Invalid definition filename"),
    ({"definition_filename": "packages/x.yml"}, 400, "INVALID_FILENAME", "Invalid definition filename"),
    ({"definition_filename": "no.yml"}, 404, "DEFINITION_NOT_FOUND", "Definition file 'no.yml' not found"),
    (
        {"yaml_content": "name: x"},
        *(400, "INVALID_RECIPE"),
        "Invalid YAML: Missing required field: description, Missing required field: modules",
    ),
    ({"yaml_content": RECIPE + "#" * 66_000}, 400, "INPUTS_TOO_LARGE", None),
    ({"yaml_content": RECIPE, "image_type": "windows"}, 422, "VALIDATION_ERROR", None),
    ({"yaml_content": RECIPE, "ref": "a..b"}, 422, "VALIDATION_ERROR", None),
    ({"yaml_content": RECIPE, "ref": "0" * 40}, 422, "VALIDATION_ERROR", None),
    ({"yaml_content": RECIPE, "window_manager": "a b"}, 422, "VALIDATION_ERROR", None),
    ({"yaml_content": RECIPE, "timeout_s": 1}, 422, "VALIDATION_ERROR", None),
    ({"yaml_content": RECIPE, "priority": 1}, 422, "VALIDATION_ERROR", None),
]


async def test_what_is_refused(site: Site) -> None:
    """What cannot be built is refused in the documented words, and nothing is written."""
    for body, status, code, message in REFUSED:
        answer = await pipeline(site).post(TRIGGER, body)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (status, code), body
        assert message is None or error["message"] == message
    assert await site.rows(Build) == await site.rows(Job) == []


@pytest.mark.parametrize("github", [GitHubSettings(), msgspec.structs.replace(GITHUB, repository=None)])
async def test_without_github_nothing_is_accepted(database: str, redis: str, github: GitHubSettings) -> None:
    """Without a token or a repository a valid trigger is a 503, and no build waits for one."""
    async with open_site(database, redis, github=github) as site:
        refused = await pipeline(site).post(TRIGGER, {"yaml_content": RECIPE})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "GITHUB_NOT_CONFIGURED")
        assert await site.rows(Build) == await site.rows(Job) == []


async def test_a_key_triggers_once(site: Site, grace: Caller) -> None:
    """With an Idempotency-Key a trigger that is sent twice makes one build."""
    answers = [await grace.post(TRIGGER, {"yaml_content": RECIPE}, **{"Idempotency-Key": "once"}) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert len(await site.rows(Build)) == 1


async def test_the_list_of_image_builds(site: Site, grace: Caller) -> None:
    """Pages of builds that make images, newest first, by status and configuration; others' are not in it."""
    await store_build(site.database, owner=grace.id)  # makes no image
    await store_build(site.database, owner=99, **CELL)
    made = [await triggered(site, grace, {"yaml_content": RECIPE}) for _ in range(3)]
    ids = [row.id for row in reversed(made)]
    first = (await grace.get("/api/build/", page_size=2)).json()
    assert ([one["id"] for one in first["builds"]], first["total"]) == (ids[:2], 3)
    second = (await grace.get("/api/build/", page=2, page_size=2)).json()
    assert ([one["id"] for one in second["builds"]], second["page"], second["page_size"]) == (ids[2:], 2, 2)
    assert (await grace.get("/api/build/", status="success")).json()["total"] == 0
    assert (await grace.get("/api/build/", config_id=1)).json()["total"] == 0
    assert (await grace.get("/api/build/", status="done")).status_code == 422
    assert (await grace.get("/api/build/", page=0)).status_code == 422


async def test_the_status_of_a_build(site: Site, grace: Caller) -> None:
    """The status tells the run in GitHub's words, from what Slipway knows; without a run there are nulls."""
    url = "https://github.com/acme/images/actions/runs/7"
    run: dict[str, Any] = {"run_id": 7, "run_url": url}
    for columns, workflow_status in (
        ({"status": "pending"}, None),
        (run | {"status": "queued"}, "queued"),
        (run | {"status": "in_progress"}, "in_progress"),
        (run | {"status": "failure", "conclusion": "timed_out"}, "completed"),
    ):
        number, _ = await store_build(site.database, owner=grace.id, executor="github", **CELL, **columns)
        answer = (await grace.get(f"/api/build/{number}/status")).json()
        assert (answer["build"]["id"], answer["build"]["workflow_run_id"]) == (number, columns.get("run_id"))
        assert (answer["workflow_status"], answer["conclusion"]) == (workflow_status, columns.get("conclusion"))
        urls = (url, f"{url}/checks") if workflow_status else (None, None)
        assert (answer["workflow_url"], answer["logs_url"]) == urls
    missing = await grace.get("/api/build/9999/status")
    assert (missing.status_code, missing.json()["error"]["message"]) == (404, "Build 9999 not found")


async def test_cancelling(site: Site, grace: Caller) -> None:
    """A waiting build ends at once; an ended one cannot be cancelled, as the documented words say."""
    row = await triggered(site, grace, {"yaml_content": RECIPE})
    other = await person(site, "other")
    assert (await other.post(f"/api/build/{row.id}/cancel")).status_code == 404
    cancelled = await grace.post(f"/api/build/{row.id}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    again = await grace.post(f"/api/build/{row.id}/cancel")
    assert (again.status_code, again.json()["error"]["message"]) == (400, "Cannot cancel build in status: cancelled")


async def test_a_running_build_is_told_to_stop(site: Site, grace: Caller) -> None:
    """The cancel of a build that a worker runs is noted at once, and answered with the build as it stands."""
    row = await triggered(site, grace, {"yaml_content": RECIPE})
    async with site.database.transaction() as tx:
        running = {"status": "running", "started_at": row.created_at, "version": Job.version + 1}
        await tx.execute(update(Job).where(Job.id == row.job_id).values(running))
        await tx.execute(update(Build).where(Build.id == row.id).values(status="in_progress"))
    answer = await grace.post(f"/api/build/{row.id}/cancel", Prefer="wait=0")
    assert (answer.status_code, answer.json()["status"]) == (200, "in_progress")
    [job] = await site.rows(Job)
    assert job.cancel_requested_at is not None


async def test_a_reported_build_is_cancelled_here(site: Site, grace: Caller) -> None:
    """A build whose pipeline died is ended by hand; it takes no more states."""
    made = await grace.post("/builds", CELL | {"build_id": "night-1"})
    number = (await grace.get("/api/v1/builds/night-1")).json()["id"]
    cancelled = await grace.post(f"/api/build/{number}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    late = await grace.post(f"/builds/{made.json()['id']}/state", {"state_code": 5})
    assert (late.status_code, late.json()["error"]["code"]) == (409, "BUILD_CANCELLED")
    states = (await grace.get("/api/v1/builds/night-1/states")).json()["items"]
    assert [(one["status"], one["actor"]) for one in states][-1] == ("cancelled", "grace")
    rerun = await grace.post(f"/api/build/{number}/rerun", {})
    assert (rerun.status_code, rerun.json()["error"]["code"]) == (409, "NOT_RERUNNABLE")


async def test_running_again(site: Site, grace: Caller) -> None:
    """A build that never got a run is dispatched anew by a new job; one that runs is not."""
    row = await triggered(site, grace, {"yaml_content": RECIPE})
    early = await grace.post(f"/api/build/{row.id}/rerun", {})
    assert (early.status_code, early.json()["error"]["code"]) == (409, "JOB_NOT_ENDED")
    await grace.post(f"/api/build/{row.id}/cancel")
    again = await grace.post(f"/api/build/{row.id}/rerun", {})
    assert (again.status_code, again.json()["status"]) == (202, "pending")
    assert again.json()["job_id"] != str(row.job_id)
    assert again.headers["location"] == f"/api/v1/builds/{row.uid}"
    no_run = await grace.post(f"/api/build/{row.id}/rerun", {"failed_only": True})
    assert (no_run.status_code, no_run.json()["error"]["code"]) == (409, "NOT_RERUNNABLE")


async def test_running_a_run_again(site: Site, grace: Caller) -> None:
    """An ended build with a run on GitHub gets a job that runs it again, all of it or its failed jobs."""
    row = await triggered(site, grace, {"yaml_content": RECIPE})
    await grace.post(f"/api/build/{row.id}/cancel")
    async with site.database.transaction() as tx:
        await tx.execute(update(Build).where(Build.id == row.id).values(run_id=7))
    again = await grace.post(f"/api/build/{row.id}/rerun", {"failed_only": True})
    assert (again.status_code, again.json()["workflow_run_id"]) == (202, 7)
    [_, job] = await site.rows(Job)
    assert msgspec.json.decode(job.payload)["rerun"] == "failed"
