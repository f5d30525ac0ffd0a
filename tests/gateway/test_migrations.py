"""The schema goes up and down on both databases and agrees with the models."""

import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from libs.common.database import Database
from services.gateway import migrations
from services.gateway.migrations import Schema, alembic_run, schema_of
from tests.gateway.serving import with_driver

pytestmark = pytest.mark.databases("sqlite", "postgresql")

ROOT = Path(__file__).parents[2]


def test_models_and_migrations_agree(database: str) -> None:
    """A database that went through all migrations has exactly what the models say."""
    assert alembic_run.differences(with_driver(database)) == []
    assert migrations.is_current(with_driver(database))


def test_up_down_up(empty_database: str) -> None:
    """Up, a second up that does nothing, down to nothing, and up again."""
    url = with_driver(empty_database)
    assert not migrations.is_current(url)
    assert migrations.upgrade(url)
    assert not migrations.upgrade(url)
    assert alembic_run.differences(url) == []
    alembic_run.downgrade(url)
    assert not migrations.is_current(url)
    assert all("added" in str(one) or "add_" in str(one) for one in alembic_run.differences(url))
    assert migrations.upgrade(url)
    assert alembic_run.differences(url) == []


def test_several_at_once(empty_database: str) -> None:
    """Processes that start together: one upgrades, the others wait and find it done."""
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(migrations.upgrade, [with_driver(empty_database)] * 4))
    assert any(done)
    assert migrations.is_current(with_driver(empty_database))
    assert alembic_run.differences(with_driver(empty_database)) == []


@pytest.mark.parametrize(
    ("number", "expected"), [("0000", Schema.OLDER), (migrations.head(), Schema.CURRENT), ("9999", Schema.NEWER)]
)
async def test_schema_is_compared(database: str, number: str, expected: Schema) -> None:
    """An older schema asks for an upgrade; a newer one, of a rolling deployment, is left alone."""
    store = Database(with_driver(database))
    async with store.transaction() as tx:
        await tx.execute(text("UPDATE alembic_version SET version_num = :number"), {"number": number})
    assert await schema_of(store) == expected
    await store.close()


async def test_empty_database(empty_database: str) -> None:
    """A database without our tables is empty, not an error."""
    store = Database(with_driver(empty_database))
    assert await schema_of(store) == Schema.EMPTY
    await store.close()


def test_failed_migration_leaves_nothing(empty_database: str) -> None:
    """A migration that fails in the middle leaves the schema as it was, on both databases."""
    url = with_driver(empty_database)

    def half(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE half (id INTEGER)"))
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        alembic_run._in_transaction(url, half)
    assert migrations.upgrade(url)
    assert alembic_run.differences(url) == []


def test_folder_of_the_file_is_made(tmp_path: Path) -> None:
    """An SQLite file in a folder that does not exist yet is no error."""
    file = tmp_path / "not" / "yet" / "slipway.db"
    assert migrations.upgrade(f"sqlite+aiosqlite:///{file}")
    with sqlite3.connect(file) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


@pytest.mark.databases("sqlite")
def test_command_line(empty_database: str) -> None:
    """check fails before upgrade and succeeds after it, each in one line."""

    def run(*arguments: str, url: str = empty_database) -> tuple[int, str]:
        command = [sys.executable, "-m", "services.gateway.migrations", *arguments]
        environ = {"PATH": os.environ["PATH"], "DATABASE_URL": url}
        ended = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)
        return ended.returncode, ended.stdout + ended.stderr

    number = migrations.head()
    assert run("check") == (1, "the schema is not up to date\n")
    assert run("upgrade") == (0, f"schema {number}: upgraded\n")
    assert run("upgrade") == (0, f"schema {number}: is up to date\n")
    assert run("check") == (0, f"schema {number}: is up to date\n")
    assert run("downgrade", "base") == (0, "")
    assert run("check")[0] == 1
    code, said = run("check", url="mysql://x")
    assert code == 1
    assert said.startswith("DATABASE_URL")
