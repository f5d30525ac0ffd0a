"""Drive a gateway over raw sockets, from a process of its own, so that the driver takes no time from what it measures.

A request costs the driver some 30 µs (`accept` prints what it can do against a server that only answers); an HTTP
client library would cost more than the gateway.
"""

import asyncio
import multiprocessing
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, cast

import uvloop

from benchmarks.report import percentile

P = ParamSpec("P")
T = TypeVar("T")
MakeRequest = Callable[[], bytes]

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Answers:
    """How long each request took, in milliseconds, sorted, and how long all of them together took."""

    times_ms: list[float]
    elapsed_s: float

    @property
    def per_s(self) -> float:
        return len(self.times_ms) / self.elapsed_s

    @property
    def p50_ms(self) -> float:
        return percentile(self.times_ms, 0.5)

    @property
    def p99_ms(self) -> float:
        return percentile(self.times_ms, 0.99)


class Driver:
    """The process that sends. `run` calls one of this module's functions in it."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    async def run(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Call `work` there; what goes in and comes out is pickled."""
        return await asyncio.wrap_future(self._pool.submit(work, *arguments, **named))


@contextmanager
def driver() -> Iterator[Driver]:
    """Have a driver process for the length of the block."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield Driver(pool)


def flood(port: int, make: MakeRequest, *, status: int, seconds: float, connections: int = 32) -> Answers:
    """Keep the connections busy: each sends its next request as soon as it has its answer.

    Raises RuntimeError at the first answer that has another status.
    """
    return uvloop.run(_flood(port, make, status, seconds, connections))


def paced(port: int, make: MakeRequest, *, status: int, seconds: float, per_s: int, connections: int = 32) -> Answers:
    """Send at a fixed rate. A request's time begins when it was due, so waiting for a free connection counts.

    Raises RuntimeError at the first answer that has another status.
    """
    return uvloop.run(_paced(port, make, status, seconds, per_s, connections))


class _Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    def __init__(self, answered: Callable[["_Connection"], None], status: int, failed: asyncio.Future[None]) -> None:
        self._answered = answered
        self._good = b"HTTP/1.1 %d " % status
        self._failed = failed
        self._transport: asyncio.WriteTransport
        self._received = b""
        self.began = 0.0  # perf_counter

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's own type

    def send(self, request: bytes, began: float) -> None:
        self.began = began
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        received = self._received + data
        head = received.find(b"\r\n\r\n")
        length = _LENGTH.search(received, 0, head) if head >= 0 else None
        if length is None or len(received) < head + 4 + int(length[1]):
            self._received = received
            return
        self._received = b""
        if not received.startswith(self._good):
            self._fail(f"answered {received[-400:]!r}")
            return
        self._answered(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"closed the connection ({exc!r})")

    def _fail(self, what: str) -> None:
        if not self._failed.done():
            self._failed.set_exception(RuntimeError(f"the server {what}"))

    def close(self) -> None:
        self._transport.close()


async def _open(
    port: int, count: int, answered: Callable[[_Connection], None], status: int, failed: asyncio.Future[None]
) -> list[_Connection]:
    loop = asyncio.get_running_loop()
    opened = []
    for _ in range(count):
        _, connection = await loop.create_connection(lambda: _Connection(answered, status, failed), "127.0.0.1", port)
        opened.append(connection)
    return opened


async def _flood(port: int, make: MakeRequest, status: int, seconds: float, count: int) -> Answers:
    failed = asyncio.get_running_loop().create_future()
    over = asyncio.Event()
    times_ms: list[float] = []
    busy = count

    def answered(connection: _Connection) -> None:
        nonlocal busy
        now = time.perf_counter()
        times_ms.append((now - connection.began) * 1000)
        if now < until:
            connection.send(make(), time.perf_counter())
        else:
            busy -= 1
            if busy == 0:
                over.set()

    connections = await _open(port, count, answered, status, failed)
    began = time.perf_counter()
    until = began + seconds
    for connection in connections:
        connection.send(make(), time.perf_counter())
    await _either(over, failed)
    elapsed_s = time.perf_counter() - began
    _close(connections, failed)
    return Answers(sorted(times_ms), elapsed_s)


async def _paced(port: int, make: MakeRequest, status: int, seconds: float, per_s: int, count: int) -> Answers:
    failed = asyncio.get_running_loop().create_future()
    over = asyncio.Event()
    times_ms: list[float] = []
    total = int(per_s * seconds)
    free: deque[_Connection] = deque()
    due: deque[float] = deque()  # perf_counter of the requests that wait for a connection

    def answered(connection: _Connection) -> None:
        times_ms.append((time.perf_counter() - connection.began) * 1000)
        if len(times_ms) == total:
            over.set()
        free.append(connection)
        send()

    def send() -> None:
        while due and free:
            free.popleft().send(make(), due.popleft())

    connections = await _open(port, count, answered, status, failed)
    free.extend(connections)
    began = time.perf_counter()

    async def clock() -> None:
        for number in range(total):
            moment = began + number / per_s
            await asyncio.sleep(max(0.0, moment - time.perf_counter()))
            due.append(moment)
            send()

    ticking = asyncio.create_task(clock())
    await _either(over, failed)
    await ticking
    elapsed_s = time.perf_counter() - began
    _close(connections, failed)
    return Answers(sorted(times_ms), elapsed_s)


async def _either(over: asyncio.Event, failed: asyncio.Future[None]) -> None:
    """Wait until it is over; raises what failed."""
    waiting = asyncio.ensure_future(over.wait())
    await asyncio.wait([waiting, cast("asyncio.Future[Any]", failed)], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if failed.done():
        failed.result()


def _close(connections: list[_Connection], failed: asyncio.Future[None]) -> None:
    failed.cancel()  # from here on nobody minds a connection that ends
    for connection in connections:
        connection.close()
