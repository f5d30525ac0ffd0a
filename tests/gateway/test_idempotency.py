"""Idempotency-Key: what is asked for twice is done once, also by two gateways, and also when one is killed."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from libs.common.database import utcnow
from libs.common.idempotency import answers
from libs.common.idempotency.models import IdempotentAnswer
from tests.gateway.keyed import SECRET, Gates
from tests.gateway.keyed_site import BOB, THING, Site, listening, open_keyed_site
from tests.gateway.serving import SECRET_KEY
from tests.servers import ROOT, free_port
from tests.world import DEADLINE_S, eventually

pytestmark = pytest.mark.databases("sqlite", "postgresql")


@pytest.fixture
async def site(database: str) -> AsyncIterator[Site]:
    async with open_keyed_site(database) as site:
        yield site


async def make(
    client: httpx.AsyncClient, key: str | None = "k", path: str = "/things", body: Any = None, **query: str
) -> httpx.Response:
    headers = BOB if key is None else BOB | {"Idempotency-Key": key}
    return await client.post(path, json=THING if body is None else body, params=query, headers=headers)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_the_first_answer_again(site: Site) -> None:
    """The same request with the same key is done once and answered alike, with a request id of its own."""
    client, other = await site.gateway(), await site.gateway()
    first, again, elsewhere = await make(client), await make(client), await make(other)
    assert first.status_code == again.status_code == elsewhere.status_code == 201
    assert first.content == again.content == elsewhere.content
    for name in ("content-type", "content-length", "location"):
        assert first.headers[name] == again.headers[name] == elsewhere.headers[name]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert "x-moment" not in again.headers  # only what names the thing is repeated
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert await site.done() == 1


async def test_without_a_key(site: Site) -> None:
    """Each request without a key is one of its own, and nothing is kept of it."""
    client = await site.gateway()
    assert [(await make(client, None)).status_code for _ in range(2)] == [201, 201]
    assert await site.done() == 2
    assert await site.rows() == []


async def test_a_key_is_for_one_request(site: Site) -> None:
    """Another body, query or route under a used key is refused and does nothing."""
    client = await site.gateway()
    await make(client)
    for other in (
        await make(client, body={"name": "b"}),
        await make(client, fault="none"),
        await make(client, path="/secrets"),
    ):
        assert code(other) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert await site.done() == 1


async def test_keys_belong_to_callers(site: Site) -> None:
    """Two callers who choose the same key do not meet, and rights are looked at before any key."""
    client = await site.gateway()
    await make(client)
    key = {"Idempotency-Key": "k"}
    assert (await client.post("/things", json=THING, headers=key | {"X-API-Key": "root"})).status_code == 201
    assert (await client.post("/things", json=THING, headers=key | {"X-API-Key": "reader"})).status_code == 403
    assert (await client.post("/things", json=THING, headers=key)).status_code == 401
    assert await site.done() == 2


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("key", ["", "a b", "ü".encode().decode("latin-1"), "x" * 256, "a\tb"])
async def test_what_is_no_key(site: Site, key: str) -> None:
    """A key has 1 to 255 visible ASCII characters."""
    client = await site.gateway()
    headers = [(b"X-API-Key", b"writer"), (b"Idempotency-Key", key.encode("latin-1"))]
    answer = await client.post("/things", json=THING, headers=headers)
    assert code(answer) == (422, "VALIDATION_ERROR")
    assert answer.json()["error"]["details"][0]["loc"] == ["header", "Idempotency-Key"]
    assert await site.done() == 0


@pytest.mark.databases("sqlite")
async def test_two_keys_are_none(site: Site) -> None:
    """A request that names two keys is refused; the longest and a quoted key are fine."""
    client = await site.gateway()
    twice = [("X-API-Key", "writer"), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    assert (await client.post("/things", json=THING, headers=twice)).status_code == 422
    assert (await make(client, "x" * 255)).status_code == 201
    assert (await make(client, '"8e03978e-40d5-43dd-bc93-6894a57f9324"')).status_code == 201


async def test_many_at_once(site: Site) -> None:
    """Thirty requests of one key that arrive together at two gateways are done once and all get the same answer."""
    clients = [await site.gateway(), await site.gateway()]
    got = await asyncio.gather(*(make(clients[number % 2]) for number in range(30)))
    assert {answer.status_code for answer in got} == {201}
    assert len({answer.content for answer in got}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in got) == 1
    assert await site.done() == 1


@pytest.mark.parametrize("place", ["held before the commit", "held after the commit"])
async def test_the_second_waits_for_the_first(site: Site, place: str) -> None:
    """While the first is at work on another gateway, the second waits, and gets the first's answer."""
    gates = Gates()
    client, other = await site.gateway(gates), await site.gateway()
    first = asyncio.create_task(make(client, fault=place))
    await gates.reached[place].wait()
    second = asyncio.create_task(make(other, fault=place))
    await asyncio.wait({second}, timeout=0.3)
    assert not second.done()
    gates.opened[place].set()
    assert (await first).content == (await second).content
    assert (await second).headers["idempotent-replayed"] == "true"
    assert await site.done() == 1


@pytest.mark.databases("postgresql")
async def test_waiting_has_an_end(site: Site) -> None:
    """A second request whose first one takes too long is told to come back; then it gets the answer."""
    gates, place = Gates(), "held before the commit"
    client, other = await site.gateway(gates), await site.gateway(patience_s=0.2)
    first = asyncio.create_task(make(client, fault=place))
    await gates.reached[place].wait()
    refused = await make(other, fault=place)
    assert code(refused) == (409, "IDEMPOTENCY_KEY_IN_USE")
    assert int(refused.headers["retry-after"]) > 0
    gates.opened[place].set()
    assert (await first).content == (await make(other, fault=place)).content


@asynccontextmanager
async def killed_at(url: str, place: str) -> AsyncIterator[None]:
    """Send a request to a gateway of its own process, and kill -9 it when the request is at `place`."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.gateway.keyed", url, str(port)), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE_S) as client:
            await listening(client)
            request = asyncio.create_task(make(client, fault=place))
            async with asyncio.timeout(DEADLINE_S):
                while f"reached: {place}".encode() not in await process.stdout.readline():
                    pass
            process.kill()
            with pytest.raises(httpx.HTTPError):
                await request
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.slow
async def test_killed_before_the_commit(site: Site) -> None:
    """A gateway that is killed before the commit has done nothing and locks nothing: the next request does it."""
    client, place = await site.gateway(Gates()), "held before the commit"
    async with killed_at(site.url, place):
        assert await site.done() == 0
        again = asyncio.create_task(make(client, fault="none"))  # another request: the key is free
        assert (await again).status_code == 201
    assert await site.done() == 1


@pytest.mark.slow
async def test_killed_after_the_commit(site: Site) -> None:
    """A gateway that is killed between commit and answer: the next request does nothing and learns what was done."""
    client = await site.gateway()
    async with killed_at(site.url, "held after the commit"):
        late = utcnow() - timedelta(seconds=1)
        async with site.database.transaction() as tx:  # five seconds later
            await tx.execute(update(IdempotentAnswer).values(answer_by=late))
        answer = await make(client, fault="held after the commit")
    assert code(answer) == (409, "IDEMPOTENCY_ANSWER_LOST")
    details = answer.json()["error"]["details"]
    assert (details["action"], details["subject"]) == ("thing.made", {"type": "thing", "id": "a"})
    [row] = await site.rows()
    assert details["request_id"] == row.request_id
    assert await site.done() == 1


async def test_an_answer_is_waited_for_as_long_as_it_may_take(site: Site) -> None:
    """`Prefer: wait=N` gives the first request as much longer; an answer that comes later still is kept."""
    gates, place = Gates(), "held after the commit"
    client = await site.gateway(gates, answer_within_s=0)
    headers = BOB | {"Idempotency-Key": "k", "Prefer": "respond-async, wait=7"}
    first = asyncio.create_task(client.post("/things", json=THING, params={"fault": place}, headers=headers))
    await gates.reached[place].wait()
    [row] = await site.rows()
    assert (row.answer_by - row.done_at).total_seconds() == pytest.approx(7, abs=0.01)
    async with site.database.transaction() as tx:
        await tx.execute(update(IdempotentAnswer).values(answer_by=row.done_at))
    assert code(await make(client, fault=place)) == (409, "IDEMPOTENCY_ANSWER_LOST")
    gates.opened[place].set()
    answer = await first

    async def comes_again() -> bool:
        return (await make(client, fault=place)).content == answer.content

    await eventually(comes_again, "the answer was not kept")


async def test_a_gateway_that_stops_keeps_its_last_answers(site: Site) -> None:
    """Answers are stored after they were sent, all of them before a gateway that is told to stop has ended."""
    async with AsyncExitStack() as stack:
        client = await Site(site.database, site.url, stack).gateway()
        first = await make(client)
    assert [row.status for row in await site.rows()] == [201]
    assert (await make(await site.gateway(answer_within_s=0))).content == first.content


async def test_refusals_are_not_kept(site: Site) -> None:
    """What was refused did nothing, so the key may be used again, also for another request."""
    client = await site.gateway()
    assert code(await make(client, fault="refused")) == (409, "ENOUGH")
    assert (await make(client, body={"name": 5})).status_code == 422
    assert await site.rows() == []
    assert (await make(client)).status_code == 201
    assert await site.done() == 1


async def test_a_failure_after_the_commit(site: Site) -> None:
    """A 5xx is never repeated: who asks again learns that the work was done."""
    client = await site.gateway(answer_within_s=0)
    fault = "broken after the commit"
    assert (await make(client, fault=fault)).status_code == 500
    assert code(await make(client, fault=fault)) == (409, "IDEMPOTENCY_ANSWER_LOST")
    assert await site.done() == 1


async def test_secrets_are_shown_once(site: Site) -> None:
    """An answer with a secret is never stored: who asks again learns where the thing is."""
    client = await site.gateway()
    first = await make(client, path="/secrets")
    assert first.json()["secret"] == SECRET
    again = await make(client, path="/secrets")
    assert code(again) == (409, "IDEMPOTENCY_SECRET_SHOWN")
    assert again.headers["location"] == first.headers["location"] == "/secrets/a"
    assert SECRET not in again.text + repr(await site.rows())
    assert await site.done() == 1


@pytest.mark.databases("sqlite")
async def test_rotating_the_secret_key(site: Site) -> None:
    """Keys stay known while SECRET_KEY is rotated, and fingerprints tell nothing about bodies without it."""
    new = "5eb63bbbe01eeed093cb22bb8f5acdc3-other"
    before, after = await site.gateway(), await site.gateway(secret_keys=(new, SECRET_KEY))
    await make(before)
    assert (await make(after)).headers["idempotent-replayed"] == "true"
    assert code(await make(after, body={"name": "b"})) == (422, "IDEMPOTENCY_KEY_REUSED")
    await make(after, "other")
    assert len({row.fingerprint for row in await site.rows()}) == 2


async def test_a_day_later(site: Site) -> None:
    """A key is forgotten after 24 hours, a bounded number at once; younger ones stay."""
    client = await site.gateway()
    for key in ("a", "b", "c", "young"):
        await make(client, key)
    async with site.database.transaction() as tx:
        old = utcnow() - timedelta(hours=24, minutes=1)
        await tx.execute(update(IdempotentAnswer).where(IdempotentAnswer.key != "young").values(done_at=old))
        assert [await answers.forget(tx, most=2) for _ in range(3)] == [2, 1, 0]
    assert [row.key for row in await site.rows()] == ["young"]
    assert (await make(client, "a")).status_code == 201
    assert await site.done() == 5
