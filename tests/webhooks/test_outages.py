"""What forges are told while something that Slipway needs is down."""

import gc
from collections.abc import Iterator

import httpx
import pytest
from redis.asyncio import Redis

from libs.common import keys
from libs.common.jobs.models import Job
from tests.builds.forges.payloads import SignedRequest, push_request
from tests.servers import Databases, RedisServer, free_port
from tests.webhooks.site import SECRETS, Site, open_site
from tests.world import eventually

pytestmark = [pytest.mark.slow, pytest.mark.databases("sqlite", "postgresql")]


@pytest.fixture(autouse=True)
def nothing_is_forgotten() -> Iterator[None]:
    """Find connections that were never closed in the test that did it: outages are where they come from."""
    yield
    gc.collect()


async def test_redis_dies(database: str, redis_server: RedisServer) -> None:
    """With Redis gone deliveries are accepted and readable; when it is back, the publisher hands their jobs out."""
    async with open_site(database, redis_server.url) as site:
        redis_server.kill()
        accepted = await _push(site, "main")
        assert accepted.status_code == 202
        again = await _push(site, "main")
        assert (again.json()["duplicate"], again.json()["job_id"]) == (True, accepted.json()["job_id"])
        job = await site.read(accepted.headers["location"])
        assert (job.status_code, job.json()["status"]) == (200, "pending")
        redis_server.start()
        await _is_handed_out(redis_server, accepted.json()["job_id"])
        assert len(await site.rows(Job)) == 1


async def test_redis_hangs(database: str, redis_server: RedisServer) -> None:
    """With Redis frozen, not even refusing, deliveries are accepted while it is; their jobs are handed out later."""
    async with open_site(database, redis_server.url) as site:
        warm = await _push(site, "warm")
        redis_server.pause()
        try:
            accepted = await _push(site, "main")
        finally:
            redis_server.resume()
        assert (warm.status_code, accepted.status_code) == (202, 202)
        await _is_handed_out(redis_server, accepted.json()["job_id"])


async def test_redis_was_never_there(database: str) -> None:
    """A gateway that starts without Redis accepts deliveries."""
    async with open_site(database, f"redis://127.0.0.1:{free_port()}/0") as site:
        assert (await _push(site, "main")).status_code == 202


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_the_database_was_never_there(database: str, redis: str, kind: str) -> None:
    """Without a database nothing is accepted: 503 in the envelope, with the time after which to try again."""
    urls = {"sqlite": "sqlite:////nowhere/at/all.db", "postgresql": f"postgresql://p@127.0.0.1:{free_port()}/x"}
    async with open_site(urls[kind], redis, looking_at=database) as site:
        for answer in (
            await _push(site, "main"),
            await site.post("gitea", push_request("gitea", secret="wrong")),
            await site.post("gitea", push_request("gitea", secret="s"), address="some-uid"),
            await site.read("/jobs"),
        ):
            _is_unavailable(answer)


@pytest.mark.databases("postgresql")
async def test_the_database_vanishes(databases: Databases, database: str, redis: str) -> None:
    """When the database goes away under a running gateway: 503, on open connections as well as on new ones."""
    async with open_site(database, redis) as site:
        assert (await _push(site, "main")).status_code == 202
        databases.drop(database)
        for branch in ("one", "two", "three"):
            _is_unavailable(await _push(site, branch))


@pytest.mark.databases("postgresql")
async def test_database_connections_are_cut(site: Site) -> None:
    """A database that was restarted costs no delivery: dead connections are replaced."""
    assert (await _push(site, "before")).status_code == 202
    async with site.database.transaction() as tx:
        await tx.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert (await _push(site, "after")).status_code == 202


async def _push(site: Site, branch: str) -> httpx.Response:
    request: SignedRequest = push_request("gitea", secret=SECRETS["gitea"], branch=branch)
    return await site.post("gitea", request)


def _is_unavailable(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.json()["error"]["code"] == "UNAVAILABLE"
    assert answer.headers["retry-after"] == "2"


async def _is_handed_out(server: RedisServer, job_id: str) -> None:
    async with Redis.from_url(server.url) as redis:

        async def found() -> bool:
            entries = await redis.xrange(keys.jobs_stream("builds", "heavy"))
            return any(fields[b"id"].decode() == job_id for _, fields in entries)

        await eventually(found, f"job {job_id} is in no stream")
