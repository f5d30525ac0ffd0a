"""`python -m services.builds.reseal`: seal every stored secret anew under SECRET_KEY, after it was changed.

1. Give all processes the new SECRET_KEY, and the one before as SECRET_KEY_OLD: both open, the new one seals.
2. Run this. It may be run again, while Slipway works, as often as one likes.
3. When it ends with 0, SECRET_KEY_OLD is no longer needed (tokens that it signed are refused then).
"""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, select, update
from sqlalchemy.exc import SQLAlchemyError

from libs.common.auth.secret_key import secret_keys
from libs.common.crypto import CannotOpen, Sealer
from libs.common.database import Database
from libs.common.errors import SettingsError
from libs.common.settings import CoreSettings, DatabaseSettings, KeySettings, load
from services.builds.models import Build, BuildVariable, Repository
from services.builds.service.sealed import PURPOSES
from services.builds.service.variables import purpose

CONFIGURATION_ERROR: Final = 78  # EX_CONFIG of sysexits.h
# Rows of one transaction: some 20 ms, in which nobody else changes them.
_AT_ONCE: Final = 100


@dataclass(slots=True)
class Tally:
    """What became of the sealed values: sealed anew, sealed under the newest key already, or lost."""

    done: int = 0
    current: int = 0
    lost: int = 0


async def reseal(database: Database, keys: list[str]) -> Tally:
    """Seal all values anew that open with any of `keys`, newest first, but were not sealed with the first."""
    sealing = _Sealing(keys)
    await _repositories(database, sealing)
    await _variables(database, sealing)
    return sealing.tally


class _Sealing:
    """Looks at sealed values one after the other and counts them."""

    def __init__(self, keys: list[str]) -> None:
        self._anybody, self._newest = Sealer(keys), Sealer(keys[:1])
        self.tally = Tally()

    def anew(self, sealed: bytes, purpose: str, complaint: str) -> bytes | None:
        """The value as the newest key seals it; None: leave it. `complaint` is said of one that does not open."""
        if _opens(self._newest, sealed, purpose):
            self.tally.current += 1
            return None
        if not _opens(self._anybody, sealed, purpose):
            self.tally.lost += 1
            print(complaint, file=sys.stderr)  # noqa: T201
            return None
        self.tally.done += 1
        return self._newest.seal(self._anybody.open(sealed, purpose), purpose)


async def _repositories(database: Database, sealing: _Sealing) -> None:
    """What proves repositories' deliveries and what their builds get."""

    def changed(row: Any) -> dict[str, bytes]:
        values = {}
        for column, word in PURPOSES.items():
            sealed = getattr(row, column)
            complaint = f"{row.full_name} ({row.uid}): {word} do not open with these keys"
            anew = None if sealed is None else sealing.anew(sealed, f"{word}:{row.uid}", complaint)
            if anew is not None:
                values[column] = anew
        return values

    await _each(database, Repository, select(Repository.__table__), changed)


async def _variables(database: Database, sealing: _Sealing) -> None:
    """Sensitive values that pipelines keep with their builds."""

    def changed(row: Any) -> dict[str, bytes]:
        complaint = f"{row.named or 'a build'} ({row.uid}): variable {row.key} does not open with these keys"
        anew = sealing.anew(row.sealed_value, purpose(row.uid, row.key), complaint)
        return {} if anew is None else {"sealed_value": anew}

    named = (Build.uid, Build.build_id.label("named"))
    query: Select[Any] = select(BuildVariable.__table__, *named).join(Build, Build.id == BuildVariable.build_id)
    await _each(database, BuildVariable, query.where(BuildVariable.sealed_value.is_not(None)), changed)


async def _each(
    database: Database,
    table: type[Repository | BuildVariable],
    query: Select[Any],
    changed: Callable[[Any], dict[str, bytes]],
) -> None:
    """Write what `changed` says into each row of a query, in portions; nobody else changes these meanwhile."""
    last = 0
    while True:
        page = query.where(table.id > last).order_by(table.id).limit(_AT_ONCE).with_for_update(of=table)
        async with database.transaction() as tx:
            rows = (await tx.execute(page)).all()
            for row in rows:
                if values := changed(row):
                    await tx.execute(update(table).where(table.id == row.id).values(values))
        if not rows:
            return
        last = rows[-1].id


def _opens(sealer: Sealer, sealed: bytes, purpose: str) -> bool:
    try:
        sealer.open(sealed, purpose)
    except CannotOpen:
        return False
    return True


async def _run(url: str, keys: list[str]) -> Tally:
    database = Database(url, pool_size=1)
    try:
        return await reseal(database, keys)
    finally:
        await database.close()


def main() -> int:
    """0: all is sealed under SECRET_KEY; 1: some values do not open, or no database; 78: wrong settings."""
    try:
        core, keys, where = load(CoreSettings, KeySettings, DatabaseSettings)
        tally = asyncio.run(_run(where.url.reveal(), secret_keys(core, keys)))
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command's answer
        return CONFIGURATION_ERROR
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        print(f"DATABASE_URL: the database does not answer: {error}", file=sys.stderr)  # noqa: T201
        return 1
    print(f"{tally.done} sealed anew, {tally.current} already were, {tally.lost} do not open")  # noqa: T201
    return 1 if tally.lost else 0


if __name__ == "__main__":
    sys.exit(main())
