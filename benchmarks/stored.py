"""Fill a database with jobs that have run: many rows fast, past the service, which would take minutes for a million."""

import random
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta

import asyncpg  # type: ignore[import-untyped]

from libs.common.database import SQLITE_TIME

REPOSITORIES = 200
BRANCHES = 50
OWNERS = 50
# Made within so many days, the newest just now.
DAYS = 90
_ACTIVE = 100  # the newest ones have not ended

_COLUMNS = (
    *("id", "domain", "kind", "job_class", "owner", "subject_type", "subject_id", "lane_limit", "payload", "status"),
    *("progress", "version", "run_at", "lease_no", "tries", "crashes", "repository", "branch", "commit_sha"),
    *("build_id", "worker", "log_lines", "created_at", "started_at", "finished_at", "updated_at"),
)

Row = tuple[object, ...]


def repository(number: int) -> str:
    return f"team{number % 10}/repository-{number}"


def branch(number: int) -> str:
    return "main" if number == 0 else f"feature/{number}"


async def fill(url: str, count: int) -> None:
    """Insert `count` jobs, oldest first, into the database at `url` (as Database takes it) and count them anew."""
    await insert(url, "jobs", _COLUMNS, _rows(count))


async def insert(url: str, table: str, columns: Sequence[str], rows: Iterator[Row]) -> None:
    """Insert rows into a table, and let the database count them anew."""
    address = url.partition("://")[2]
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(address.removeprefix("/"))) as file:
            marks = ", ".join("?" * len(columns))
            statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
            file.executemany(statement, (_for_sqlite(row) for row in rows))
            file.commit()
            file.execute("ANALYZE")
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return
    connection = await asyncpg.connect(f"postgresql://{address}")
    try:
        await connection.copy_records_to_table(table, records=rows, columns=columns)
        await connection.execute(f"VACUUM ANALYZE {table}")
    finally:
        await connection.close()


def _rows(count: int) -> Iterator[Row]:
    dice = random.Random(1)  # the same jobs in every run
    first = datetime.now(UTC) - timedelta(days=DAYS)
    for number in range(count):
        created = first + timedelta(days=DAYS) * (number / count)
        started = created + timedelta(seconds=dice.expovariate(1))
        finished: datetime | None = started + timedelta(seconds=dice.expovariate(1 / 120))
        status = dice.choices(("success", "failed", "cancelled"), (90, 8, 2))[0]
        if number >= count - _ACTIVE:
            status, finished = dice.choice(("pending", "running")), None
        # A few repositories and the main branch have most of the jobs, as everywhere.
        which = min(int(dice.paretovariate(0.5)) - 1, REPOSITORIES - 1)
        where = 0 if dice.random() < 0.6 else dice.randrange(1, BRANCHES)
        owner = None if dice.random() < 0.2 else 1 + which % OWNERS
        yield (
            *(_uuid7(created, dice), "builds", "builds.run_build", "heavy", owner, "build", str(number + 1), 1),
            *(b'{"build_id":%d}' % (number + 1), status, 100 if finished else 0, 5, created, 1, 0, 0),
            *(repository(which), branch(where), f"{dice.getrandbits(160):040x}", number + 1, "builds-host-1", 120),
            *(created, started, finished, finished or created),
        )


def _uuid7(moment: datetime, dice: random.Random) -> uuid.UUID:
    milliseconds = int(moment.timestamp() * 1000)
    low = (0x7 << 76) | (dice.getrandbits(12) << 64) | (0b10 << 62) | dice.getrandbits(62)
    return uuid.UUID(int=(milliseconds << 80) | low)


def _for_sqlite(row: Row) -> Row:
    """As the product writes them there: ids as hex, times as text."""
    return tuple(
        value.hex
        if isinstance(value, uuid.UUID)
        else value.strftime(SQLITE_TIME)
        if isinstance(value, datetime)
        else value
        for value in row
    )
