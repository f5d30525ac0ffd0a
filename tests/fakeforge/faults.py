"""What can go wrong between us and a forge: each fault is a value, to be injected for the next requests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

EVERY: Final = "*"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a fake answers: `body` is a JSON value, bytes as they are, or None for nothing."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong with a request.

    `acts`: whether the forge does what it was asked before it goes wrong. `cut`: the connection ends without any
    answer. `delay_s`: waits before acting. `change` makes the answer that is sent of the one that is due (None when the
    forge did not act). `sent_bytes`: the body ends after so many bytes, though its length promises more; None: all of
    it. `pause_s`: the body comes in pieces of 1 KB with so much time between them.
    """

    acts: bool = True
    cut: bool = False
    delay_s: float = 0.0
    change: Callable[[Answer | None], Answer] | None = None
    sent_bytes: int | None = None
    pause_s: float = 0.0


LOST_ANSWER: Final = Fault(cut=True)
"""The forge acts, and nobody hears of it."""

LOST_REQUEST: Final = Fault(acts=False, cut=True)
"""The connection breaks before the forge does anything."""


def delayed(seconds: float, *, acts: bool = True) -> Fault:
    return Fault(acts=acts, delay_s=seconds)


def refused(status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> Fault:
    """The forge does nothing and answers so."""
    return Fault(acts=False, change=lambda _: Answer(status, body, headers or {}))


def failed(status: int = 502) -> Fault:
    """The forge acts, and what stands before it answers with an error page."""
    page = b"<html><body><h1>Bad Gateway</h1></body></html>"
    return Fault(change=lambda _: Answer(status, page, {"Content-Type": "text/html"}))


def unavailable(status: int = 503) -> Fault:
    """As `failed`, and the forge did nothing."""
    return replace(failed(status), acts=False)


def truncated(sent_bytes: int) -> Fault:
    return Fault(sent_bytes=sent_bytes)


def trickling(pause_s: float) -> Fault:
    return Fault(pause_s=pause_s)


def instead(body: bytes) -> Fault:
    """The forge answers as it should, but with these bytes."""

    def changed(due: Answer | None) -> Answer:
        assert due is not None
        return replace(due, body=body)

    return Fault(change=changed)
