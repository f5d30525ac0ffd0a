"""The backstop: a value that slipped through to the database is the client's mistake, a database that is away ours."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import insert, select, text
from sqlalchemy.exc import InternalError

from libs.common.database import Database, utcnow
from libs.common.http.errors import translate
from services.gateway.accounts.models import User
from tests.gateway.serving import with_driver
from tests.servers import free_port


@pytest_asyncio.fixture
async def store(database: str) -> AsyncIterator[Database]:
    opened = Database(with_driver(database))
    yield opened
    await opened.close()


async def test_number_that_does_not_fit(store: Database) -> None:
    """An integer beyond the column's range is a 422 on both databases."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 - each driver has its own
        async with store.reading() as tx:
            await tx.execute(select(User.id).where(User.id == 2**63))
    assert translate(raised.value).status == 422


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize("name", ["a\0b", "x" * 65, "\ud800"])
async def test_text_that_does_not_fit(store: Database, name: str) -> None:
    """NUL, a text longer than its column and a lone surrogate are a 422 (SQLite stores the first two)."""
    values = {"username": name, "password_hash": "", "is_active": True, "is_superuser": False, "is_verified": False}
    with pytest.raises(Exception) as raised:  # noqa: PT011
        async with store.transaction() as tx:
            await tx.execute(insert(User).values(**values, created_at=utcnow(), updated_at=utcnow()))
    assert translate(raised.value).status == 422


async def test_mistake_in_our_sql(store: Database) -> None:
    """A wrong statement of ours is not blamed on the client."""
    with pytest.raises(Exception) as raised:  # noqa: PT011
        async with store.reading() as tx:
            await tx.execute(text("SELECT nothing FROM nowhere"))
    assert translate(raised.value).status >= 500


async def test_database_that_is_away() -> None:
    """A database that does not answer is a 503 with the hint to try again."""
    store = Database(f"postgresql+asyncpg://x:y@127.0.0.1:{free_port()}/x")
    with pytest.raises(Exception) as raised:  # noqa: PT011
        await store.ping()
    answer = translate(raised.value)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    await store.close()


def test_connection_cut_in_the_middle_of_a_statement() -> None:
    """What the driver raises for a connection that was cut while it was busy is "try again", not a mistake of ours."""
    error = InternalError("SELECT 1", {}, Exception("cannot switch to state 12; another operation (2) is in progress"))
    answer = translate(error)
    assert (answer.status, answer.code) == (503, "UNAVAILABLE")
