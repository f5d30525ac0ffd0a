"""A fake forge on a real socket: requests in, checked by the forge's own description, answers out.

It runs in a thread of its own, so that tests of any kind (async, browsers, other processes) can talk to it. Whatever
touches its state holds `lock`.
"""

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qsl

import uvicorn

from tests.fakeforge.description import Description, Operation
from tests.fakeforge.faults import EVERY, Answer, Fault

_START_S: Final = 20.0  # a machine under load takes its time
_PIECE_BYTES: Final = 1024


class Violation(AssertionError):
    """Somebody did not keep to the forge's description: we in a request, or the fake in an answer."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it came: `body` is its JSON value, None when it had none; header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    operation: Operation | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seen:
    """A request and the status that it was answered with; None: no answer was sent."""

    call: Call
    operation_id: str | None
    status: int | None


@dataclass(slots=True)
class _Injected:
    fault: Fault
    operation_id: str
    left: int | None


class FakeForge:
    """A forge for the length of a `with` block; raises Violation at its end when a request or answer was wrong.

    Subclasses answer with `perform`, choose the `description` of a request, and may `answer_elsewhere`.
    """

    prefix = ""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.seen: list[Seen] = []
        self.violations: list[str] = []
        self._injected: list[_Injected] = []
        self._socket = socket.socket(proto=socket.IPPROTO_TCP)  # asyncio turns Nagle's algorithm off only then
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self.origin = ""

    # --- for tests --------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The base address of the API, without a slash at its end."""
        return self.origin + self.prefix

    def inject(self, fault: Fault, operation_id: str = EVERY, *, times: int | None = 1) -> None:
        """Let the next `times` requests of an operation go wrong, in the order of injection; None: until `heal`."""
        with self.lock:
            self._injected.append(_Injected(fault, operation_id, times))

    def heal(self) -> None:
        """Forget all faults that are still to come."""
        with self.lock:
            self._injected.clear()

    def forget(self) -> None:
        """Be as new: for the next test with the same server."""
        with self.lock:
            self.seen.clear()
            self.violations.clear()
            self._injected.clear()

    def check(self) -> None:
        """Raise Violation when a request or an answer was wrong."""
        if self.violations:
            raise Violation("\n".join(self.violations))

    def count(self, operation_id: str, *, status: int | None = None) -> int:
        """How often an operation was asked for; with `status`, only those that were answered so."""
        with self.lock:
            return sum(
                seen.operation_id == operation_id and (status is None or seen.status == status) for seen in self.seen
            )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is None:
            self.check()

    def start(self, port: int = 0) -> None:
        """Begin to serve on the loopback; port 0 takes a free one."""
        self._socket.bind(("127.0.0.1", port))
        self.origin = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            self._app, lifespan="off", log_config=None, access_log=False, loop="asyncio", interface="asgi3"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._thread.start()
        # The socket listens already: whoever connects from here on is served as soon as the loop runs.
        self._socket.listen()

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._server.force_exit = True  # a request that is being delayed is of no interest any more
            self._thread.join(_START_S)
        self._socket.close()

    # --- for subclasses ---------------------------------------------------------------------------------------------

    def description(self, call: Call) -> Description | Answer:
        """The description that a request is held to, or the answer to one that asks for an unknown version."""
        raise NotImplementedError

    def canonical(self, path: str) -> str:
        """The path by which the description knows what is asked for under this one."""
        return path

    def perform(self, call: Call) -> Answer:
        """Do what a checked request asks for; called with `lock` held."""
        raise NotImplementedError

    def finished(self, call: Call, answer: Answer) -> Answer:
        """Add to an answer what all answers have (headers); called with `lock` held."""
        return answer

    def elsewhere(self, call: Call) -> Answer | None:
        """Answer a path that is none of the API's; None: it is one. Called with `lock` held."""
        return None

    def violated(self, call: Call, problems: list[str], what: str) -> None:
        """Take note that somebody did not keep to the description."""
        for problem in problems:
            self.complain(f"{what} {call.method} {call.path}: {problem}")

    def complain(self, problem: str) -> None:
        """Remember what was wrong for the end of the test."""
        self.violations.append(problem)

    # --- serving ----------------------------------------------------------------------------------------------------

    async def _app(self, scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        call, unread = _call(scope, await _body(receive), self.prefix)
        with self.lock:
            call = replace(call, path=self.canonical(call.path))
            described = self.description(call)
            if isinstance(described, Description):
                found = described.find(call.method, call.path)
                if found is not None:
                    call = replace(call, operation=found[0], parameters=found[1])
            fault = self._fault_for(call)
        if fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        with self.lock:
            due = self._answer(call, described, unread) if fault.acts else None
            answer = due if fault.change is None else fault.change(due)
            status = None if fault.cut or answer is None else answer.status
            self.seen.append(Seen(call, call.operation.id if call.operation else None, status))
        if status is not None and answer is not None:
            await _send(send, answer, fault)
        if status is None or fault.sent_bytes is not None:
            await self._cut(scope)

    def _fault_for(self, call: Call) -> Fault:
        name = call.operation.id if call.operation else f"/{call.path.split('/')[1]}"  # addresses are made up once
        for one in self._injected:
            if one.operation_id in {name, EVERY}:
                if one.left is not None:
                    one.left -= 1
                    if one.left == 0:
                        self._injected.remove(one)
                return one.fault
        return Fault()

    def _answer(self, call: Call, described: Description | Answer, unread: str | None) -> Answer:
        outside = self.elsewhere(call)
        if outside is not None:
            return outside
        if isinstance(described, Answer):
            return self.finished(call, described)
        if call.operation is None:
            self.violated(call, ["no such operation"], "request")
            return self.finished(call, Answer(404, {"message": "Not Found"}))
        problems = described.request_problems(call.operation, call.parameters, call.query, call.body)
        problems += [unread] if unread else []
        if problems:
            self.violated(call, problems, "request")
            return self.finished(call, Answer(422, {"message": "; ".join(problems)}))
        answer = self.perform(call)
        self.violated(call, described.answer_problems(call.operation, answer.status, answer.body), "answer of")
        return self.finished(call, answer)

    async def _cut(self, scope: Any) -> None:
        """End the connection of a request at once: ASGI has no words for that."""
        assert self._server is not None
        for connection in list(self._server.server_state.connections):
            if getattr(connection, "client", None) == tuple(scope["client"]):
                connection.transport.abort()
        await asyncio.sleep(0)  # uvicorn hears of it, and does not complain that nothing was answered


def _call(scope: Any, raw: bytes, prefix: str) -> tuple[Call, str | None]:
    """Read a request; the second value says why its body cannot be read."""
    headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
    body, unread = None, None
    if raw:
        try:
            body = json.loads(raw)
        except ValueError:
            unread = "the body is not JSON"
    query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
    path = scope["path"].removeprefix(prefix) if scope["path"].startswith(f"{prefix}/") else scope["path"]
    return Call(scope["method"], path, query, headers, body), unread


async def _body(receive: Callable[[], Any]) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def _send(send: Callable[[Any], Any], answer: Answer, fault: Fault) -> None:
    is_json = answer.body is not None and not isinstance(answer.body, bytes)
    body = json.dumps(answer.body).encode() if is_json else answer.body or b""
    headers = {"Content-Type": "application/json; charset=utf-8"} if is_json else {}
    if answer.status not in {204, 304}:
        headers["Content-Length"] = str(len(body))
    headers |= answer.headers
    written = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    with contextlib.suppress(OSError):  # whoever asked has gone
        await send({"type": "http.response.start", "status": answer.status, "headers": written})
        left = body if fault.sent_bytes is None else body[: fault.sent_bytes]
        if fault.pause_s:
            for start in range(0, len(left), _PIECE_BYTES):
                await send(
                    {"type": "http.response.body", "body": left[start : start + _PIECE_BYTES], "more_body": True}
                )
                await asyncio.sleep(fault.pause_s)
            left = b""
        await send({"type": "http.response.body", "body": left, "more_body": fault.sent_bytes is not None})
