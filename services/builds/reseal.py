"""`python -m services.builds.reseal`: seal every stored secret anew under SECRET_KEY, after it was changed.

1. Give all processes the new SECRET_KEY, and the one before as SECRET_KEY_OLD: both open, the new one seals.
2. Run this. It may be run again, while Slipway works, as often as one likes.
3. When it ends with 0, SECRET_KEY_OLD is no longer needed (tokens that it signed are refused then).
"""

import asyncio
import sys
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError

from libs.common.auth.secret_key import secret_keys
from libs.common.crypto import CannotOpen, Sealer
from libs.common.database import Database
from libs.common.errors import SettingsError
from libs.common.settings import CoreSettings, DatabaseSettings, KeySettings, load
from services.builds.models import Repository
from services.builds.service.sealed import PURPOSES

CONFIGURATION_ERROR: Final = 78  # EX_CONFIG of sysexits.h
# Repositories of one transaction: some 20 ms, in which nobody else changes them.
_AT_ONCE: Final = 100


@dataclass(slots=True)
class Tally:
    """What became of the sealed values: sealed anew, sealed under the newest key already, or lost."""

    done: int = 0
    current: int = 0
    lost: int = 0


async def reseal(database: Database, keys: list[str]) -> Tally:
    """Seal all values anew that open with any of `keys`, newest first, but were not sealed with the first."""
    anybody, newest = Sealer(keys), Sealer(keys[:1])
    tally, last = Tally(), 0
    while True:
        page = select(Repository.__table__).where(Repository.id > last).order_by(Repository.id).limit(_AT_ONCE)
        async with database.transaction() as tx:
            rows = (await tx.execute(page.with_for_update())).all()
            for row in rows:
                changed = _sealed_anew(row, anybody, newest, tally)
                if changed:
                    await tx.execute(update(Repository).where(Repository.id == row.id).values(changed))
        if not rows:
            return tally
        last = rows[-1].id


def _sealed_anew(row: Any, anybody: Sealer, newest: Sealer, tally: Tally) -> dict[str, bytes]:
    """The columns of a repository that have to be written; counts all of them."""
    changed = {}
    for column, word in PURPOSES.items():
        sealed, purpose = getattr(row, column), f"{word}:{row.uid}"
        if sealed is None:
            continue
        if _opens(newest, sealed, purpose):
            tally.current += 1
        elif _opens(anybody, sealed, purpose):
            changed[column] = newest.seal(anybody.open(sealed, purpose), purpose)
            tally.done += 1
        else:
            tally.lost += 1
            print(f"{row.full_name} ({row.uid}): {word} do not open with these keys", file=sys.stderr)  # noqa: T201
    return changed


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
