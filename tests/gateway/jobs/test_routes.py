"""Jobs over HTTP: lists with right totals, one job, cancel, retry, and the log as JSON and text."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from libs.common.jobs.models import Job
from services.gateway import openapi
from services.gateway.frame import make_gateway
from services.gateway.jobs.routes import router
from tests.common.joblog.world import World
from tests.gateway.jobs.conftest import Site
from tests.gateway.jobs.viewer import Viewer

MakeWorld = Callable[..., World]


async def change(world: World, job_id: UUID, **values: Any) -> None:
    async with world.database.transaction() as tx:
        await tx.execute(update(Job).where(Job.id == job_id).values(**values))


async def test_lists_have_the_documented_shape(world: World, site: Site) -> None:
    """The list is newest first with the total of the filter and the documented fields."""
    ids = [str((await world.new_job()).view.id) for _ in range(3)]
    answer = (await site.client.get("/jobs", params={"limit": 2})).json()
    assert [job["id"] for job in answer["jobs"]] == ids[:0:-1]
    assert (answer["total"], answer["offset"], answer["limit"]) == (3, 0, 2)
    documented = {"id", "repo", "branch", "commit", "status", "started_at", "finished_at", "duration", "agent_id"}
    assert documented | {"exit_code", "domain", "kind", "subject"} <= answer["jobs"][0].keys()
    second = (await site.client.get("/jobs", params={"limit": 2, "cursor": answer["next_cursor"]})).json()
    assert [job["id"] for job in second["jobs"]] == ids[:1]
    assert (second["total"], second["next_cursor"]) == (3, None)
    by_offset = (await site.client.get("/jobs", params={"limit": 2, "offset": 2})).json()
    assert by_offset["jobs"] == second["jobs"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, [0, 1, 2]),
        ({"status": "pending"}, [0, 1, 2]),
        ({"status": "RUNNING"}, []),
        ({"repo": "ada/engine"}, [0]),
        ({"branch": "main"}, [1]),
        ({"kind": "builds.work"}, [0, 1, 2]),
        ({"kind": "builds.other"}, []),
        ({"domain": "vms"}, [2]),
        ({"owner": 1}, [1]),
        ({"owner": 2}, []),
        ({"subject": "build:12"}, [0, 1]),
        ({"since": "2001-01-01"}, [0, 1, 2]),
        ({"since": "2001-01-01T00:00:00"}, [0, 1, 2]),
        ({"since": "2999-01-01T00:00:00Z"}, []),
    ],
)
async def test_filters(world: World, site: Site, filters: dict[str, Any], found: list[int]) -> None:
    """Each filter finds exactly its jobs among those that the caller may see, and the total agrees."""
    jobs = [await world.new_job(), await world.new_job(owner=1), await world.new_job(subject=("server", "12"))]
    await world.new_job(owner=2)
    await change(world, jobs[0].view.id, repository="ada/engine")
    await change(world, jobs[1].view.id, branch="main")
    await change(world, jobs[2].view.id, domain="vms")
    answer = (await site.client.get("/jobs", params=filters)).json()
    assert [job["id"] for job in answer["jobs"]] == [str(jobs[n].view.id) for n in reversed(found)]
    assert answer["total"] == len(found)


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("status=done", 400, "INVALID_STATUS"),
        ("limit=0", 422, "VALIDATION_ERROR"),
        ("limit=101", 422, "VALIDATION_ERROR"),
        ("limit=x", 422, "VALIDATION_ERROR"),
        ("offset=-1", 422, "VALIDATION_ERROR"),
        ("cursor=x", 422, "VALIDATION_ERROR"),
        ("owner=99999999999999999999999", 422, "VALIDATION_ERROR"),
        ("since=yesterday", 422, "VALIDATION_ERROR"),
        ("since=0001-01-01T00:00:00%2B14:00", 422, "VALIDATION_ERROR"),
        ("subject=build", 422, "VALIDATION_ERROR"),
        ("repo=%00", 422, "VALIDATION_ERROR"),
    ],
)
async def test_wrong_values(site: Site, query: str, status: int, code: str) -> None:
    """A filter's wrong value is refused with a stable code."""
    answer = await site.client.get(f"/jobs?{query}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_invalid_status_says_which(site: Site) -> None:
    """The documented message of a wrong status stays."""
    assert (await site.client.get("/jobs?status=done")).json()["error"]["message"] == "Invalid status: done"


JSON = {"Accept": "application/json"}


@pytest.mark.parametrize("job_id", ["x", "00000000-0000-7000-8000-000000000000", "0", "..%2f", "%F0%9F%9A%80"])
async def test_unknown_jobs(site: Site, job_id: str) -> None:
    """Whatever names no job is a 404, on every route."""
    for method, path in (("GET", ""), ("GET", "/logs"), ("POST", "/cancel"), ("POST", "/retry")):
        answer = await site.client.request(method, f"/jobs/{job_id}{path}")
        assert answer.status_code == 404
    assert (await site.client.get("/jobs/x")).json()["error"]["message"] == "Job not found: x"


async def test_ownership(world: World, site: Site) -> None:
    """A job of another person is a 404 for everybody but them and superusers; a shared one is everybody's."""
    mine, shared = await world.new_job(owner=1), await world.new_job()
    for job, key, status in ((mine, "ada", 200), (mine, "bob", 404), (mine, "root", 200), (shared, "bob", 200)):
        answer = await site.client.get(f"/jobs/{job.view.id}", headers={"X-API-Key": key})
        assert answer.status_code == status
    assert (await site.client.post(f"/jobs/{mine.view.id}/cancel", headers={"X-API-Key": "bob"})).status_code == 404
    assert (await site.client.get("/jobs", headers={"X-API-Key": "bob"})).json()["total"] == 1


async def test_scopes(world: World, site: Site) -> None:
    """Reading needs jobs:read, cancel and retry need jobs:write."""
    job = await world.new_job(owner=1)
    paths = [("GET", ""), ("GET", "/logs"), ("POST", "/cancel"), ("POST", "/retry")]
    for key, statuses in (("reader", [200, 200, 403, 403]), ("builder", [403] * 4)):
        answers = [
            await site.client.request(method, f"/jobs/{job.view.id}{path}", headers={"X-API-Key": key, **JSON})
            for method, path in paths
        ]
        assert [answer.status_code for answer in answers] == statuses


async def test_cancel_and_retry(world: World, site: Site) -> None:
    """Cancel answers 202 and the job; retry of an ended job a new one that points back, with its address."""
    job = await world.new_job(owner=1)
    path = f"/jobs/{job.view.id}"
    assert (await site.client.post(f"{path}/retry")).status_code == 409
    answer = await site.client.post(f"{path}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
    assert (await site.client.post(f"{path}/cancel")).json()["error"]["code"] == "JOB_ENDED"
    retried = await site.client.post(f"{path}/retry")
    assert retried.status_code == 202
    assert retried.json()["retry_of"] == str(job.view.id)
    assert (await site.client.get(retried.headers["location"])).json()["id"] == retried.json()["id"]


async def test_a_running_job_has_a_duration(world: World, site: Site) -> None:
    """The duration of a running job counts up to now; one that has not started has none."""
    job = await world.new_job()
    assert (await site.client.get(f"/jobs/{job.view.id}")).json()["duration"] is None
    await world.claim(job.view.id)
    assert (await site.client.get(f"/jobs/{job.view.id}")).json()["duration"] >= 0


async def test_log_as_json_pages(world: World, site: Site) -> None:
    """Who asks for JSON gets pages by line number, also while the log is written; who asks for anything, a stream."""
    claimed, log = await world.started()
    path = f"/jobs/{claimed.lease.job_id}/logs"
    assert (await site.client.get(path, headers=JSON)).json()["lines"] == []
    await log.write("\n".join(f"line {n}" for n in range(1, 251)))
    await log.flush()
    seen: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        page = (await site.client.get(path, params={"after": after, "limit": 100}, headers=JSON)).json()
        seen += page["lines"]
        after = page["next_after"]
        assert (page["last_event_id"] is None) == (after is not None)
    assert [(line["id"], line["message"]) for line in seen] == [(n, f"line {n}") for n in range(1, 251)]
    assert set(seen[0]) == {"id", "timestamp", "level", "message"}
    await world.end(claimed, log)
    assert (await site.client.get(path, params={"after": 249}, headers=JSON)).json()["lines"] == seen[249:]
    assert (await site.client.get(path, params={"after": 10**18}, headers=JSON)).json()["lines"] == []
    assert (await site.client.get(path, params={"after": -1}, headers=JSON)).status_code == 422
    assert (await site.client.get(path)).headers["content-type"].startswith("text/event-stream")


async def test_the_tail_of_a_log(world: World, site: Site) -> None:
    """The last lines can be asked for alone, from Redis or the archive, and a stream goes on behind exactly these."""
    claimed, log = await world.started()
    path, asked = f"/jobs/{claimed.lease.job_id}/logs", {"tail": "true", "limit": "70"}

    async def tail() -> dict[str, Any]:
        return dict((await site.client.get(path, params=asked, headers=JSON)).json())

    assert (await tail()) == {
        "job_id": str(claimed.lease.job_id), "lines": [], "next_after": None, "last_event_id": None
    }  # fmt: skip
    await log.write("\n".join(f"line {n}" for n in range(1, 251)))
    await log.flush()
    live = await tail()
    assert [line["id"] for line in live["lines"]] == list(range(181, 251))
    assert live["next_after"] is None
    await log.write("line 251")
    await world.end(claimed, log)
    viewer = Viewer(site.client, claimed.lease.job_id, lines=[{}] * 250, last_id=live["last_event_id"])
    await viewer.watch_to_the_end()
    assert [line["message"] for line in viewer.lines[250:]] == ["line 251"]
    assert viewer.resets == 0
    await world.redis.flushall()
    archived = await tail()
    assert [line["id"] for line in archived["lines"]] == list(range(182, 252))
    seen_all = Viewer(site.client, claimed.lease.job_id, last_id=archived["last_event_id"])
    await seen_all.watch_to_the_end()
    assert (seen_all.lines, seen_all.resets) == ([], 0)


async def test_log_as_text(world: World, site: Site) -> None:
    """The download is the whole log as plain text without colours, with times on request."""
    claimed, log = await world.started()
    await log.write("\x1b[31mred\x1b[0m\nüñí\n")
    await world.end(claimed, log)
    path = f"/jobs/{claimed.lease.job_id}/logs"
    answer = await site.client.get(path, headers={"Accept": "text/plain"})
    assert answer.text == "red\nüñí\n"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="{claimed.lease.job_id}.log"'
    link = await site.client.get(path, headers={"Accept": "text/html,*/*;q=0.8"}, params={"format": "text"})
    assert link.text == answer.text
    assert (await site.client.get(path, params={"format": "json"})).json()["lines"][0][
        "message"
    ] == "\x1b[31mred\x1b[0m"
    assert (await site.client.get(path, params={"format": "xml"})).status_code == 422
    dated = await site.client.get(path, headers={"Accept": "text/plain"}, params={"timestamps": "true"})
    assert [line.split(" ", 1)[1] for line in dated.text.splitlines()] == ["red", "üñí"]


@pytest.mark.databases("sqlite")
async def test_a_huge_log_is_capped_and_streamed(make_world: MakeWorld, site: Site) -> None:
    """A step that prints 200 MB leaves a log of the limit (here a tenth of it) that ends with [truncated]."""
    world = make_world(log_max_bytes=6 * 1024 * 1024)
    claimed, log = await world.started()
    text = ("x" * 1000 + "\n") * 1000
    for _ in range(20):
        await log.write(text)
    await world.end(claimed, log)
    size, last = 0, b""
    async with site.client.stream(
        "GET", f"/jobs/{claimed.lease.job_id}/logs", headers={"Accept": "text/plain"}
    ) as answer:
        async for chunk in answer.aiter_bytes():
            size, last = size + len(chunk), (last + chunk)[-100:]
    assert last.endswith(b"x\n[truncated]\n")
    assert 5 * 1024 * 1024 < size <= 6 * 1024 * 1024


async def test_every_operation_is_documented(world: World, site: Site) -> None:
    """The OpenAPI document has a summary, an example and the route's own statuses for each operation."""
    made = make_gateway([router(*[None] * 3)], authenticate=None)  # type: ignore[arg-type] # only described, never asked
    paths = openapi.document(made)["paths"]
    operations = {
        (path, method): operation
        for path, some in paths.items()
        if path.startswith(("/jobs", "/events"))
        for method, operation in some.items()
    }
    assert len(operations) == 6
    assert all(operation["summary"] for operation in operations.values())
    assert {"200", "204", "401", "403", "404", "422"} <= operations["/jobs/{job_id}/logs", "get"]["responses"].keys()
    assert {"202", "404", "409"} <= operations["/jobs/{job_id}/retry", "post"]["responses"].keys()
    assert "400" in operations["/jobs", "get"]["responses"]
