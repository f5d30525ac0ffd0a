"""Many clients of one event stream, in a process of their own that is driven by lines of JSON.

`python -m benchmarks.clients PORT PATH` reads commands from standard input and answers each with one line:

    {"open": 1000}                        connect so many more; answers when all have the head of their answer
    {"open": 1000, "after": "17-0"}       the same with Last-Event-ID
    {"until": 100}                        wait until every client has line 100
    {"take": true}                        what came since the last take
    {"drop": true}                        close all connections

A client looks for line numbers and for the times that `benchmarks.demo` writes into lines, and reads nothing else:
10,000 clients that parsed JSON would measure themselves.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import Sequence
from typing import Any, Self, cast

import uvloop

from benchmarks.demo import MARK
from benchmarks.report import percentile
from benchmarks.servers import API_KEY, ROOT

# A listening socket keeps 2,048 clients waiting; as many at once leave room for others.
_AT_ONCE = 500
_WRITTEN = re.compile(MARK.encode() + rb"([0-9.]+):")
_NUMBER = re.compile(rb'"id":(\d+),')
_ID = re.compile(rb"\nid: (\S+)\n")


class Clients:
    """The client process, as the benchmark sees it; `async with` ends it."""

    def __init__(self, port: int, path: str) -> None:
        self._arguments = (str(port), path)
        self._process: asyncio.subprocess.Process

    async def __aenter__(self) -> Self:
        argv = (sys.executable, "-m", "benchmarks.clients", *self._arguments)
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(*argv, cwd=ROOT, stdin=pipe, stdout=pipe)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def ask(self, **command: Any) -> dict[str, Any]:
        """Send a command; answers its answer. Raises RuntimeError when the process has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the clients' process has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


# --- in the process ---------------------------------------------------------------------------------------------------


class _Client(asyncio.Protocol):
    """One open stream."""

    def __init__(self, crowd: "_Crowd", request: bytes) -> None:
        self._crowd = crowd
        self._request = request
        self._rest = b""
        self.opened = asyncio.get_running_loop().create_future()
        self.transport: asyncio.WriteTransport
        self.last_n = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.WriteTransport", transport)  # uvloop's own type
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        received = self._rest + data
        if not self.opened.done():
            head, separator, received = received.partition(b"\r\n\r\n")
            if not separator:
                self._rest = head
                return
            if b" 200 " in head[:20]:
                self.opened.set_result(None)
            else:
                self.opened.set_exception(RuntimeError(f"answered {head[:200]!r}"))
        end = received.rfind(b"\n\n") + 2
        if end >= 2:
            self._crowd.note(self, b"\n" + received[:end])
            received = received[end:]
        self._rest = received

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(RuntimeError(f"closed before any answer: {exc!r}"))


class _Crowd:
    """All clients and what came to them."""

    def __init__(self, port: int, path: str) -> None:
        self._port = port
        self._path = path
        self._clients: list[_Client] = []
        self._times_ms: list[float] = []
        self._frames = self._wrong = 0
        self._ids: dict[int, str] = {}  # line number -> event id under which it came
        self._goal: int | None = None
        self._behind: set[_Client] = set()
        self._there = asyncio.Event()

    def note(self, client: _Client, frames: bytes) -> None:
        now = time.time()
        self._frames += frames.count(b"data: ")
        self._times_ms += [(now - float(written)) * 1000 for written in _WRITTEN.findall(frames)]
        for frame in frames.split(b"\n\n"):
            for number in map(int, _NUMBER.findall(frame)):
                if client.last_n not in (0, number - 1):
                    self._wrong += 1
                client.last_n = number
                if number not in self._ids and (found := _ID.search(frame)):
                    self._ids[number] = found[1].decode()
        if self._goal is not None and client.last_n >= self._goal:
            self._behind.discard(client)
            if not self._behind:
                self._there.set()

    async def open(self, count: int, after: str | None) -> dict[str, Any]:
        began = time.perf_counter()
        more = "" if after is None else f"Last-Event-ID: {after}\r\n"
        request = (
            f"GET {self._path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
            f"X-API-Key: {API_KEY}\r\n{more}\r\n"
        ).encode()
        gate = asyncio.Semaphore(_AT_ONCE)
        loop = asyncio.get_running_loop()

        async def one() -> _Client:
            async with gate:
                _, client = await loop.create_connection(lambda: _Client(self, request), "127.0.0.1", self._port)
                await client.opened
                return client

        self._clients += await asyncio.gather(*(one() for _ in range(count)))
        return {"seconds": time.perf_counter() - began}

    async def until(self, number: int) -> dict[str, Any]:
        began = time.perf_counter()
        self._goal = number
        self._behind = {client for client in self._clients if client.last_n < number}
        self._there.clear()
        if self._behind:
            async with asyncio.timeout(120):
                await self._there.wait()
        self._goal = None
        return {"seconds": time.perf_counter() - began}

    def take(self) -> dict[str, Any]:
        times = sorted(self._times_ms)
        answer = {
            "frames": self._frames,
            "lines": len(times),
            "p50_ms": percentile(times, 0.5),
            "p99_ms": percentile(times, 0.99),
            "wrong": self._wrong,  # lines that came twice or after a gap
            "ids": self._ids,
        }
        self._times_ms, self._frames, self._wrong = [], 0, 0
        return answer

    def drop(self) -> dict[str, Any]:
        for client in self._clients:
            client.transport.abort()
        self._clients.clear()
        return {}


async def main(port: int, path: str) -> None:
    crowd = _Crowd(port, path)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        match json.loads(line):
            case {"open": int(count), "after": str(after)}:
                answer = await crowd.open(count, after)
            case {"open": int(count)}:
                answer = await crowd.open(count, None)
            case {"until": number}:
                answer = await crowd.until(number)
            case {"take": _}:
                answer = crowd.take()
            case _:
                answer = crowd.drop()
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _arguments(argv: Sequence[str]) -> tuple[int, str]:
    return int(argv[1]), argv[2]


if __name__ == "__main__":
    uvloop.run(main(*_arguments(sys.argv)))
