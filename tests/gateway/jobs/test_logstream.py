"""However clients come and go and whatever Redis does, each one's lines are the stored log."""

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from redis.asyncio import Redis

from libs.common import keys
from libs.common.jobs.joblog.writer import JobLog
from services.gateway.jobs.hub import QUEUE_MAX_EVENTS, Mark
from tests.common.joblog.world import World, until
from tests.gateway.jobs.conftest import Serve, Site
from tests.gateway.jobs.viewer import EVENT_STREAM, Viewer
from tests.servers import RedisServer

MakeWorld = Callable[..., World]


async def new_epoch(redis: Redis, name: str) -> None:
    """What the publisher does when it finds a Redis without data."""
    await redis.set(keys.EPOCH, name)


async def write_in_bursts(log: JobLog, *, lines: int, seed: int) -> None:
    chance = random.Random(seed)
    written = 0
    while written < lines:
        burst = min(chance.choice([1, 1, 5, 40]), lines - written)
        await log.write("\n".join(f"line {written + n}" for n in range(burst)))
        written += burst
        await asyncio.sleep(chance.choice([0, 0, 0.002, 0.01]))


async def roam(viewer: Viewer, chance: random.Random) -> None:
    """Join late, leave at random points, come back with the last event id, until the end was seen."""
    await asyncio.sleep(chance.random() * 0.2)
    while viewer.end is None:
        leave_after = len(viewer.seen) + chance.choice([1, 2, 5, 20, 1000])
        await viewer.watch(leave=lambda viewer, most=leave_after: len(viewer.seen) >= most)  # type: ignore[misc]


async def same_as_stored(world: World, *viewers: Viewer) -> None:
    for viewer in viewers:
        stored = [(line.id, line.message, line.level) for line in await world.stored(viewer.job_id)]
        assert [(line["id"], line["message"], line["level"]) for line in viewer.lines] == stored


@pytest.mark.parametrize("seed", range(3))
async def test_clients_that_come_and_go(make_world: MakeWorld, serve: Serve, seed: int) -> None:
    """Each client of two gateways ends with exactly the stored log, ids strictly increasing."""
    world = make_world(log_chunk_bytes=4096, log_chunk_every_s=0.05, log_redis_max_bytes=20_000)
    sites = [await serve(), await serve()]
    claimed, log = await world.started()
    viewers = [Viewer(sites[n % 2].client, claimed.lease.job_id) for n in range(8)]
    chance = random.Random(seed)
    roaming = [asyncio.create_task(roam(viewer, random.Random(chance.random()))) for viewer in viewers]
    await write_in_bursts(log, lines=800, seed=seed)
    await world.end(claimed, log)
    await asyncio.gather(*roaming)
    await same_as_stored(world, *viewers)
    assert len(viewers[0].lines) == 800
    assert {viewer.end["status"] for viewer in viewers if viewer.end} == {"success"}
    assert [viewer.resets for viewer in viewers] == [0] * 8


async def test_after_the_end(world: World, site: Site) -> None:
    """A client that comes after the end gets the whole log and the end; one that has seen the end gets 204."""
    claimed, log = await world.started()
    await log.write("one\ntwo")
    await world.end(claimed, log)
    for wiped in (False, True):
        if wiped:
            await world.redis.delete(keys.job_log(claimed.lease.job_id), keys.job_hash(claimed.lease.job_id))
        viewer = Viewer(site.client, claimed.lease.job_id)
        assert await viewer.watch() == 200
        assert viewer.messages == ["one", "two"]
        assert viewer.end is not None
        assert await viewer.watch() == 204


async def test_an_end_seen_live_is_known_after_redis_forgot_it(world: World, site: Site) -> None:
    """204 also answers a client whose `end` came live, when Redis has expired the job since."""
    claimed, log = await world.started()
    viewer = Viewer(site.client, claimed.lease.job_id)
    watching = asyncio.create_task(viewer.watch())
    await log.write("one")
    await until(lambda: viewer.messages == ["one"], "the line")
    await world.end(claimed, log)
    await watching
    await world.redis.delete(keys.job_log(claimed.lease.job_id), keys.job_hash(claimed.lease.job_id))
    assert await viewer.watch() == 204


async def test_an_end_that_redis_never_heard_of(world: World, serve: Serve) -> None:
    """A stream ends although the `end` event was lost: the rows are looked at now and then."""
    site = await serve(sweep_every_s=0.05)
    claimed, log = await world.started()
    viewer = Viewer(site.client, claimed.lease.job_id)
    watching = asyncio.create_task(viewer.watch())
    await log.write("one")
    await until(lambda: viewer.messages == ["one"], "the line")
    await log.write("two")
    await world.end(claimed, log, show=False)
    async with asyncio.timeout(20):
        await watching
    assert viewer.messages == ["one", "two"]
    assert viewer.end is not None
    assert viewer.end["status"] == "success"


async def test_status_changes_come_in_order(world: World, site: Site) -> None:
    """A stream begins with the job's state, shows each change once, and ends with the final one."""
    job = await world.new_job()
    viewer = Viewer(site.client, job.view.id)
    watching = asyncio.create_task(viewer.watch())
    await until(lambda: viewer.statuses == ["pending"], "the first status")
    claimed = await world.claim(job.view.id)
    await until(lambda: viewer.statuses == ["pending", "running"], "the second status")
    await world.end(claimed, world.log(claimed))
    await watching
    assert viewer.statuses == ["pending", "running"]
    assert viewer.end is not None


@pytest.mark.parametrize("known_epoch", [True, False])
async def test_redis_wiped_in_the_middle(make_world: MakeWorld, serve: Serve, known_epoch: bool) -> None:
    """When Redis loses its data, open streams are reset and end with the whole log; so do returning clients."""
    world = make_world(log_chunk_every_s=0.2)
    if known_epoch:
        await new_epoch(world.redis, "first")
    site = await serve()
    claimed, log = await world.started()
    staying, returning = (Viewer(site.client, claimed.lease.job_id) for _ in range(2))
    watching = asyncio.create_task(staying.watch_to_the_end())
    await log.write("\n".join(f"before {n}" for n in range(100)))
    await returning.watch(leave=lambda viewer: len(viewer.lines) == 100)
    await until(lambda: len(staying.lines) == 100, "the first lines")
    await world.redis.flushall()
    await new_epoch(world.redis, "second")
    await log.write("\n".join(f"after {n}" for n in range(100)))
    if known_epoch:
        await until(lambda: staying.resets == 1, "the reset")
    coming_back = asyncio.create_task(returning.watch_to_the_end())
    await until(lambda: len(returning.lines) == 200, "all lines")
    await world.end(claimed, log)
    await asyncio.gather(watching, coming_back)
    await same_as_stored(world, staying, returning)
    assert len(staying.lines) == 200


async def test_redis_away_in_the_middle(make_world: MakeWorld, serve: Serve, redis_server: RedisServer) -> None:
    """Lines written while Redis is away reach open streams when it is back, in order, without a reset."""
    world = make_world(log_chunk_every_s=0.05)
    await new_epoch(world.redis, "first")
    site = await serve(sweep_every_s=0.2)
    claimed, log = await world.started()
    viewer = Viewer(site.client, claimed.lease.job_id)
    watching = asyncio.create_task(viewer.watch_to_the_end())
    await log.write("before")
    await until(lambda: viewer.messages == ["before"], "the first line")
    redis_server.stop()
    for n in range(50):
        await log.write(f"down {n}")
        await asyncio.sleep(0.002)
    redis_server.start()
    await until(lambda: len(viewer.lines) == 51, "the lines of the outage")
    await log.write("after")
    await world.end(claimed, log)
    await watching
    assert viewer.messages == ["before", *(f"down {n}" for n in range(50)), "after"]
    assert viewer.resets == 0
    await same_as_stored(world, viewer)


async def test_redis_away_from_the_start_to_the_end(world: World, serve: Serve, redis_server: RedisServer) -> None:
    """Without Redis a client still gets log and end of a job, by the look at the rows."""
    job = await world.new_job()
    redis_server.stop()
    site = await serve(sweep_every_s=0.05, wait=False)
    claimed = await world.claim(job.view.id)
    log = world.log(claimed)
    viewer = Viewer(site.client, job.view.id)
    watching = asyncio.create_task(viewer.watch())
    await log.write("one\ntwo")
    await world.end(claimed, log)
    async with asyncio.timeout(30):
        await watching
    assert viewer.messages == ["one", "two"]
    assert viewer.end is not None
    redis_server.start()


async def test_a_slow_client_lags_and_resumes(world: World, site: Site) -> None:
    """A client that does not read is told so and cut off; it resumes by id and misses nothing."""
    claimed, log = await world.started()
    viewer = Viewer(site.client, claimed.lease.job_id)
    async with slow_client(site, f"/jobs/{viewer.job_id}/logs") as reader:
        await reader.readuntil(b"event: status")
        await until(lambda: bool(site.hub._by_job), "the subscription")
        [subscription] = site.hub._by_job[str(viewer.job_id)]
        while Mark.LAGGED not in subscription._items:  # sockets' buffers and the queue fill
            await log.write(("x" * 1000 + "\n") * 64)
            await log.flush()
        assert b"event: lagged" in await reader.read()
    await world.end(claimed, log)
    await viewer.watch_to_the_end()
    await same_as_stored(world, viewer)


@contextlib.asynccontextmanager
async def slow_client(site: Site, path: str) -> AsyncIterator[asyncio.StreamReader]:
    """Open a stream on a connection with small buffers, which is read only where the test says so."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    address = ("127.0.0.1", site.client.base_url.port)
    await asyncio.get_running_loop().sock_connect(connection, address)
    reader, writer = await asyncio.open_connection(sock=connection, limit=1024)
    headers = "Host: x\r\nX-API-Key: ada\r\nAccept: text/event-stream\r\nConnection: close"
    writer.write(f"GET {path} HTTP/1.1\r\n{headers}\r\n\r\n".encode())
    try:
        yield reader
    finally:
        writer.close()
        await writer.wait_closed()


async def test_a_gateway_that_stops_says_bye(world: World, serve: Serve) -> None:
    """Streams end with `bye` when the process is to stop, and the client resumes at another gateway without a gap."""
    first, second = await serve(), await serve()
    claimed, log = await world.started()
    viewer = Viewer(first.client, claimed.lease.job_id)
    watching = asyncio.create_task(viewer.watch())
    await log.write("one")
    await until(lambda: viewer.messages == ["one"], "the line")
    first.closing.set()
    await watching
    assert viewer.seen[-1].event == "bye"
    viewer.client = second.client
    await log.write("two")
    await world.end(claimed, log)
    await viewer.watch_to_the_end()
    assert viewer.messages == ["one", "two"]


async def test_revoked_credentials_end_a_stream(world: World, site: Site) -> None:
    """A stream whose credentials were revoked is closed, and the client's return is refused."""
    claimed, _ = await world.started()
    viewer = Viewer(site.client, claimed.lease.job_id)
    watching = asyncio.create_task(viewer.watch())
    await until(lambda: bool(viewer.statuses), "the stream")
    del site.keys["ada"]
    async with asyncio.timeout(20):
        await watching
    assert viewer.seen[-1].event == "denied"
    assert await viewer.watch() == 401


@pytest.mark.parametrize(
    "nonsense",
    [
        "",
        "0",
        "-",
        "abc",
        "1-",
        "-1",
        "1-2-3",
        "9" * 30 + "-0",
        "1-" + "9" * 30,
        "٣-٣",
        "1e3-0",
        "\x00",
        "0-0",
        "*",
        "$",
    ],
)
async def test_nonsense_as_last_event_id(world: World, site: Site, nonsense: str) -> None:
    """A Last-Event-ID that was never given out is no error: the log comes from the start."""
    claimed, log = await world.started()
    await log.write("one")
    await world.end(claimed, log)
    path = f"/jobs/{claimed.lease.job_id}/logs"
    answer = await site.client.get(path, params={"last_event_id": nonsense}, headers=EVENT_STREAM)
    if "\x00" in nonsense:
        assert answer.status_code == 422  # no text with NUL is taken anywhere
        return
    assert answer.status_code == 200
    assert b'"message":"one"' in answer.content
    with contextlib.suppress(UnicodeEncodeError):  # not a header
        answer = await site.client.get(path, headers={**EVENT_STREAM, "Last-Event-ID": nonsense})
        assert b'"message":"one"' in answer.content


async def test_random_positions(world: World, site: Site) -> None:
    """A made-up position in the right form is answered by a reset and the whole log."""
    claimed, log = await world.started()
    await log.write("one")
    await log.flush()
    viewer = Viewer(site.client, claimed.lease.job_id, last_id="1700000000000-7")
    watching = asyncio.create_task(viewer.watch())
    await until(lambda: viewer.messages == ["one"], "the log")
    assert viewer.resets == 1
    await world.end(claimed, log)
    await watching


async def test_headers_of_a_stream(world: World, site: Site) -> None:
    """A stream is not cached, not buffered by nginx, and tells how long to wait before a reconnect."""
    claimed, log = await world.started()
    await world.end(claimed, log)
    answer = await site.client.get(f"/jobs/{claimed.lease.job_id}/logs", headers=EVENT_STREAM)
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["cache-control"] == "no-cache, no-transform"
    assert answer.headers["x-accel-buffering"] == "no"
    retry = int(answer.text.split("retry: ")[1].split("\n")[0])
    assert 1000 <= retry <= 3000


async def test_a_quiet_stream_pings(world: World, site: Site) -> None:
    """A comment keeps a quiet stream alive."""
    claimed, _ = await world.started()
    async with site.client.stream("GET", f"/jobs/{claimed.lease.job_id}/logs", headers=EVENT_STREAM) as answer:
        received = b""
        async for chunk in answer.aiter_bytes():
            received += chunk
            if b": ping\n\n" in received:
                break


async def test_clients_that_leave_are_forgotten(world: World, site: Site) -> None:
    """A client that goes away leaves no subscription behind, also when nothing is sent to it."""
    claimed, log = await world.started()
    viewers = [Viewer(site.client, claimed.lease.job_id) for _ in range(5)]
    await log.write("one")
    await asyncio.gather(*(viewer.watch(leave=lambda viewer: bool(viewer.lines)) for viewer in viewers))
    await until(lambda: not site.hub._by_job, "the subscriptions to end")


async def test_many_events_between_two_looks(world: World, site: Site) -> None:
    """More events than a queue holds do no harm to a client that reads."""
    claimed, log = await world.started()
    viewer = Viewer(site.client, claimed.lease.job_id)
    watching = asyncio.create_task(viewer.watch_to_the_end())
    for n in range(QUEUE_MAX_EVENTS * 2):
        await log.write(f"line {n}")
        await log.flush()
    await world.end(claimed, log)
    await watching
    await same_as_stored(world, viewer)


async def test_somebody_elses_job(world: World, site: Site) -> None:
    """A job of another person does not exist; a superuser sees it."""
    claimed, log = await world.started(owner=2)
    await world.end(claimed, log)
    path = f"/jobs/{claimed.lease.job_id}/logs"
    assert (await site.client.get(path, headers=EVENT_STREAM)).status_code == 404
    answer: httpx.Response = await site.client.get(path, headers={**EVENT_STREAM, "X-API-Key": "root"})
    assert answer.status_code == 200
