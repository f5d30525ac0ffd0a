"""Follow one job's log as server-sent events.

The client's place is the number of the next line; the id of an event is the position of its batch. Batches and the end
carry ids, status events do not: so a client's last event id always says exactly which lines it has.

A stream goes: what is stored, page by page, while nothing piles up; then a subscription, and what was stored in
between; from there on each line is either stored or queued. A batch that does not follow the last line is either old
(dropped) or leaves a gap, which is filled from what is stored: lines that went to SQL while Redis was away.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError

from libs.common.jobs.joblog.entries import EntryId
from libs.common.jobs.joblog.reader import LogReader
from libs.common.jobs.live import status_event
from libs.common.jobs.service import Jobs
from libs.common.jobs.view import LiveJob
from services.gateway.jobs import sse
from services.gateway.jobs.hub import Archived, Event, Hub, Item, Mark, Subscription
from services.gateway.jobs.pace import Allowed, Pace, Watch

log = structlog.get_logger()


class LogStream:
    """One client on one job; `play()` yields its stream."""

    def __init__(self, job: LiveJob, *, jobs: Jobs, hub: Hub, reader: LogReader, allowed: Allowed, pace: Pace) -> None:
        """Prepare the stream of `job`, which the caller may see; `allowed` tells later whether they still may."""
        self._job = job
        self._id = job.view.id
        self._jobs = jobs
        self._hub = hub
        self._reader = reader
        self._pace = pace
        self._watch = Watch(pace, allowed)
        self._next_n = 1
        self._shown_version = 0
        self._end: EntryId | None = None  # where the end stands, when it came as an event

    async def play(self, last: EntryId | None) -> AsyncIterator[bytes]:
        """Yield the stream behind position `last` (None: from the start) up to the job's end."""
        yield sse.retry()
        try:
            async for chunk in self._begin(last):
                yield chunk
            with self._hub.subscribe(lambda _: True, [self._id]) as subscription:
                async for chunk in self._follow(subscription):
                    yield chunk
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("log_stream_broken_off", job_id=str(self._id), reason=repr(error))
            yield sse.bye("the database does not answer")

    async def _begin(self, last: EntryId | None) -> AsyncIterator[bytes]:
        if last is not None:
            known = await self._reader.line_after(self._id, last)
            if known is None:
                yield sse.reset("this position is not known any more")
            self._next_n = known or 1
        for chunk in self._status(self._job):
            yield chunk
        async for chunk in self._stored():
            yield chunk

    async def _follow(self, subscription: Subscription) -> AsyncIterator[bytes]:
        async for chunk in self._catch_up():
            yield chunk
        while not self._job.is_terminal:
            item = await subscription.next(self._pace.ping_s)
            if await self._watch.denies():
                yield sse.DENIED
                return
            match item:
                case None:
                    yield sse.PING
                case Mark.LAGGED:
                    yield sse.LAGGED
                    return
                case Mark.CLOSING:
                    yield sse.bye("the gateway is stopping")
                    return
                case Mark.RESET:
                    yield sse.reset("live data was lost")
                    self._next_n = 1
                    self._shown_version = 0
            async for chunk in self._react(item):
                yield chunk
        async for chunk in self._stored():
            yield chunk
        position = self._end or await self._reader.end_position(self._job)
        yield sse.frame(status_event(self._job), event="end", position=position)

    async def _react(self, item: Item | None) -> AsyncIterator[bytes]:
        match item:
            case Event(type="log"):
                async for chunk in self._lines(item):
                    yield chunk
            case Event(type="end"):
                self._job, self._end = msgspec.structs.replace(self._job, view=item.view), item.position
            case Event():
                for chunk in self._status(msgspec.structs.replace(self._job, view=item.view)):
                    yield chunk
            case LiveJob():  # found ended by the hub's look at the rows
                self._job = item
            case Archived(last_n=last_n):
                if last_n >= self._next_n:
                    async for chunk in self._stored():
                        yield chunk
            case Mark():
                async for chunk in self._catch_up():
                    yield chunk

    async def _lines(self, event: Event) -> AsyncIterator[bytes]:
        batch = event.batch
        if batch.first_n > self._next_n:
            async for chunk in self._stored():
                yield chunk
        if batch.next_n <= self._next_n:
            return
        if batch.first_n >= self._next_n:
            yield event.line_frame
        else:
            yield sse.frame(batch.since(self._next_n).lines, position=batch.id)
        self._next_n = batch.next_n

    async def _catch_up(self) -> AsyncIterator[bytes]:
        async for chunk in self._stored():
            yield chunk
        job = await self._jobs.get(self._id)
        if job is not None:
            for chunk in self._status(job):
                yield chunk

    def _status(self, job: LiveJob) -> list[bytes]:
        """Take note of the job's state, and show it unless it (or a newer one) was shown; an end is shown last."""
        if job.view.version <= self._shown_version:
            return []
        self._job, self._shown_version = job, job.view.version
        return [] if job.is_terminal else [sse.frame(status_event(job), event="status")]

    async def _stored(self) -> AsyncIterator[bytes]:
        """Yield what is stored from the next line on; wait some time for lines that are missing before the newest."""
        waits_until: float | None = None
        while not self._hub.is_closing():
            async with aclosing(self._reader.batches(self._id, self._next_n)) as batches:
                async for batch in batches:
                    if batch.first_n > self._next_n and not self._job.is_terminal:
                        waits_until = waits_until or time.monotonic() + self._pace.gap_s
                        if time.monotonic() < waits_until:
                            break
                    yield sse.frame(batch.lines, position=batch.id)
                    self._next_n, waits_until = batch.next_n, None
                    if self._hub.is_closing():
                        return
                else:
                    return
            await asyncio.sleep(self._pace.gap_look_s)
