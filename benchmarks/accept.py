"""Webhooks accepted per second, how long each takes, and what it costs the gateway's process.

One gateway, real HTTP on loopback, recorded 8 kB pushes, each of another commit, so that each makes a delivery, a build
and a job. Two loads: as fast as 32 connections can, and 200 a second. Beside it the same route without storage, and
with the least storage that could be called durable (benchmarks/references/webhooks.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.load import Answers, Driver, driver, flood, paced
from benchmarks.report import Report, Table
from benchmarks.servers import Running, Servers, gateway, servers, web
from benchmarks.traffic import Pushes, Reads
from benchmarks.usage import cpu_s

_COLUMNS = ("what", "per s", "p50 ms", "p99 ms", "CPU s/1,000", "of no storage")


@dataclass(frozen=True)
class Sizes:
    """`seconds` of each load; `warm_s` of the load before it, which is not counted."""

    seconds: float = 10.0
    warm_s: float = 2.0
    per_s: int = 200


QUICK = Sizes(seconds=2.0, warm_s=0.5)


async def run(sizes: Sizes, kinds: Sequence[str], report: Report) -> None:
    """Measure on each kind of database."""
    with driver() as sender:
        for kind in kinds:
            with servers(kind) as at:
                await _on(at, kind, sizes, sender, report)


async def _on(at: Servers, kind: str, sizes: Sizes, sender: Driver, report: Report) -> None:
    table = report.table(f"Webhooks on {kind}", *_COLUMNS)
    with web("benchmarks.references.bare", at.environ) as bare:
        await _flood("the driver's own limit", bare, sizes, sender, table)
    with web("benchmarks.references.webhooks", at.environ, "nothing") as nothing:
        await _flood("GET /livez, 32 connections", nothing, sizes, sender, table, reading=True)
        whole = await _flood("no storage, 32 connections", nothing, sizes, sender, table)
        await _paced("no storage", nothing, sizes, sender, table)
    with web("benchmarks.references.webhooks", at.environ, "naive") as naive:
        await _flood("naive, 32 connections", naive, sizes, sender, table, whole)
        await _paced("naive", naive, sizes, sender, table)
    with gateway(at) as ours:
        await _flood("Slipway, 32 connections", ours, sizes, sender, table, whole)
        await _paced("Slipway", ours, sizes, sender, table)


async def _flood(
    what: str,
    server: Running,
    sizes: Sizes,
    sender: Driver,
    table: Table,
    whole: float | None = None,
    *,
    reading: bool = False,
) -> float:
    """Measure 32 connections; `whole` is the rate without storage, None where there is no comparison yet."""
    make, status = (Reads("/livez"), 200) if reading else (Pushes(), 202)
    # Repositories are registered, statements compiled, connections opened.
    await sender.run(flood, server.port, make, status=status, seconds=sizes.warm_s)
    before_s = cpu_s(server.pid)
    answers = await sender.run(flood, server.port, make, status=status, seconds=sizes.seconds)
    _row(table, what, answers, cpu_s(server.pid) - before_s, answers.per_s / whole if whole else None)
    return answers.per_s


async def _paced(what: str, server: Running, sizes: Sizes, sender: Driver, table: Table) -> None:
    before_s = cpu_s(server.pid)
    answers = await sender.run(paced, server.port, Pushes(), status=202, seconds=sizes.seconds, per_s=sizes.per_s)
    _row(table, f"{what}, {sizes.per_s}/s", answers, cpu_s(server.pid) - before_s, None)


def _row(table: Table, what: str, answers: Answers, used_s: float, share: float | None) -> None:
    per_thousand_s = used_s / len(answers.times_ms) * 1000
    table.row(what, answers.per_s, answers.p50_ms, answers.p99_ms, per_thousand_s, share)
