"""Run Alembic on one connection inside one transaction, without its ini file."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from libs.common.database import Database
from services.gateway.migrations import VERSIONS, head
from services.gateway.migrations.tables import metadata

# Any number will do as long as nobody else takes it: the bytes of "slipway" as an integer.
_LOCK: Final = int.from_bytes(b"slipway", "big")


def upgrade(database_url: str) -> None:
    """Apply what is missing, all of it or nothing."""
    _in_transaction(database_url, lambda connection: command.upgrade(_config(connection), "head"))


def downgrade(database_url: str, to: str = "base") -> None:
    """Take migrations back; with `base` every table and all data in them is gone."""
    _in_transaction(database_url, lambda connection: command.downgrade(_config(connection), to))


def differences(database_url: str) -> list[Any]:
    """What the models have and the database has not, or the other way round, in Alembic's words; empty: they agree."""
    found: list[Any] = []

    def compare(connection: Connection) -> None:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found.extend(compare_metadata(context, metadata))

    _in_transaction(database_url, compare)
    return found


def new(database_url: str, message: str) -> Path:
    """Write the next migration from the differences to a database that has all older ones; returns its file."""
    number = f"{int(head() if any(VERSIONS.glob('[0-9]*.py')) else 0) + 1:04d}"

    def write(connection: Connection) -> None:
        command.revision(_config(connection), message=message, autogenerate=True, rev_id=number)

    _in_transaction(database_url, write)
    return next(VERSIONS.glob(f"{number}_*.py"))


def options(connection: Connection) -> dict[str, Any]:
    """How Alembic compares and alters; SQLite alters by copying a table (batch)."""
    return {
        "connection": connection,
        "target_metadata": metadata,
        "render_as_batch": connection.dialect.name == "sqlite",
        "render_item": _render,
        "user_module_prefix": "database.",
        "compare_type": True,
    }


def _render(kind: str, value: Any, context: Any) -> str | bool:
    """Write our own column types by their short names."""
    if kind == "type" and type(value).__module__ == "libs.common.database":
        context.imports.add("from libs.common import database")
        return f"database.{type(value).__name__}()"
    return False


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.attributes["connection"] = connection
    return config


def _in_transaction(database_url: str, work: Callable[[Connection], None]) -> None:
    """Run `work` alone: SQLite's write lock, or an advisory lock of PostgreSQL, keeps the others waiting."""

    async def run() -> None:
        database = Database(database_url)
        try:
            async with database.transaction() as tx:
                if not database.is_sqlite:
                    await tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
                await tx.run_sync(work)
        finally:
            await database.close()

    asyncio.run(run())
