"""Follow several jobs, or all that a caller may see, in one stream: the dashboard has one per browser tab.

Each event carries its position in the one order of all events, so a client that comes back gets what it missed, as
long as Redis keeps it (some 20 minutes of a busy system). A position that is gone is answered by `event: reset`: the
client reads again what it shows, and goes on from there.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from uuid import UUID

import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from libs.common import keys
from libs.common.jobs.joblog.entries import ORIGIN, EntryId
from libs.common.jobs.joblog.reader import LogReader
from libs.common.jobs.live import status_event
from libs.common.jobs.service import Jobs
from libs.common.jobs.view import LiveJob
from services.gateway.jobs import sse
from services.gateway.jobs.hub import Event, Hub, Mark, Subscription, Wanted
from services.gateway.jobs.pace import Allowed, Pace, Watch

log = structlog.get_logger()

# Entries looked at in one go while catching up: a few milliseconds of work.
_PAGE = 200


class Feed:
    """One client on many jobs; `play()` yields its stream, which has no end of its own."""

    def __init__(
        self,
        wanted: Wanted,
        named: Sequence[LiveJob] | None,
        *,
        jobs: Jobs,
        hub: Hub,
        reader: LogReader,
        allowed: Allowed,
        pace: Pace,
    ) -> None:
        """`wanted` says which events the caller asked for and may see; `named` narrows to these jobs (None: all)."""
        self._wanted = wanted
        self._named = named
        self._jobs = jobs
        self._redis = jobs.live.redis
        self._hub = hub
        self._reader = reader
        self._pace = pace
        self._watch = Watch(pace, allowed)
        self._last: EntryId | None = None
        self._next_n: dict[str, int] = {}  # of the jobs whose lines were shown
        self._ended: set[str] = set()  # of the named ones

    async def play(self, last: EntryId | None) -> AsyncIterator[bytes]:
        """Yield the events behind position `last`; None: from now on, after the named jobs' states."""
        yield sse.retry()
        self._last = last
        try:
            async for chunk in self._missed():
                yield chunk
            named = None if self._named is None else [job.view.id for job in self._named]
            with self._hub.subscribe(self._wanted, named) as subscription:
                async for chunk in self._missed():  # in between; from here on events are queued
                    yield chunk
                if self._last is None:
                    async for chunk in self._start():
                        yield chunk
                async for chunk in self._follow(subscription):
                    yield chunk
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("event_feed_broken_off", reason=repr(error))
            yield sse.bye("the database does not answer")

    async def _start(self) -> AsyncIterator[bytes]:
        """Begin anew: set the client's position and show the named jobs as they are."""
        self._last = self._hub.position
        self._next_n.clear()
        if self._last is not None:
            yield sse.at(self._last)
        for job in self._named or ():
            yield self._picture(await self._jobs.get(job.view.id) or job)

    async def _follow(self, subscription: Subscription) -> AsyncIterator[bytes]:
        while True:
            item = await subscription.next(self._pace.ping_s)
            if await self._watch.denies():
                yield sse.DENIED
                return
            match item:
                case None:
                    yield sse.PING
                case Event():
                    async for chunk in self._show(item):
                        yield chunk
                case LiveJob() if str(item.view.id) not in self._ended:
                    yield self._picture(item)
                case Mark.LAGGED:
                    yield sse.LAGGED
                    return
                case Mark.CLOSING:
                    yield sse.bye("the gateway is stopping")
                    return
                case Mark.RESET | Mark.RECONNECTED if item is Mark.RESET or self._last is None:
                    # Without a position the feed was opened while Redis was away and has missed nobody knows what.
                    yield sse.reset("live data was lost")
                    async for chunk in self._start():
                        yield chunk

    def _picture(self, job: LiveJob) -> bytes:
        """A job's state as an event without a position: it is what the row says, not what happened."""
        if job.is_terminal:
            self._ended.add(str(job.view.id))
        return sse.frame(status_event(job), event="end" if job.is_terminal else "status")

    async def _missed(self) -> AsyncIterator[bytes]:
        """Yield what happened behind the client's position, if it has one."""
        if self._last is None:
            return
        try:
            # The origin is what a client got when nothing had happened yet: all that there is comes after it.
            here = str(self._last)
            if self._last != ORIGIN and not await self._redis.xrange(keys.EVENTS, min=here, max=here):
                yield sse.reset("this position is not known any more")
                self._last = None
                return
            while page := await self._redis.xrange(keys.EVENTS, min=f"({self._last}", count=_PAGE):
                for entry_id, fields in page:
                    event = Event(EntryId.parse(entry_id) or self._last, fields)
                    if self._wanted(event) and (self._named is None or self._names(event)):
                        async for chunk in self._show(event):
                            yield chunk
                    self._last = event.position
        except RedisError:
            yield sse.reset("live data cannot be read")
            self._last = None

    def _names(self, event: Event) -> bool:
        return any(str(job.view.id) == event.job for job in self._named or ())

    async def _show(self, event: Event) -> AsyncIterator[bytes]:
        if self._last is not None and event.position <= self._last:
            return
        if event.type == "log":
            expected = self._next_n.get(event.job, event.first_n)
            if event.batch.next_n <= expected:
                return
            if event.first_n > expected:  # written to SQL while Redis was away
                async with aclosing(self._reader.batches(UUID(event.job), expected)) as batches:
                    async for batch in batches:
                        if batch.first_n >= event.first_n:
                            break
                        yield sse.frame(event.lines_of_job(batch.lines), event="log")
            self._next_n[event.job] = event.batch.next_n
        elif event.type == "end":
            self._next_n.pop(event.job, None)
            self._ended.add(event.job)
        self._last = event.position
        yield event.feed_frame
