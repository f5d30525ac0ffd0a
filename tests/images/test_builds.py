"""Builds over HTTP: lists with filters, one build by its names, its history, channels, the matrix, statistics, axes."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, insert

from libs.common.database import utcnow
from services.builds.models import AxisValue, Build
from tests.builds.forges.payloads import push_request
from tests.images.stored import CELL, store_build
from tests.webhooks.people import Caller, admin, person, pipeline
from tests.webhooks.site import Site

BUILDS = "/api/v1/builds"
SECRET = "s3cret-of-this-address"


@pytest.fixture
async def grace(site: Site) -> Caller:
    return await person(site, "grace")


async def uids(caller: Caller, **filters: object) -> list[str]:
    answer = await caller.get(BUILDS, **filters)
    assert answer.status_code == 200, answer.text
    return [one["uid"] for one in answer.json()["items"]]


async def test_a_push_makes_a_build_that_is_listed_and_read(site: Site, grace: Caller) -> None:
    """A build of a push tells its repository, commit and job; its history tells who made it."""
    repository = await grace.with_secret(SECRET)
    pushed = await site.post("gitea", push_request("gitea", secret=SECRET), address=repository)
    [build] = (await grace.get(BUILDS)).json()["items"]
    assert build["job_id"] == pushed.json()["job_id"]
    assert build["repository"] == {"uid": repository, "full_name": "acme/app"}
    assert (build["executor"], build["status"], build["event"], build["owner"]) == (
        "local",
        "pending",
        "push",
        grace.id,
    )
    assert (await grace.get(f"{BUILDS}/{build['uid']}")).json() == build
    states = (await grace.get(f"{BUILDS}/{build['uid']}/states")).json()
    [first] = states["items"]
    assert (first["status"], first["state_code"], first["message"]) == ("pending", 0, "Build initialized")
    assert (states["total"], first["duration_s"]) == (1, None)
    assert await uids(grace, repository=repository) == await uids(grace, repository="acme/app") == [build["uid"]]
    assert await uids(grace, repository="acme/other") == []


async def test_each_filter(site: Site, grace: Caller) -> None:
    """Every filter narrows the list and its total; they go together."""
    old = utcnow() - timedelta(days=2)
    _, first = await store_build(site.database, owner=grace.id, created_at=old, branch="main", **CELL)
    _, second = await store_build(
        site.database,
        owner=grace.id,
        executor="github",
        status="failure",
        branch="topic",
        **CELL | {"platform": "azure"},
    )
    both = [second, first]
    yesterday = (utcnow() - timedelta(days=1)).isoformat()
    for filters, expected in (
        ({}, both),
        ({"executor": "github"}, [second]),
        ({"status": "success"}, [first]),
        ({"branch": "main"}, [first]),
        ({"platform": "azure"}, [second]),
        ({"os_version": "rhel-9.2"}, both),
        ({"image_type": "hana"}, []),
        ({"config_id": 7}, []),
        ({"since": yesterday}, [second]),
        ({"until": yesterday}, [first]),
        ({"platform": "azure", "status": "success"}, []),
    ):
        answer = (await grace.get(BUILDS, **filters)).json()
        assert ([one["uid"] for one in answer["items"]], answer["total"]) == (expected, len(expected)), filters
    page = (await grace.get(BUILDS, limit=1)).json()
    assert ([one["uid"] for one in page["items"]], page["total"], page["next_offset"]) == ([second], 2, 1)
    assert await uids(grace, limit=1, offset=1) == [first]


async def test_what_cannot_be_asked(site: Site) -> None:
    """A value out of range is a 422 that names the parameter."""
    questions: list[tuple[str, dict[str, object]]] = [
        (BUILDS, {"status": "done"}),
        (BUILDS, {"executor": "jenkins"}),
        (BUILDS, {"since": "yesterday"}),
        (BUILDS, {"limit": 101}),
        (BUILDS, {"config_id": 0}),
        (f"{BUILDS}/statistics", {"days": 0}),
        (f"{BUILDS}/statistics", {"days": 367}),
    ]
    for path, query in questions:
        answer = await pipeline(site).get(path, **query)
        assert answer.status_code == 422
        assert answer.json()["error"]["details"][0]["loc"] == ["query", *query]


async def test_a_build_by_its_names(site: Site, grace: Caller) -> None:
    """A uid goes first, then one's own name for a build, then the name of a shared one; others' do not exist."""
    bob = await person(site, "bob")
    _, shared = await store_build(site.database, owner=None, build_id="nightly")
    _, own = await store_build(site.database, owner=grace.id, build_id="nightly")
    _, like_a_uid = await store_build(site.database, owner=grace.id, build_id=shared)
    assert like_a_uid != shared

    async def found(caller: Caller, ref: str) -> str:
        answer = await caller.get(f"{BUILDS}/{ref}")
        uid: str = answer.json()["uid"] if answer.is_success else answer.json()["error"]["code"]
        return uid

    assert await found(grace, "nightly") == own
    assert await found(grace, shared) == shared
    assert await found(bob, "nightly") == await found(pipeline(site), "nightly") == shared
    assert await found(bob, own) == await found(bob, "none") == "BUILD_NOT_FOUND"
    assert await found(admin(site), own) == own
    assert (await bob.get(f"{BUILDS}/{own}/states")).status_code == 404
    assert set(await uids(bob)) == {shared}
    assert set(await uids(admin(site))) == {shared, own, like_a_uid}


async def test_a_history_in_pages(site: Site, grace: Caller) -> None:
    """Entries come oldest first, each with the time until the next one, also across pages."""
    history = [("pending", 0, 0), ("in_progress", 5, 2), ("in_progress", 50, 12.5), ("success", 100, 20)]
    _, uid = await store_build(site.database, owner=grace.id, history=history)
    seen = []
    for offset in (0, 2):
        page = (await grace.get(f"{BUILDS}/{uid}/states", limit=2, offset=offset)).json()
        assert page["total"] == 4
        seen += [(one["status"], one["state_code"], one["duration_s"]) for one in page["items"]]
    assert seen == [("pending", 0, 2), ("in_progress", 5, 10.5), ("in_progress", 50, 7.5), ("success", 100, None)]


async def test_polling_costs_no_body(site: Site, grace: Caller) -> None:
    """Lists, builds, histories and the matrix (whose ages grow) answer 304 while nothing has changed."""
    _, uid = await store_build(site.database, owner=grace.id, created_at=utcnow() - timedelta(hours=1), **CELL)
    for path in (BUILDS, f"{BUILDS}/{uid}", f"{BUILDS}/{uid}/states", f"{BUILDS}/matrix", f"{BUILDS}/statistics"):
        tag = (await grace.get(path)).headers["etag"]
        again = await site.client.get(path, headers=grace.headers | {"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b""), path


async def test_channels_over_http(site: Site, grace: Caller) -> None:
    """A good build is promoted and revoked; what does not fit is refused with a code."""
    _, uid = await store_build(site.database, owner=grace.id, **CELL)
    _, failed = await store_build(site.database, owner=grace.id, status="failure", **CELL)
    promoted = await grace.post(f"{BUILDS}/{uid}/promote", {"channel": "stable"})
    assert (promoted.status_code, promoted.json()["channels"]) == (200, ["stable"])
    assert (await grace.get(f"{BUILDS}/{uid}")).json()["channels"] == ["stable"]
    [cell] = (await grace.get(f"{BUILDS}/matrix")).json()["cells"]
    assert cell["channels"] == {"stable": uid, "testing": None}
    revoked = await grace.post(f"{BUILDS}/{uid}/revoke", {"channel": "stable"})
    assert (revoked.status_code, revoked.json()["channels"]) == (200, [])
    for path, body, status, code in (
        (f"{failed}/promote", {"channel": "stable"}, 409, "NOT_PROMOTABLE"),
        (f"{uid}/revoke", {"channel": "stable"}, 409, "NOT_PROMOTED"),
        (f"{uid}/promote", {"channel": "production"}, 422, "VALIDATION_ERROR"),
        (f"{uid}/promote", {}, 422, "VALIDATION_ERROR"),
        (f"{uid}/promote", {"channel": "stable", "force": True}, 422, "VALIDATION_ERROR"),
        ("none/promote", {"channel": "stable"}, 404, "BUILD_NOT_FOUND"),
    ):
        answer = await grace.post(f"{BUILDS}/{path}", body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), path


async def test_the_matrix_and_statistics_over_http(site: Site, grace: Caller) -> None:
    """The matrix names its axes and each good image's age; statistics name their stages."""
    history = [("in_progress", 25, 0), ("in_progress", 50, 90), ("failure", 50, 95)]
    await store_build(site.database, owner=grace.id, finished_at=utcnow() - timedelta(hours=1), **CELL)
    await store_build(site.database, owner=grace.id, status="failure", history=history, **CELL)
    matrix = (await grace.get(f"{BUILDS}/matrix")).json()
    assert (matrix["platforms"], matrix["os_versions"], matrix["image_types"]) == (["aws"], ["rhel-9.2"], ["base"])
    [cell] = matrix["cells"]
    assert cell["latest"]["status"] == "failure"
    assert 3600 <= cell["good"]["age_s"] < 3700
    statistics = (await grace.get(f"{BUILDS}/statistics", days=7)).json()
    assert [statistics[name] for name in ("days", "builds", "succeeded", "failed", "measured")] == [7, 2, 1, 1, 2]
    assert statistics["stages"][0] == {
        "state_code": 25,
        "name": "security",
        "count": 1,
        "average_s": 90.0,
        "p95_s": 90.0,
        "failures": 0,
    }
    assert statistics["most_failing"] == {"state_code": 50, "name": "users and authentication", "failures": 1}


async def test_values_of_the_axes(site: Site, grace: Caller) -> None:
    """What builds named is listed by name, for everybody."""
    named = (("platform", "azure"), ("platform", "aws"), ("os_version", "rhel-9.2"), ("image_type", "base"))
    async with site.database.transaction() as tx:
        rows = [{"axis": axis, "name": name, "created_at": utcnow()} for axis, name in named]
        await tx.execute(insert(AxisValue), rows)
    for path, names in (("platforms", ["aws", "azure"]), ("os-versions", ["rhel-9.2"]), ("image-types", ["base"])):
        answer = (await grace.get(f"/api/v1/{path}")).json()
        assert ([one["name"] for one in answer["items"]], answer["total"]) == (names, len(names))


async def test_a_job_whose_build_was_forgotten_is_not_retried(site: Site, grace: Caller) -> None:
    """The job of a build that retention deleted stays readable, and a retry says why there is none."""
    repository = await grace.with_secret(SECRET)
    job_id = (await site.post("gitea", push_request("gitea", secret=SECRET), address=repository)).json()["job_id"]
    assert (await grace.post(f"/jobs/{job_id}/cancel")).status_code == 202
    async with site.database.transaction() as tx:
        await tx.execute(delete(Build))
    refused = await grace.post(f"/jobs/{job_id}/retry")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "BUILD_GONE")
    assert (await grace.get(f"/jobs/{job_id}")).status_code == 200
