"""One reader of Redis's event stream for all clients of this process.

The hub follows `ev` with one blocking connection, encodes each entry once, and puts it into the bounded queue of each
subscriber that wants it. What it cannot promise it says with a mark: a queue that overflowed, Redis that lost its data,
a pause in the connection, the process that ends. Subscribers act on marks; no client is ever silently behind.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from typing import Final
from uuid import UUID

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from libs.common import keys, metrics
from libs.common.database import Database
from libs.common.jobs.joblog.entries import ORIGIN, Batch, EntryId
from libs.common.jobs.models import Job
from libs.common.jobs.view import JobView, LiveJob, live_job
from libs.common.redis import connect_blocking
from services.gateway.jobs import sse

log = structlog.get_logger()

# A client that is behind by more than this resumes from the log instead: at 10,000 clients more would be GBs.
QUEUE_MAX_EVENTS: Final = 256
QUEUE_MAX_BYTES: Final = 256 * 1024
# Also how soon a loss of Redis's data is noticed: the epoch is looked at after each read.
_BLOCK_S: Final = 1.0
_READ_COUNT: Final = 200
_RECONNECT_S: Final = (0.1, 2.0)  # first wait, longest wait
_SWEEP_IDS: Final = 500  # job ids in one statement


class Event:
    """One entry of `ev`: a status change, an end, or a batch of log lines; encoded at most once per form."""

    def __init__(self, position: EntryId, fields: dict[bytes, bytes]) -> None:
        self.position = position
        self.type = fields[b"t"].decode()
        owner = fields[b"o"]
        self.owner = int(owner) if owner else None
        self.subject = fields[b"s"].decode()
        self.job = fields[b"j"].decode()
        self.first_n = int(fields[b"n"])
        self.count = int(fields[b"c"])
        self.data = fields[b"d"]

    @property
    def batch(self) -> Batch:
        """The lines of a `log` event."""
        return Batch(self.position, self.first_n, self.count, self.data)

    @cached_property
    def view(self) -> JobView:
        """The job's public picture in a `status` or `end` event."""
        return msgspec.json.decode(self.data, type=JobView)

    @cached_property
    def line_frame(self) -> bytes:
        """A `log` event as the stream of its job shows it: an unnamed event with the array of lines."""
        return sse.frame(self.data, position=self.position)

    @cached_property
    def feed_frame(self) -> bytes:
        """Any event as a stream over several jobs shows it."""
        data = self.lines_of_job(self.data) if self.type == "log" else self.data
        return sse.frame(data, event=self.type, position=self.position)

    def lines_of_job(self, lines: bytes) -> bytes:
        """Lines of this event's job, with the names that a stream over several jobs needs."""
        return b'{"job":"%s","subject":%s,"lines":%s}' % (self.job.encode(), msgspec.json.encode(self.subject), lines)


@dataclass(frozen=True, slots=True)
class Archived:
    """What the sweep found of a job that goes on: the number of the last line that SQL has."""

    last_n: int


class Mark(Enum):
    """What a subscriber is told besides events."""

    LAGGED = auto()  # its queue overflowed; events are missing
    RESET = auto()  # Redis lost its data, or the hub fell behind what `ev` keeps
    RECONNECTED = auto()  # the hub was cut off from Redis for a while, or has just found it
    CLOSING = auto()  # the process ends


Wanted = Callable[[Event], bool]
Item = Event | Mark | LiveJob | Archived


class Subscription:
    """A client's queue. `next` gives what is in it, in order; one task at a time may wait.

    There are as many as there are clients, and most of them wait with nothing in them: a list and a future in place of
    a deque and an asyncio.Event, which has a deque inside, are 1.5 KB less for each.
    """

    __slots__ = ("_bytes", "_items", "_waiter", "_wanted")

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._items: list[Item] = []
        self._bytes = 0
        self._waiter: asyncio.Future[None] | None = None

    async def next(self, timeout_s: float) -> Item | None:
        """Wait for the next event, mark or finding of the sweep (an ended job is a LiveJob); None: nothing came."""
        if not self._items:
            await self._wait(timeout_s)
        if not self._items:
            return None
        item = self._items.pop(0)  # of at most QUEUE_MAX_EVENTS
        if isinstance(item, Event):
            self._bytes -= len(item.data)
        return item

    async def _wait(self, timeout_s: float) -> None:
        """Wait until something is queued or the time is over."""
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        alarm = loop.call_later(timeout_s, self._wake)
        try:
            await self._waiter
        finally:
            alarm.cancel()
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def offer(self, event: Event) -> None:
        """Queue an event if it is wanted; a queue that is full is emptied and marked instead."""
        if not self._wanted(event):
            return
        self._items.append(event)
        self._bytes += len(event.data)
        self._wake()
        # One event alone is always taken, whatever its size.
        if len(self._items) > QUEUE_MAX_EVENTS or (self._bytes > QUEUE_MAX_BYTES and len(self._items) > 1):
            self.tell(Mark.LAGGED)

    def tell(self, item: Mark | LiveJob | Archived) -> None:
        """Queue a mark or a finding; after a mark that says that events are missing the older ones are worthless."""
        if item in (Mark.LAGGED, Mark.RESET, Mark.CLOSING):
            self._items.clear()
            self._bytes = 0
        self._items.append(item)
        self._wake()


class Hub:
    """Reads `ev` and feeds the subscriptions. `run()` until cancelled; subscribers may come before it is connected."""

    def __init__(
        self, redis_url: str, database: Database, closing: asyncio.Event, *, sweep_every_s: float = 15
    ) -> None:
        """`closing` is set when the process is to end; `sweep_every_s` is how often jobs' rows are looked at."""
        self._url = redis_url
        self._database = database
        self._closing = closing
        self._sweep_every_s = sweep_every_s
        self._by_job: dict[str, set[Subscription]] = {}
        self._wide: set[Subscription] = set()
        self._epoch: bytes | None = None
        self.position: EntryId | None = None  # None: never connected

    def is_closing(self) -> bool:
        """Tell whether the process is about to end."""
        return self._closing.is_set()

    @contextmanager
    def subscribe(
        self, wanted: Wanted, jobs: Sequence[UUID] | None = None, *, is_stream: bool = True
    ) -> Iterator[Subscription]:
        """Take part from now on, until the block is left.

        `jobs` narrows to these (None: all) and is what keeps an event's cost independent of the number of clients.
        `is_stream` counts the subscriber among the open event streams.
        """
        subscription = Subscription(wanted)
        names = None if jobs is None else [str(job) for job in jobs]
        if names is None:
            self._wide.add(subscription)
        for name in names or ():
            self._by_job.setdefault(name, set()).add(subscription)
        metrics.SSE_CLIENTS.inc(is_stream)
        if self.is_closing():
            subscription.tell(Mark.CLOSING)
        try:
            yield subscription
        finally:
            metrics.SSE_CLIENTS.dec(is_stream)
            self._wide.discard(subscription)
            for name in names or ():
                others = self._by_job[name]
                others.discard(subscription)
                if not others:
                    del self._by_job[name]

    async def run(self) -> None:
        """Follow the stream, look after jobs' ends and after the process's end, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            tasks.create_task(self._sweep())
            tasks.create_task(self._say_bye())

    # --- following --------------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        wait_s, longest_s = _RECONNECT_S
        while True:
            redis = connect_blocking(self._url, block_s=_BLOCK_S)
            try:
                await self._begin(redis)
                wait_s = _RECONNECT_S[0]
                while not _is_cancelled():
                    await self._read(redis)
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("hub_is_cut_off_from_redis", reason=repr(error))
            finally:
                await redis.aclose()
            if _is_cancelled():
                raise asyncio.CancelledError
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, longest_s)

    async def _begin(self, redis: Redis) -> None:
        """Find out where to go on after (re)connecting, and tell the subscribers what that means for them."""
        await self._check_epoch(redis)
        if self.position is None:
            newest = await redis.xrevrange(keys.EVENTS, count=1)
            self.position = (EntryId.parse(newest[0][0]) if newest else None) or ORIGIN
            self._tell(Mark.RECONNECTED)
        elif await self._is_behind(redis):
            log.warning("hub_fell_behind_the_event_stream")
            self._tell(Mark.RESET)
        else:
            self._tell(Mark.RECONNECTED)

    async def _read(self, redis: Redis) -> None:
        # The position is in the past or the origin: nothing between two reads is missed.
        answer = await redis.xread({keys.EVENTS: str(self.position)}, count=_READ_COUNT, block=int(_BLOCK_S * 1000))
        if await self._check_epoch(redis):
            return  # what was read may be of either data set; everything of the new one is read again
        entries = answer[0][1] if answer else []
        if len(entries) == _READ_COUNT and await self._is_behind(redis):
            log.warning("hub_fell_behind_the_event_stream")
            self._tell(Mark.RESET)
        for entry_id, fields in entries:
            position = EntryId.parse(entry_id)
            if position is not None:
                self.position = position
                self._deliver(Event(position, fields))

    async def _check_epoch(self, redis: Redis) -> bool:
        """Reset everybody when the name of Redis's data set changed or is gone: the data was lost; say so."""
        epoch = await redis.get(keys.EPOCH)
        lost = self._epoch is not None and epoch != self._epoch
        self._epoch = epoch
        if lost:
            log.warning("redis_lost_its_data")
            self.position = ORIGIN  # the new data set may begin under a clock that stands a little earlier
            self._tell(Mark.RESET)
        return lost

    async def _is_behind(self, redis: Redis) -> bool:
        """True when the entry that was read last is no longer in the stream: others behind it may be gone too."""
        oldest = await redis.xrange(keys.EVENTS, count=1)
        first = EntryId.parse(oldest[0][0]) if oldest else None
        return first is not None and self.position is not None and ORIGIN < self.position < first

    def _deliver(self, event: Event) -> None:
        for subscription in self._by_job.get(event.job, ()):
            subscription.offer(event)
        for subscription in self._wide:
            subscription.offer(event)

    def _tell(self, mark: Mark) -> None:
        for subscription in {*self._wide, *(one for some in self._by_job.values() for one in some)}:
            subscription.tell(mark)

    # --- ends -------------------------------------------------------------------------------------------------------

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self._sweep_every_s)
            try:
                await self.sweep()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("ends_of_jobs_not_looked_up", reason=repr(error))

    async def sweep(self) -> None:
        """Look at the rows of all jobs that are followed by name, and tell who follows them what SQL knows.

        One statement for all clients, for what no event may ever tell: an end that Redis did not take, and lines of a
        worker that cannot reach Redis.
        """
        names = list(self._by_job)
        for start in range(0, len(names), _SWEEP_IDS):
            ids = [UUID(name) for name in names[start : start + _SWEEP_IDS]]
            async with self._database.reading() as tx:
                rows = (await tx.execute(select(Job.__table__).where(Job.id.in_(ids)))).all()
            for row in rows:
                job = live_job(row)
                finding = job if job.is_terminal else Archived(row.log_lines)
                for subscription in self._by_job.get(str(row.id), ()):
                    subscription.tell(finding)

    async def _say_bye(self) -> None:
        await self._closing.wait()
        self._tell(Mark.CLOSING)
        await asyncio.Event().wait()  # the other two go on until they are cancelled


def _is_cancelled() -> bool:
    """Tell whether somebody cancelled this task: redis-py sends by `asyncio.wait_for`, and that of Python 3.11 drops a
    cancellation that comes in the very step in which the bytes are out (python/cpython#86296).
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
