"""One stream over many jobs: what the caller may see, narrowed, resumed by id."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from libs.common import keys
from libs.common.jobs.joblog.entries import EntryId
from tests.common.joblog.world import World, until
from tests.gateway.jobs.conftest import Serve, Site
from tests.gateway.jobs.viewer import EVENT_STREAM, Sent, events


class Tab:
    """A browser tab on /events: keeps what came, and where it was."""

    def __init__(self, site: Site, **query: str) -> None:
        self.site = site
        self.query = query
        self.key = "ada"
        self.got: list[Sent] = []
        self.last_id: str | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Keep the stream open for the length of the block."""
        started = len(self.got)
        task = asyncio.create_task(self._read())
        try:
            await until(lambda: len(self.got) > started or task.done(), "the stream to begin")
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _read(self) -> None:
        headers = {**EVENT_STREAM, "X-API-Key": self.key}
        if self.last_id is not None:
            headers["Last-Event-ID"] = self.last_id
        async with self.site.client.stream("GET", "/events", params=self.query, headers=headers) as answer:
            assert answer.status_code == 200
            async for event in events(answer):
                self.last_id = event.id or self.last_id
                self.got.append(event)

    @property
    def lines(self) -> list[tuple[str, int]]:
        return [(one.data["job"], line["id"]) for one in self.got if one.event == "log" for line in one.data["lines"]]

    def named(self, *names: str) -> list[Any]:
        return [one.data for one in self.got if one.event in names]


async def test_a_feed_shows_everything_the_caller_may_see(world: World, site: Site) -> None:
    """States, lines and ends of shared and own jobs come; other people's do not."""
    tab = Tab(site)
    async with tab.open():
        hidden, hidden_log = await world.started(owner=2)
        await hidden_log.write("secret")
        await world.end(hidden, hidden_log)
        claimed, log = await world.started(owner=1)
        await log.write("one\ntwo")
        await world.end(claimed, log)
        await until(lambda: bool(tab.named("end")), "the end")
    job_id = str(claimed.lease.job_id)
    assert [data["status"] for data in tab.named("status", "end")] == ["pending", "running", "success"]
    assert {data["id"] for data in tab.named("status", "end")} == {job_id}
    assert tab.lines == [(job_id, 1), (job_id, 2)]
    assert [one.data["subject"] for one in tab.got if one.event == "log"] == ["build:12"]


async def test_a_feed_resumes_by_id(world: World, serve: Serve) -> None:
    """A tab that comes back, also to another gateway, gets exactly what it missed."""
    first, second = await serve(), await serve()
    tab = Tab(first)
    claimed, log = await world.started()
    async with tab.open():
        await log.write("one")
        await until(lambda: len(tab.lines) == 1, "the first line")
    await log.write("two")
    await log.flush()
    tab.site = second
    async with tab.open():
        await log.write("three")
        await world.end(claimed, log)
        await until(lambda: bool(tab.named("end")), "the end")
    assert [n for _, n in tab.lines] == [1, 2, 3]
    assert not tab.named("reset")
    ids = [one.id for one in tab.got if one.id]
    assert len(set(ids)) == len(ids)


async def test_a_tab_that_saw_nothing_resumes_too(world: World, site: Site) -> None:
    """The stream sets the client's position at once, so that a reconnect before the first event misses nothing."""
    tab = Tab(site)
    async with tab.open():
        pass
    claimed, log = await world.started()
    await log.write("one")
    await log.flush()
    async with tab.open():
        await until(lambda: len(tab.lines) == 1, "the line")
    await world.end(claimed, log)


async def test_named_jobs(world: World, site: Site) -> None:
    """`?jobs=` narrows to these, whose states come first; an unknown one is a 404."""
    mine, other = await world.new_job(), await world.new_job()
    tab = Tab(site, jobs=f"{mine.view.id}, {mine.view.id}")
    async with tab.open():
        await world.claim(other.view.id)
        await world.claim(mine.view.id)
        await until(lambda: len(tab.named("status")) == 2, "the states")
    assert [(data["id"], data["status"]) for data in tab.named("status")] == [
        (str(mine.view.id), "pending"),
        (str(mine.view.id), "running"),
    ]
    foreign = await world.new_job(owner=2)
    for name in (f"{mine.view.id},x", str(foreign.view.id)):
        assert (await site.client.get("/events", params={"jobs": name})).status_code == 404
    assert (await site.client.get("/events", params={"jobs": ","})).status_code == 422


async def test_subject_and_types(world: World, site: Site) -> None:
    """`?subject=` and `?types=` narrow; wrong ones are a 422."""
    tab = Tab(site, subject="app:7", types="end")
    async with tab.open():
        for subject in (("build", "7"), ("app", "7")):
            claimed, log = await world.started(subject=subject)
            await log.write("one")
            await world.end(claimed, log)
        await until(lambda: bool(tab.named("end")), "the end")
    assert [data["subject"] for data in tab.named("end")] == [{"type": "app", "id": "7"}]
    assert {one.event for one in tab.got} <= {"end", "position"}
    for query in ({"subject": "app"}, {"types": "log,ends"}):
        assert (await site.client.get("/events", params=query)).status_code == 422


@pytest.mark.parametrize("position", ["1700000000000-0", "9999999999999-0"])
async def test_an_unknown_position(world: World, site: Site, position: str) -> None:
    """A position that Redis does not have (any more) is answered by a reset, and the stream goes on from now."""
    tab = Tab(site)
    tab.last_id = position
    async with tab.open():
        await world.new_job()
        await until(lambda: bool(tab.named("status")), "the next event")
    assert len(tab.named("reset")) == 1


async def test_a_wipe_resets_feeds(make_world: Callable[..., World], serve: Serve) -> None:
    """When Redis loses its data every tab is told to read anew, and gets what comes then."""
    world = make_world()
    await world.redis.set(keys.EPOCH, "first")
    site = await serve()
    job = await world.new_job()
    tab = Tab(site, jobs=str(job.view.id))
    async with tab.open():
        await until(lambda: len(tab.named("status")) == 1, "the first state")
        await world.redis.flushall()
        await until(lambda: len(tab.named("reset")) == 1, "the reset")
        await until(lambda: len(tab.named("status")) == 2, "the state after the reset")
        await world.redis.set(keys.EPOCH, "second")
        await world.claim(job.view.id)
        await until(lambda: len(tab.named("status")) == 3, "the next state")
    assert [data["status"] for data in tab.named("status")] == ["pending", "pending", "running"]
    assert len(tab.named("reset")) == 1


async def test_a_hub_that_fell_behind_resets_its_clients(make_world: Callable[..., World], serve: Serve) -> None:
    """When entries were cut from the event stream before the hub read them, clients are told."""
    world = make_world()
    site = await serve()
    await world.new_job()
    tab = Tab(site)
    async with tab.open():
        site.hub.position = EntryId(1, 1)  # as if it had slept for hours
        await world.redis.client_kill_filter(skipme=True)
        await until(lambda: bool(tab.named("reset")), "the reset")


async def test_a_feed_says_bye(site: Site) -> None:
    """A feed ends with `bye` when the process is to stop."""
    tab = Tab(site)
    async with tab.open():
        site.closing.set()
        await until(lambda: bool(tab.named("bye")), "the bye")
