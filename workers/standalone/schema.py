"""Is the schema of an SQLite file the newest? Told without the SQL toolkit, whose import costs a second start 1 s."""

import contextlib
import sqlite3
from pathlib import Path

# Migrations are numbered 0001_..., the newest number is the schema that this code wants (services/gateway/migrations).
_VERSIONS = Path(__file__).parents[2] / "services" / "gateway" / "migrations" / "versions"


def is_newest(file: Path, versions: Path = _VERSIONS) -> bool:
    """Tell whether a database needs no migration. False also when there is no such file or no schema in it.

    In doubt the answer is False: the migration command looks again, properly.
    """
    newest = max((path.name[:4] for path in versions.glob("[0-9][0-9][0-9][0-9]_*.py")), default=None)
    if newest is None or not file.exists():
        return False
    try:
        with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as database:
            row = database.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error:
        return False
    return row is not None and row[0] == newest
