"""Several clients on one job's log, over real HTTP, while gateways come and go."""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from uuid import UUID

import httpx
import pytest

from tests.e2e.processes import Process
from tests.e2e.site import LOOK_S, Site, pipeline
from tests.gateway.jobs.viewer import Viewer
from tests.gateway.serving import ADMIN_KEY

# Bursts of different sizes with and without pauses, so that batches fall differently in every run.
TALK = "i=0; while [ $i -lt {lines} ]; do i=$((i + 1)); echo line $i; [ $((i % 7)) -ne 0 ] || sleep 0.0$((i % 9)); done"


class Roamer:
    """A client that joins late, leaves early, and comes back with its last event id, at whichever gateway."""

    def __init__(self, job_id: UUID, clients: Sequence[httpx.AsyncClient], seed: int) -> None:
        self.viewer = Viewer(clients[0], job_id)
        self._clients = clients
        self._chance = random.Random(seed)
        self.connections = 0

    async def roam(self, *, patience: Sequence[int] = (1, 2, 5, 20, 1000)) -> None:
        """Follow the log to its end; `patience`: after how many events to leave."""
        viewer = self.viewer
        await asyncio.sleep(self._chance.random() * 0.5)
        while viewer.end is None:
            viewer.client = self._chance.choice(self._clients)
            most = len(viewer.seen) + self._chance.choice(patience)
            try:
                await viewer.watch(leave=_after(most))
            except httpx.TransportError:  # this gateway is not there now
                await asyncio.sleep(LOOK_S)
            else:
                self.connections += 1


def _after(most: int) -> Callable[[Viewer], bool]:
    return lambda viewer: len(viewer.seen) >= most


async def roamers(stack: AsyncExitStack, gateways: Sequence[Process], job_id: UUID, seed: int) -> list[Roamer]:
    clients = [
        await stack.enter_async_context(
            httpx.AsyncClient(base_url=gateway.url, headers={"X-API-Key": ADMIN_KEY}, timeout=30)
        )
        for gateway in gateways
    ]
    return [Roamer(job_id, clients, seed * 100 + n) for n in range(8)]


async def all_have_the_log(site: Site, job_id: UUID, roamed: Sequence[Roamer], lines: int) -> None:
    """Each client's concatenation is the stored log; that ids grow and no line is missing, its viewer has checked."""
    stored = await site.lines(job_id)
    assert [line["message"] for line in stored if line["level"] == "stdout"] == [
        f"line {n}" for n in range(1, lines + 1)
    ]
    end = await site.job(job_id)
    for one in roamed:
        assert one.viewer.lines == stored
        assert one.viewer.end == end
        assert one.viewer.resets == 0


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 8))])
async def test_clients_that_come_and_go_at_two_gateways(site: Site, seed: int) -> None:
    """Each ends with exactly the stored log, whichever gateway it was at."""
    await site.open()
    await site.gateway()
    job_id = await site.build(pipeline(TALK.format(lines=400)))
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as roaming:
        roamed = await roamers(stack, site.gateways, job_id, seed)
        for one in roamed:
            roaming.create_task(one.roam())
    await all_have_the_log(site, job_id, roamed, 400)
    assert sum(one.connections for one in roamed) > len(roamed)  # else nobody came back and nothing was tried


@pytest.mark.databases("postgresql")
async def test_clients_resume_at_the_next_gateway(site: Site) -> None:
    """A gateway that is stopped says bye to its streams; they go on at the new one without gap or repeat."""
    await site.open()
    [gateway] = site.gateways
    marks = site.marks()
    talk = TALK.format(lines=100)
    half = TALK.replace("i=0;", "i=100;").format(lines=200)
    job_id = await site.build(pipeline(f"{talk}; until [ -e {marks.folder}/gate ]; do sleep 0.02; done; {half}"))
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as roaming:
        roamed = await roamers(stack, [gateway], job_id, 3)
        for one in roamed:
            roaming.create_task(one.roam(patience=[100_000]))
        await site.until(lambda: all(len(one.viewer.lines) > 90 for one in roamed), "every client to be in the middle")
        gateway.ask_to_stop()
        assert await asyncio.to_thread(gateway.wait) == 0
        assert all("bye" in {event.event for event in one.viewer.seen} for one in roamed)
        marks.open_gate()
        await site.gateway(port=int(gateway.url.rpartition(":")[2]))
    await site.ended(job_id)
    await all_have_the_log(site, job_id, roamed, 200)


@pytest.mark.slow
@pytest.mark.databases("sqlite")
async def test_clients_of_a_killed_gateway_resume_at_another(site: Site) -> None:
    """kill -9 breaks the streams off in the middle of anything; the clients lose nothing by it."""
    await site.open()
    await site.gateway()
    killed, _ = site.gateways
    job_id = await site.build(pipeline(TALK.format(lines=600)))
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as roaming:
        roamed = await roamers(stack, site.gateways, job_id, 4)
        for one in roamed:
            roaming.create_task(one.roam(patience=[5, 50, 1000]))
        await site.until(lambda: all(len(one.viewer.lines) > 50 for one in roamed), "every client to be in the middle")
        killed.kill()
    await site.ended(job_id)
    await all_have_the_log(site, job_id, roamed, 600)
