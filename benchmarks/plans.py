"""How a database finds what a list asks for: the indexes, by EXPLAIN of the very statements that a service runs."""

import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.database import Database


async def paged_by(
    database: Database, table: str, find: Callable[[AsyncConnection], Awaitable[object]]
) -> tuple[str, str]:
    """How the page and the total of a list of `table` are found, in this order; `find` reads both."""
    statements: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        if statement.startswith("SELECT"):
            statements.append((statement, parameters))

    engine = database.engine.sync_engine
    async with database.transaction() as tx:
        event.listen(engine, "before_cursor_execute", note)
        try:
            await find(tx)
        finally:
            event.remove(engine, "before_cursor_execute", note)
        counting = [await _ways(tx, table, *one) for one in statements if "count(" in one[0]]
        paging = [await _ways(tx, table, *one) for one in statements if "count(" not in one[0]]
    return "; ".join(paging), "; ".join(counting)


async def _ways(tx: AsyncConnection, table: str, statement: str, parameters: Any) -> str:
    """Name the indexes that a statement uses; `whole table` where it reads all rows, `sorted` where it must sort."""
    if tx.dialect.name == "sqlite":
        plan = await tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        found = [_sqlite_way(row.detail) for row in plan]
    else:
        answer = (await tx.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters)).scalar_one()
        plan = json.loads(answer) if isinstance(answer, str) else answer
        found = list(_postgres_ways(plan[0]["Plan"]))
    named = (way.replace(f"ix_{table}_", "").replace(f"pk_{table}", "primary key") for way in found if way)
    return ", ".join(dict.fromkeys(named))


def _sqlite_way(detail: str) -> str:
    """A line of the plan, as in `SEARCH jobs USING INDEX ix_jobs_status (status=?)`."""
    if "TEMP B-TREE" in detail:
        return "sorted"
    _, using, index = detail.partition(" INDEX ")
    if using:
        return f"{'all of ' if detail.startswith('SCAN') else ''}{index.split()[0]}"
    return "whole table" if detail.startswith("SCAN") else "primary key"


def _postgres_ways(node: dict[str, Any]) -> Iterator[str]:
    match node["Node Type"]:
        case "Seq Scan":
            yield "whole table"
        case "Sort" | "Incremental Sort":
            yield "sorted"
    if "Index Name" in node:
        yield node["Index Name"] if "Index Cond" in node else f"all of {node['Index Name']}"
    for below in node.get("Plans", ()):
        yield from _postgres_ways(below)
