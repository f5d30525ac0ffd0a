"""Transactions on both databases: what is read cannot change before the write, and no connection is ever lost."""

import asyncio
import gc
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text

from libs.common.database import Database, now_sql, utcnow, uuid7
from libs.common.settings.groups import database_url


@pytest.fixture
async def db(database: str) -> AsyncIterator[Database]:
    opened = Database(database_url(database))
    yield opened
    await opened.close()


@pytest.mark.databases("sqlite")
async def test_read_then_write_loses_no_update(db: Database, database: str) -> None:
    """Increments by reading and writing from several pools all count (the driver's default loses most of them)."""
    pools = [db, *(Database(database_url(database)) for _ in range(3))]
    async with db.transaction() as tx:
        await tx.execute(text("CREATE TABLE counter (n INTEGER)"))
        await tx.execute(text("INSERT INTO counter VALUES (0)"))

    async def count(pool: Database) -> None:
        for _ in range(25):
            async with pool.transaction() as tx:
                n = (await tx.execute(text("SELECT n FROM counter"))).scalar_one()
                await tx.execute(text("UPDATE counter SET n = :n"), {"n": n + 1})

    await asyncio.gather(*(count(pool) for pool in pools))
    async with db.reading() as tx:
        assert (await tx.execute(text("SELECT n FROM counter"))).scalar_one() == 100
    for pool in pools[1:]:
        await pool.close()


async def test_a_failed_block_writes_nothing(db: Database) -> None:
    """An exception rolls the whole transaction back."""
    async with db.transaction() as tx:
        await tx.execute(text("CREATE TABLE things (n INTEGER)"))

    async def fail() -> None:
        async with db.transaction() as tx:
            await tx.execute(text("INSERT INTO things VALUES (1)"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with db.reading() as tx:
        assert (await tx.execute(text("SELECT count(*) FROM things"))).scalar_one() == 0


async def test_cancelled_tasks_leave_no_connection_behind(database: str) -> None:
    """However early or late a task is cancelled, its connection is closed or back in the pool (warnings are errors)."""

    async def use(pool: Database) -> None:
        async with pool.transaction() as tx:
            await tx.execute(text("SELECT 1"))

    for turns in range(60):
        pool = Database(database_url(database))
        task = asyncio.create_task(use(pool))
        for _ in range(turns):  # a different moment of opening, beginning and asking each time
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await use(pool)
        await pool.close()
    gc.collect()


async def test_the_clock_of_the_database(db: Database) -> None:
    """now_sql is comparable with what a UTCDateTime column holds, and moves by its offset."""
    async with db.reading() as tx:
        now, later = (await tx.execute(select(now_sql(tx.dialect), now_sql(tx.dialect, 90)))).one()
    assert timedelta(seconds=89) < later - now < timedelta(seconds=91)
    assert abs(now - utcnow()) < timedelta(minutes=1)
    assert now.tzinfo == UTC


def test_ids_are_uuids_of_version_7_in_order() -> None:
    """uuid7 holds the milliseconds of its making and grows strictly within a process."""
    ids = [uuid7() for _ in range(10_000)]
    assert ids == sorted(set(ids))
    assert {one.version for one in ids} == {7}
    made = datetime.fromtimestamp((ids[0].int >> 80) / 1000, UTC)
    assert abs(made - utcnow()) < timedelta(minutes=1)
