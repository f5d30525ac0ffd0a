"""The outermost layer: what every answer has, whatever made it, also a 404 or a refusal before routing.

Request ids, security and rate limit headers, one log line and two metrics per request; and HEAD, which every GET route
answers. It is plain ASGI around the whole app, because the framework's own middleware runs only where a route was
found, and its logging writes every chunk of a stream.
"""

import asyncio
import contextlib
import re
import time
import uuid
from typing import Any, Final

import msgspec
import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPResponseStartEvent, HTTPScope, Message, Receive, Scope, Send

from libs.common import metrics
from libs.common.errors import RequestError
from libs.common.http.errors import envelope, translate
from libs.common.logging import bound_contextvars

log = structlog.get_logger()

# What a proxy, curl or a tracing library makes: UUIDs, hex, ULIDs. Anything else could forge log lines or headers.
_SANE_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
# An answer of an API needs nothing of the browser; a page (docs, dashboard) names what it needs itself.
_SECURITY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
# A client that is still sending its body when the answer is made gets this much of it read and thrown away. Closing at
# once would reset the connection, and the client would see that instead of its 413 or 401. More than this is abuse.
_DRAIN_BYTES: Final = 32 * 1024 * 1024
_DRAIN_S: Final = 2.0
# Probes come every few seconds from several sides: their successes are noise.
_PROBES: Final = frozenset({"/health", "/health/live", "/health/ready", "/livez", "/ready", "/metrics", "/api/ping"})


class Edge:
    """Wraps the app. `proxy_hops` is how many trusted proxies stand in front (0: X-Forwarded-For is not believed)."""

    def __init__(self, app: ASGIApp, *, proxy_hops: int) -> None:
        self._app = app
        self._proxy_hops = proxy_hops

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        state: dict[str, Any] = scope.setdefault("state", {})
        exchange = _Exchange(scope, receive, send)
        state["request_id"] = exchange.request_id
        state["client_address"] = client = client_address(scope, self._proxy_hops)
        with bound_contextvars(request_id=exchange.request_id, correlation_id=exchange.request_id):
            try:
                await self._app(exchange.routed, exchange.receive, exchange.send)
            except Exception as error:  # noqa: BLE001 - nothing may leave here but an answer
                await exchange.fail(error)
            finally:
                exchange.record(client)


def client_address(scope: Scope, proxy_hops: int) -> str:
    """The client's address: the socket's peer, or what the outermost trusted proxy saw ("" for a Unix socket).

    Each proxy appends the address it saw to X-Forwarded-For, so with n trusted proxies the n-th entry from the right
    is true and everything to its left is the client's own story.
    """
    peer = scope.get("client")
    if proxy_hops > 0:
        forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        entries = [entry.strip() for entry in forwarded.decode("latin-1").split(",") if entry.strip()]
        if len(entries) >= proxy_hops:
            return entries[-proxy_hops]
    return peer[0] if peer else ""


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._method = scope["method"]
        self._path = scope["path"]  # the router rewrites it
        self._state: dict[str, Any] = scope["state"]
        self._started_at = time.perf_counter()
        self._status = 0
        self._is_stream = False
        self._body_read = not _announces_body(scope)
        self._is_over = False
        self.request_id = _request_id(scope)
        # HEAD is GET without the content (RFC 9110, 9.3.2): the app makes the whole answer, `send` leaves out the body.
        self.routed: HTTPScope = {**scope, "method": "GET"} if self._method == "HEAD" else scope

    async def receive(self) -> Any:
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._body_read = True
        return message

    async def send(self, message: Message) -> None:
        if self._is_over:
            return
        if message["type"] == "http.response.start":
            self._start(message)
        elif message["type"] == "http.response.body" and self._method == "HEAD":
            # Also of a stream: its client is seen as gone at once, and the stream ends.
            self._is_over = True
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        elif message["type"] == "http.response.body" and not message.get("more_body") and not self._body_read:
            await self._send({**message, "more_body": True})
            await self._drain()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def _drain(self) -> None:
        """Read the rest of the body, within bounds, after the whole answer was sent."""
        left = _DRAIN_BYTES
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                while left > 0 and not self._body_read:
                    message = await self.receive()
                    if message["type"] == "http.disconnect":
                        return
                    left -= len(message.get("body", b""))

    def _start(self, message: HTTPResponseStartEvent) -> None:
        self._status = message["status"]
        headers = list(message["headers"])
        present = {name.lower() for name, _ in headers}
        self._is_stream = (b"content-type", b"text/event-stream") in (
            (name.lower(), value.partition(b";")[0]) for name, value in headers
        )
        headers = [(name, _with_head(value) if name.lower() == b"allow" else value) for name, value in headers]
        headers += [(name, value) for name, value in _SECURITY if name not in present]
        if "rate_limit" in self._state:
            headers += self._state["rate_limit"].headers
        identity = self.request_id.encode()
        headers += [(b"x-request-id", identity), (b"x-correlation-id", identity)]
        if not self._body_read:
            # The answer came before the body's end (401, 413): do not read on from a client that may never stop.
            headers.append((b"connection", b"close"))
        message["headers"] = headers

    async def fail(self, error: Exception) -> None:
        """Answer an exception that came through all layers, or log it when the answer is under way already."""
        if self._status:
            log.error("answer_broken_off", exc_info=error)
            return
        made: RequestError = translate(error)
        body = msgspec.json.encode(envelope(made))
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await self.send({"type": "http.response.start", "status": made.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})

    def record(self, client: str) -> None:
        """Log and count the request; called once, at its end. Status 0: the client left before any answer."""
        elapsed_s = time.perf_counter() - self._started_at
        route = str(self.routed.get("path_template") or "unmatched")  # set by the router
        method = self._method
        metrics.HTTP_REQUESTS.labels(method, route, str(self._status)).inc()
        if not self._is_stream:  # hours of an open stream say nothing about speed
            metrics.HTTP_DURATION.labels(method, route).observe(elapsed_s)
        level = "debug" if self._path in _PROBES and self._status < 400 else "info"
        getattr(log, level)(
            "request",
            method=method,
            path=self._path,
            status_code=self._status,
            duration_ms=round(elapsed_s * 1000, 2),
            client=client,
        )


def _request_id(scope: HTTPScope) -> str:
    """Take over the client's id when it is sane, else make one."""
    headers = dict(scope["headers"])
    for name in (b"x-request-id", b"x-correlation-id"):
        given = headers.get(name, b"")
        if _SANE_ID.fullmatch(given):
            return given.decode()
    return uuid.uuid4().hex


def _with_head(allow: bytes) -> bytes:
    """Add HEAD to the methods of an `Allow` header that has GET."""
    methods = [method.strip() for method in allow.split(b",")]
    return allow + b", HEAD" if b"GET" in methods and b"HEAD" not in methods else allow


def _announces_body(scope: HTTPScope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0 "))
        for name, value in scope["headers"]
    )
