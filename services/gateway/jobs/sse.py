"""Server-sent events as bytes (HTML standard, section 9.2). Pure."""

import random
from typing import Final

from libs.common.jobs.joblog.entries import EntryId

HEADERS: Final = {
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",  # nginx passes each event on at once
}
MEDIA_TYPE: Final = "text/event-stream"
PING: Final = b": ping\n\n"
# A browser that lost its stream comes back after this long; spread, so that those that were cut off together do not
# come back together.
_RETRY_MS: Final = (1000, 3000)


def frame(data: bytes, *, event: str | None = None, position: EntryId | bytes | None = None) -> bytes:
    """Encode one event; `data` is one line of JSON. Without a name it is a `message` event for EventSource."""
    parts = []
    if position is not None:
        parts.append(b"id: %s\n" % (position if isinstance(position, bytes) else str(position).encode()))
    if event is not None:
        parts.append(b"event: %s\n" % event.encode())
    parts.append(b"data: %s\n\n" % data)
    return b"".join(parts)


def at(position: EntryId) -> bytes:
    """Set the client's last event id without an event, so that it resumes from here although nothing came yet."""
    return b"id: %s\n\n" % str(position).encode()


def retry() -> bytes:
    """Tell the client how long to wait before it reconnects."""
    return b"retry: %d\n\n" % random.randint(*_RETRY_MS)  # noqa: S311 - not a secret


def bye(reason: str) -> bytes:
    """Say that this process ends the stream and that the client should come back (to another one)."""
    return retry() + frame(b'{"reason":"%s"}' % reason.encode(), event="bye")


def reset(reason: str) -> bytes:
    """Say that what was shown may be wrong: forget it, what follows begins anew."""
    return frame(b'{"reason":"%s"}' % reason.encode(), event="reset")


LAGGED: Final = frame(b'{"reason":"the client reads too slowly; it resumes where it was"}', event="lagged")
DENIED: Final = frame(b'{"reason":"the credentials are not valid any more"}', event="denied")


def last_event_id(header: str | None, parameter: str | None) -> EntryId | None:
    """The position a client has seen last; None: it begins anew, which is also what nonsense means.

    A reconnecting EventSource sends the header; the parameter is for clients that cannot set it at first. The header
    is newer and wins. Nonsense is no error, because a browser could do nothing about it.
    """
    text = header or parameter
    return EntryId.parse(text.strip()) if text else None
