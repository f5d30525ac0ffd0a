"""Polled reads are answered by 304 without a body while nothing has changed (RFC 9110, 8.8.3 and 13.1.2).

    @get("/jobs", **documented("List jobs", opt=POLLED))      the tag is made from the bytes of the body
    Response(view, headers={"ETag": weak_tag(view.version)})  or the handler knows a better one

The body is made either way: it costs little beside the query for it, and what a poller saves is the transfer and the
parsing. A tag from the bytes cannot forget a field, however the answer comes about.
"""

import re
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any, Final, cast

import msgspec
from litestar.enums import ScopeType
from litestar.status_codes import HTTP_200_OK, HTTP_304_NOT_MODIFIED
from litestar.types import ASGIApp, HTTPResponseBodyEvent, HTTPResponseStartEvent, Message, Receive, Scope, Send

# `opt` of a GET route that clients poll.
POLLED: Final[dict[str, Any]] = {"polled": True}

_Header = tuple[bytes, bytes]
_TAG: Final = re.compile(rb'(?:W/)?("[^"]*")')
# What describes the body that a 304 does not have; everything else goes along (RFC 9110, 15.4.5).
_OF_THE_BODY: Final = frozenset(
    {b"content-type", b"content-length", b"content-encoding", b"content-language", b"content-range", b"last-modified"}
)
# Nobody in between may keep what was answered to one caller's credentials; the caller asks each time.
_CACHING: Final = (b"cache-control", b"private, no-cache")
# 64 bits: two states of one resource that a client sees share a tag once in 10^19.
_DIGEST_BYTES: Final = 8


def weak_tag(value: Any) -> str:
    """Make a tag from what decides the answer: any value that msgspec can encode, such as versions of rows.

    Weak, because two answers with this tag mean the same but may differ in what follows from the clock.
    """
    return f'W/"{_digest(msgspec.json.encode(value))}"'


class Conditional:
    """Wraps the app: tags the answers of POLLED routes, and answers 304 to whom names the tag in If-None-Match."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and scope["method"] == "GET":  # HEAD comes as GET too
            await self._app(scope, receive, _Answer(scope, send).send)
        else:
            await self._app(scope, receive, send)


class _Answer:
    """One answer, whose start is held back until its body is known."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self._start: HTTPResponseStartEvent | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == HTTP_200_OK and self._is_polled():
            self._start = message
            return
        start, self._start = self._start, None
        if start is None or message["type"] != "http.response.body" or message.get("more_body"):
            if start is not None:
                await self._send(start)
            await self._send(message)
            return
        await self._send_tagged(start, message)

    def _is_polled(self) -> bool:
        handler = cast("Mapping[str, Any]", self._scope).get("route_handler")  # set by the router, if it finds one
        return handler is not None and bool(handler.opt.get("polled"))

    async def _send_tagged(self, start: HTTPResponseStartEvent, body: HTTPResponseBodyEvent) -> None:
        headers = _tagged(list(start["headers"]), body["body"])
        if _names(self._scope["headers"], dict(headers)[b"etag"]):
            start["status"] = HTTP_304_NOT_MODIFIED
            headers = [(name, value) for name, value in headers if name not in _OF_THE_BODY]
            body["body"] = b""
        start["headers"] = headers
        await self._send(start)
        await self._send(body)


def _tagged(headers: list[_Header], body: bytes) -> list[_Header]:
    """Complete the headers of an answer by a tag (of the body's bytes, unless the handler gave one) and by caching."""
    headers = [(name.lower(), value) for name, value in headers]
    present = {name for name, _ in headers}
    if b"etag" not in present:
        headers.append((b"etag", f'"{_digest(body)}"'.encode()))
    if b"cache-control" not in present:
        headers.append(_CACHING)
    return headers


def _names(request_headers: Iterable[_Header], tag: bytes) -> bool:
    """Tell whether If-None-Match names the tag, by weak comparison, or is `*`."""
    asked = b",".join(value for name, value in request_headers if name == b"if-none-match").strip()
    return asked == b"*" or tag.removeprefix(b"W/") in _TAG.findall(asked)


def _digest(text: bytes) -> str:
    return blake2b(text, digest_size=_DIGEST_BYTES).hexdigest()
