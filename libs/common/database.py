"""One engine factory and one `transaction()` for PostgreSQL (asyncpg) and SQLite (aiosqlite).

PostgreSQL runs at READ COMMITTED; whoever needs more takes row locks. SQLite runs in WAL mode with
`synchronous=FULL` (a commit means that it is on disk) and one writer connection, so that writers queue in this
process instead of failing with "database is locked"; readers have connections of their own.
"""

import asyncio
import math
import os
import time
import uuid
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, ClassVar, TypeVar

import msgspec
from sqlalchemy import (
    ARRAY,
    BigInteger,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    Text,
    bindparam,
    event,
    func,
    select,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import TypeDecorator

T = TypeVar("T")

# Constraint names are part of the schema that migrations name; the database must not choose them.
NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


# The type of numbered rows' ids: SQLite numbers only a column of exactly the type INTEGER by itself.
RowId = BigInteger().with_variant(Integer(), "sqlite")


class Base(DeclarativeBase):
    """Root of all tables, of the runtime and of the slices."""

    metadata = MetaData(naming_convention=NAMES)


class UTCDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC; SQLite keeps the ISO text with microseconds, so that text order is time order."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Text())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime has no meaning here")
        value = value.astimezone(UTC)
        return value.strftime(SQLITE_TIME) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - the base class names it
        if value is None or isinstance(value, datetime):
            return value
        return datetime.fromisoformat(value)  # a tenth of what strptime takes; the repairer reads thousands


SQLITE_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


class JSONBytes(TypeDecorator[Any]):
    """A JSON value encoded by msgspec; opaque to SQL on purpose (what is searched has a column of its own)."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:  # noqa: ARG002
        return None if value is None else msgspec.json.encode(value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> Any:  # noqa: ARG002
        return None if value is None else msgspec.json.decode(value)


class _JSONText(TypeDecorator[Any]):
    """A JSON value as text, which SQLite's own JSON functions take; UUIDs as SQLAlchemy stores them there."""

    impl = Text
    cache_ok = True
    _encoder: ClassVar = msgspec.json.Encoder(uuid_format="hex")

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:  # noqa: ARG002
        encoded: bytes = self._encoder.encode(value)
        return encoded.decode()


def utcnow() -> datetime:
    """This machine's clock, for timestamps that nobody compares; leases are compared by `now_sql` only."""
    return datetime.now(UTC)


def now_sql(dialect: Dialect | str, offset_s: float = 0.0) -> ColumnElement[datetime]:
    """The clock of the database (a dialect or its name) plus `offset_s` seconds, comparable with a UTCDateTime column.

    It is the start of the statement: later than the transaction's, which may have waited for a lock, and the same for
    all rows, so that an index can be used.
    """
    return _now_sql(dialect if isinstance(dialect, str) else dialect.name, offset_s)


@lru_cache(maxsize=256)  # offsets come from settings and from programs' waits
def _now_sql(dialect_name: str, offset_s: float) -> ColumnElement[datetime]:
    if dialect_name == "sqlite":
        # SQLite below 3.42 has no `unixepoch('subsec')`; strftime's %f gives milliseconds on every version, and the
        # padding makes it sort with stored microseconds.
        return func.strftime("%Y-%m-%dT%H:%M:%f000Z", "now", f"{offset_s:+.3f} seconds", type_=UTCDateTime)
    moment = func.statement_timestamp(type_=UTCDateTime)
    if offset_s == 0:
        return moment
    return moment + func.make_interval(0, 0, 0, 0, 0, 0, offset_s, type_=None)


async def clock(tx: AsyncConnection) -> datetime:
    """Read the clock of the database, for several rows that begin together."""
    moment: datetime = (await tx.execute(_clock(tx.dialect.name))).scalar_one()
    return moment


@cache
def _clock(dialect_name: str) -> Select[datetime]:
    return select(now_sql(dialect_name))


def among(dialect_name: str, column: Any, name: str) -> ColumnElement[bool]:
    """The condition that a column (of text or UUIDs) equals one of the list that is bound as `name`.

    Its SQL is the same for any number of values, so that it is compiled and prepared once; that of `IN` is not.
    """
    if dialect_name == "sqlite":
        listed = func.json_each(bindparam(name, type_=_JSONText)).table_valued("value")
        within: ColumnElement[bool] = column.in_(select(listed.c.value))
        return within
    is_one: ColumnElement[bool] = column == func.any(bindparam(name, type_=ARRAY(column.type)))
    return is_one


_last_uuid7_ms = 0
_uuid7_counter = 0


def uuid7() -> uuid.UUID:
    """Make a UUIDv7 (RFC 9562): 48 bits of milliseconds, then a counter that keeps ids of one process in order.

    The 12 bits of rand_a count within a millisecond (method 1 of section 6.2); when they run over, the clock part
    is moved on by one millisecond.
    """
    global _last_uuid7_ms, _uuid7_counter
    now_ms = time.time_ns() // 1_000_000
    if now_ms > _last_uuid7_ms:
        _last_uuid7_ms, _uuid7_counter = now_ms, int.from_bytes(os.urandom(1), "big")
    else:
        _uuid7_counter += 1
        if _uuid7_counter > 0xFFF:
            _last_uuid7_ms, _uuid7_counter = _last_uuid7_ms + 1, 0
    rand_b = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
    return uuid.UUID(int=(_last_uuid7_ms << 80) | (0x7 << 76) | (_uuid7_counter << 64) | (0b10 << 62) | rand_b)


def first_uuid7(moment: datetime, *, slack_s: float = 0.0) -> uuid.UUID:
    """The id below all that `uuid7` makes at this moment or later, by clocks that are up to `slack_s` behind."""
    milliseconds = max(0, int((moment.timestamp() - slack_s) * 1000))  # before 1970 nothing was made
    return uuid.UUID(int=milliseconds << 80)


class Database:
    """A pool of connections and the only way to a transaction.

    `transaction()` commits on leaving the block and rolls back on an exception; on SQLite it takes the write lock
    at once (BEGIN IMMEDIATE) so that what was read cannot change before the write. `reading()` is for reads: a
    consistent snapshot that takes no write lock.
    """

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        """Prepare the pools; `url` has an async driver, `pool_size` bounds this process's PostgreSQL connections."""
        self.is_sqlite = url.startswith("sqlite")
        self._uncut: set[asyncio.Task[Any]] = set()
        if self.is_sqlite:
            # One connection writes: contention is a queue in this process, not SQLITE_BUSY between threads.
            self._writer = _sqlite_engine(url, size=1)
            self._reader = _sqlite_engine(url, size=4)
        else:
            self._writer = self._reader = _postgresql_engine(url, size=pool_size)

    @property
    def dialect(self) -> Dialect:
        return self._writer.dialect

    @property
    def engine(self) -> AsyncEngine:
        """The engine that may write; for migrations' checks and metrics of the pool."""
        return self._writer

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Open one transaction that may write; commit at the end, roll back on any exception."""
        async with self._connected(self._writer) as connection:
            writing = await connection.execution_options(slipway_begin="IMMEDIATE")
            async with writing.begin():
                yield writing

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Open one transaction for reading; nothing in it may write."""
        async with self._connected(self._reader) as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def _connected(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        """Take a connection from the pool for the length of the block.

        Neither taking nor returning it is cut short by a cancellation: an aiosqlite connection that is abandoned while
        it opens keeps its thread and its file for ever. What was taken for nobody goes back at once.
        """
        taking = self._not_cut_short(_take(engine))
        try:
            connection = await asyncio.shield(taking)
        except asyncio.CancelledError:
            taking.add_done_callback(self._return_unused)
            raise
        try:
            yield connection
        finally:
            await asyncio.shield(self._not_cut_short(connection.close()))

    def _not_cut_short(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._uncut.add(task)  # the loop itself keeps only weak references
        task.add_done_callback(self._uncut.discard)
        return task

    def _return_unused(self, taking: asyncio.Future[AsyncConnection]) -> None:
        if not taking.cancelled() and taking.exception() is None:
            _ = self._not_cut_short(taking.result().close())

    async def ping(self, timeout_s: float = 2.0) -> None:
        """Raise what the driver raises when the database cannot answer `SELECT 1` in time."""
        async with asyncio.timeout(timeout_s), self.reading() as tx:
            await tx.exec_driver_sql("SELECT 1")

    async def close(self) -> None:
        """Close all connections, also those that were taken for nobody."""
        while self._uncut:
            # From Python 3.12 on, `gather` of tasks that have ended gives nobody a turn, and they were never discarded.
            done, _ = await asyncio.wait(self._uncut)
            self._uncut -= done
        await self._writer.dispose()
        if self._reader is not self._writer:
            await self._reader.dispose()


async def _take(engine: AsyncEngine) -> AsyncConnection:
    return await engine.connect()


# Those who wait for a connection that somebody else fails to open are not told, and wait on as for a busy one. Whoever
# has none after ten seconds had better answer 503.
_POOL_TIMEOUT_S = 10


def _postgresql_engine(url: str, *, size: int) -> AsyncEngine:
    engine = create_async_engine(url, pool_size=size, max_overflow=0, pool_recycle=1800, pool_timeout=_POOL_TIMEOUT_S)

    # SQLAlchemy's own pre-ping asks before each use: three round trips of a transaction that has nine.
    @event.listens_for(engine.sync_engine, "checkin")
    def _returned(_: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        record.info["returned_at"] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def _ask(connection: DBAPIConnection, record: ConnectionPoolEntry, _: Any) -> None:
        driver: Any = record.driver_connection
        if driver.is_closed():  # the driver has read the server's goodbye
            raise InvalidatePoolError  # the pool opens another one, and trusts no older one
        if time.monotonic() - record.info.get("returned_at", math.inf) < _TRUSTED_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error

    return engine


# One that was used just now and is not closed is there, or the network went away this very moment.
_TRUSTED_S = 1.0


def _sqlite_engine(url: str, *, size: int) -> AsyncEngine:
    # isolation_level=None switches off the driver's own BEGIN; with it a SELECT runs outside the transaction and
    # read-then-write updates are silently lost (measured: 594 of 1,000).
    engine = create_async_engine(
        url,
        pool_size=size,
        max_overflow=0,
        pool_timeout=_POOL_TIMEOUT_S,
        connect_args={"isolation_level": None, "timeout": 30, "check_same_thread": False},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _pragmas(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        mode = connection.get_execution_options().get("slipway_begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine
