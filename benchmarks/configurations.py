"""Saving and reading configurations, and what others wait while recipes are read.

The second table reads `/livez` at a fixed rate, which takes the gateway nothing: what it waits is what the event loop
was kept from it. Beside it one client validates recipes, the next as soon as it has its answer: the longest example,
which is read at once, and in a thread the slowest text that we know, the most modules, and a plain megabyte.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from sqlalchemy import insert

from benchmarks.load import Driver, MakeRequest, driver, flood, paced
from benchmarks.report import Report, Table
from benchmarks.servers import API_KEY, Running, gateway, servers
from benchmarks.traffic import Reads
from libs.common.database import Database, utcnow
from services.builds import recipes
from services.builds.models import Configuration

_COLUMNS = ("what", "per s", "p50 ms", "p99 ms")
_WAITS = ("beside the reads", "validations/s", "p50 ms", "p99 ms", "max ms")
_HEAD = "name: demo\ndescription: d\nmodules:\n- type: script\n  scripts:\n  - |\n"


@dataclass(frozen=True)
class Sizes:
    """How many configurations are stored; `seconds` of each load."""

    stored: int = 10_000
    seconds: float = 5.0
    per_s: int = 200


QUICK = Sizes(stored=1000, seconds=1.0)


class Posts:
    """POST requests of these fields, in each another `description`."""

    def __init__(self, path: str, fields: Mapping[str, Any], *, differ: bool = False) -> None:
        self._path = path
        self._fields = fields
        self._numbers: count[int] | None = count() if differ else None

    def __call__(self) -> bytes:
        fields = dict(self._fields)
        if self._numbers is not None:
            fields["description"] = f"save {next(self._numbers)}"
        body = json.dumps(fields).encode()
        head = (
            f"POST {self._path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {API_KEY}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


async def run(sizes: Sizes, kinds: Sequence[str], report: Report) -> None:
    """Measure on each kind of database; what others wait does not depend on it."""
    with driver() as sender, driver() as reader:
        for kind in kinds:
            with servers(kind) as at:
                await _fill(at.database, sizes.stored)
                with gateway(at) as running:
                    table = report.table(f"Configurations on {kind}, {sizes.stored:,} stored, one client", *_COLUMNS)
                    await _saves_and_reads(running, sizes, sender, table)
                    if kind == kinds[0]:
                        table = report.table("Reads of /livez beside validations, 200 a second", *_WAITS)
                        await _waits(running, sizes, sender, reader, table)


async def _saves_and_reads(running: Running, sizes: Sizes, sender: Driver, table: Table) -> None:
    fields = {"name": "demo", "yaml_content": _longest_example()}
    upsert = "/api/config/upsert"
    for what, make in (
        ("upsert, another version each", Posts(upsert, fields, differ=True)),
        ("upsert, nothing new", Posts(upsert, fields)),
        ("read one", Reads("/api/config/1")),
        ("list of 20, newest first", Reads("/api/config")),
        ("list of 20, the last ones", Reads(f"/api/config?page={sizes.stored // 20}")),
    ):
        done = await sender.run(flood, running.port, make, status=200, seconds=sizes.seconds, connections=1)
        table.row(what, round(done.per_s), done.p50_ms, done.p99_ms)


async def _waits(running: Running, sizes: Sizes, sender: Driver, reader: Driver, table: Table) -> None:
    texts = {
        "the longest example": _longest_example(),
        "the slowest text (script)": _HEAD + "    if a; then b; fi\n" * 45_000,
        "the most modules": "name: demo\ndescription: d\nmodules:\n" + "- type: t\n" * 6_600,
        "a megabyte": _HEAD + f"    {'x' * 99}\n" * 9_600,
    }
    beside: dict[str, MakeRequest | None] = {"nothing": None}
    beside |= {what: Posts("/api/config/validate", {"yaml_content": text}) for what, text in texts.items()}
    for what, make in beside.items():
        reads = reader.run(paced, running.port, Reads("/livez"), status=200, seconds=sizes.seconds, per_s=sizes.per_s)
        if make is None:
            waited, per_s = await reads, 0.0
        else:
            validations = sender.run(flood, running.port, make, status=200, seconds=sizes.seconds, connections=1)
            waited, done = await asyncio.gather(reads, validations)
            per_s = done.per_s
        table.row(what, round(per_s), waited.p50_ms, waited.p99_ms, waited.times_ms[-1])


def _longest_example() -> str:
    texts = (recipes.definition(one.filename) or "" for one in recipes.definitions())
    return max(texts, key=len)


async def _fill(url: str, number: int) -> None:
    """Store shared configurations that all hold the longest example."""
    now, text = utcnow(), _longest_example()
    row: dict[str, Any] = {
        "owner": None,
        "yaml_content": text,
        "image_type": "fedora-bootc",
        "fedora_version": "43",
        "version": 1,
    }
    row |= {"description": None, "enable_plymouth": True, "created_at": now, "updated_at": now}
    database = Database(url)
    async with database.transaction() as tx:
        await tx.execute(insert(Configuration), [row | {"name": f"stored-{one}"} for one in range(number)])
    await database.close()
