import contextlib
import sqlite3
from pathlib import Path

import pytest

from tests.servers import Databases
from workers.standalone.schema import is_newest


@pytest.mark.databases("sqlite")
def test_a_migrated_database_is_the_newest(database: str) -> None:
    """The short way agrees with the migration command, so that a second start may skip it."""
    assert is_newest(Path(database.removeprefix("sqlite:///")))


@pytest.mark.databases("sqlite")
def test_an_older_database_is_not(database: str, databases: Databases, tmp_path: Path) -> None:
    """Whatever is not exactly the newest number is left to the migration command."""
    file = Path(database.removeprefix("sqlite:///"))
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")
        connection.commit()
    assert not is_newest(file)


@pytest.mark.parametrize("content", [None, b"", b"this is no database"])
def test_what_is_no_database_is_not(tmp_path: Path, content: bytes | None) -> None:
    """No file, an empty one and a foreign one are left to the migration command, which says what is wrong."""
    file = tmp_path / "with ? and # in its name.db"
    if content is not None:
        file.write_bytes(content)
    assert not is_newest(file)
