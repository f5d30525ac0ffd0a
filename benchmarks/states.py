"""States that pipelines post: how many a second one gateway takes, how long each waits, what it costs the process.

Real HTTP on loopback; a post goes to another build each time, so that no two of one build are under way at once. Two
loads: as fast as 32 connections can, and 500 a second. Beside it the same route with nothing behind it. Afterwards
every history is read: what was answered and is not there, and what does not stand in the order of its posts.
"""

import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx
from sqlalchemy import select

from benchmarks.load import Answers, Driver, driver, flood, paced
from benchmarks.report import Report, Table
from benchmarks.servers import API_KEY, Running, Servers, gateway, servers, web
from benchmarks.usage import cpu_s
from libs.common.database import Database
from services.builds.models import BuildState

_COLUMNS = ("what", "per s", "p50 ms", "p99 ms", "CPU s/1,000", "of no storage")
_KEPT = ("after both loads", "answered", "kept", "out of order")


@dataclass(frozen=True)
class Sizes:
    """`seconds` of each load; `warm_s` of the load before it; `builds` that are reported on by turns."""

    seconds: float = 10.0
    warm_s: float = 1.0
    per_s: int = 500
    builds: int = 640


QUICK = Sizes(seconds=2.0, warm_s=0.5)


class States:
    """Posts of states to these builds by turns; their messages are numbers that grow."""

    def __init__(self, uids: Sequence[str]) -> None:
        self._uids = uids
        self._numbers: itertools.count[int] | None = None

    def __call__(self) -> bytes:
        if self._numbers is None:
            # Made in the process that sends; a later load goes on above an earlier one.
            self._numbers = itertools.count(time.time_ns())
        number = next(self._numbers)
        uid = self._uids[number % len(self._uids)]
        body = json.dumps({"state_code": 5 + number % 19 * 5, "message": str(number)}).encode()
        head = (
            f"POST /builds/{uid}/state HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"X-API-Key: {API_KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


async def run(sizes: Sizes, kinds: Sequence[str], report: Report) -> None:
    """Measure on each kind of database."""
    with driver() as sender:
        for kind in kinds:
            with servers(kind) as at:
                await _on(at, kind, sizes, sender, report)


async def _on(at: Servers, kind: str, sizes: Sizes, sender: Driver, report: Report) -> None:
    table = report.table(f"Posted states on {kind}", *_COLUMNS)
    with web("benchmarks.references.states", at.environ) as nothing:
        load = _Load(nothing, States(["x"] * sizes.builds), sizes, sender, table)
        whole = await load.flood("no storage, 32 connections", None)
        await load.paced("no storage")
    with gateway(at) as ours:
        load = _Load(ours, States(await _make_builds(ours, sizes.builds)), sizes, sender, table)
        await load.flood("Slipway, 32 connections", whole)
        await load.paced("Slipway")
    await _check(at, load.answered, report.table(f"Histories on {kind}", *_KEPT))


class _Load:
    """The loads on one server, in rows of one table; `answered` counts all posts, those of the warm-up too."""

    def __init__(self, server: Running, make: States, sizes: Sizes, sender: Driver, table: Table) -> None:
        self._server, self._make, self._sizes, self._sender, self._table = server, make, sizes, sender, table
        self.answered = 0

    async def flood(self, what: str, whole: float | None) -> float:
        """Keep 32 connections busy; `whole` is the rate without storage, None where there is no comparison."""
        await self._flood(self._sizes.warm_s)
        before_s = cpu_s(self._server.pid)
        answers = await self._flood(self._sizes.seconds)
        self._row(what, answers, cpu_s(self._server.pid) - before_s, answers.per_s / whole if whole else None)
        return answers.per_s

    async def _flood(self, seconds: float) -> Answers:
        answers = await self._sender.run(flood, self._server.port, self._make, status=200, seconds=seconds)
        self.answered += len(answers.times_ms)
        return answers

    async def paced(self, what: str) -> None:
        sizes, before_s = self._sizes, cpu_s(self._server.pid)
        answers = await self._sender.run(
            paced, self._server.port, self._make, status=200, seconds=sizes.seconds, per_s=sizes.per_s
        )
        self.answered += len(answers.times_ms)
        self._row(f"{what}, {sizes.per_s}/s", answers, cpu_s(self._server.pid) - before_s, None)

    def _row(self, what: str, answers: Answers, used_s: float, share: float | None) -> None:
        per_thousand_s = used_s / len(answers.times_ms) * 1000
        self._table.row(what, answers.per_s, answers.p50_ms, answers.p99_ms, per_thousand_s, share)


async def _make_builds(server: Running, count: int) -> list[str]:
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{server.port}", headers={"X-API-Key": API_KEY}, timeout=60
    ) as client:
        body = {"platform": "aws", "os_version": "rhel-9.2", "image_type": "base"}
        made = [await client.post("/builds", json={**body, "build_id": f"b{number}"}) for number in range(count)]
        return [answer.json()["id"] for answer in made]


async def _check(at: Servers, answered: int, table: Table) -> None:
    database = Database(at.database)
    last: dict[int, int] = {}
    kept = disordered = 0
    query = select(BuildState.build_id, BuildState.message).where(BuildState.state_code > 0).order_by(BuildState.id)
    async with database.reading() as tx:
        for build_id, message in await tx.execute(query):
            kept += 1
            number = int(message or 0)
            disordered += number < last.get(build_id, 0)
            last[build_id] = number
    await database.close()
    table.row("histories", answered, kept, disordered)
