"""The schema's history. Only the composition root may see every slice's tables, so it stands here.

    python -m services.gateway.migrations upgrade | check | downgrade

The files in `versions/` are numbered `0001_...`; the newest number is the schema that this code wants. A new one is
written by `python -m services.gateway.migrations new "add a column"` from the difference between a database that has
all older ones and the models (`tables`), formatted by `make fmt`, and then read by a person. Until the first release
0001 is simply made anew: delete it and run `new "first tables"` on a database that does not exist yet
(`DATABASE_URL=sqlite:////tmp/new.db`).

This module imports no Alembic: a process that only asks whether the schema is current pays for one query.
"""

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from libs.common.database import Database

VERSIONS: Final = Path(__file__).parent / "versions"


class Schema(StrEnum):
    """How a database's schema stands to this code.

    empty      no table of ours: upgrade
    older      migrations of ours are missing: upgrade
    current    as this code wants it
    newer      made by a newer version: this code runs with it, because migrations keep to what the version before reads
    """

    EMPTY = "empty"
    OLDER = "older"
    CURRENT = "current"
    NEWER = "newer"


def head() -> str:
    """The number of the newest migration."""
    return max(path.name[:4] for path in VERSIONS.glob("[0-9][0-9][0-9][0-9]_*.py"))


async def schema_of(database: Database) -> Schema:
    """Compare a database with this code. Raises what the driver raises when the database does not answer."""
    try:
        async with database.reading() as tx:
            number = await tx.scalar(text("SELECT version_num FROM alembic_version"))
    except DBAPIError as error:
        if error.connection_invalidated or not _is_missing_table(error):
            raise
        return Schema.EMPTY
    if number is None:
        return Schema.EMPTY
    wanted = head()
    return Schema.CURRENT if number == wanted else Schema.OLDER if number < wanted else Schema.NEWER


def is_current(database_url: str) -> bool:
    """Tell whether the database needs no upgrade. Blocks; raises what the driver raises."""

    async def ask() -> bool:
        database = Database(database_url)
        try:
            return await schema_of(database) in (Schema.CURRENT, Schema.NEWER)
        finally:
            await database.close()

    return asyncio.run(ask())


def upgrade(database_url: str) -> bool:
    """Bring the schema up to date; True when there was something to do.

    Blocks. Safe when several processes do it at once: one works, the others wait and find it done. A migration that
    fails leaves the schema as it was. The folder of an SQLite file is made.
    """
    make_folder(database_url)
    if is_current(database_url):
        return False
    from services.gateway.migrations import alembic_run  # noqa: PLC0415 - Alembic costs 0.2 s that most starts save

    alembic_run.upgrade(database_url)
    return True


def make_folder(database_url: str) -> None:
    """Make the folder that an SQLite file is to lie in; raises OSError. Nothing to do for a server."""
    if database_url.startswith("sqlite"):
        Path(database_url.partition(":///")[2].partition("?")[0]).parent.mkdir(parents=True, exist_ok=True)


def _is_missing_table(error: DBAPIError) -> bool:
    """PostgreSQL says 42P01 (undefined_table), SQLite only words."""
    return getattr(error.orig, "sqlstate", None) == "42P01" or "no such table" in str(error.orig)
