"""Webhooks accepted per second and how long each takes: `python -m benchmarks.accept [seconds]`.

One gateway process, real HTTP on loopback, signed 8 kB pushes, each of another commit, so that each makes a build and a
job. Two loads: as fast as 32 connections can, and 200 a second. Beside it `GET /livez`, which touches nothing: what the
machine and the frame cost without any storage.
"""

import asyncio
import hashlib
import hmac
import json
import os
import sys
import time
from collections.abc import Callable
from itertools import count

from benchmarks.servers import process, servers
from tests.servers import free_port

SECRET = b"benchmark-webhook-secret"
_numbers = count()


def delivery() -> bytes:
    """A signed push of a commit that was never seen, as bytes of a request."""
    number = next(_numbers)
    sha = hashlib.sha1(str(number).encode(), usedforsecurity=False).hexdigest()
    commit = {"id": sha, "message": "m" * 7000, "added": [], "removed": [], "modified": ["src/a.py"]}
    payload = {
        "ref": f"refs/heads/b{number % 500}",
        "after": sha,
        "commits": [commit],
        "head_commit": commit,
        "total_commits": 1,
        "repository": {"full_name": f"ada/r{number % 20}", "clone_url": "https://git.example.org/r.git"},
        "pusher": {"login": "ada"},
    }
    body = json.dumps(payload).encode()
    headers = {
        "Host": "localhost",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "X-Gitea-Event": "push",
        "X-Gitea-Delivery": f"{os.getpid()}-{number}",
        "X-Gitea-Signature": hmac.new(SECRET, body, hashlib.sha256).hexdigest(),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /webhook/gitea HTTP/1.1\r\n{head}\r\n".encode() + body


def reading() -> bytes:
    return b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, status: bytes) -> float:
    """Send one request and read its answer; answers milliseconds."""
    began = time.perf_counter()
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    body = await reader.readexactly(length)
    if status not in head[:20]:
        raise RuntimeError(f"{head[:20]!r} {body[:200]!r}")
    return (time.perf_counter() - began) * 1000


async def flood(port: int, make: Callable[[], bytes], status: bytes, seconds: float) -> list[float]:
    """Keep 32 connections busy; answers the milliseconds of each request."""
    times: list[float] = []
    until = time.monotonic() + seconds

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.monotonic() < until:
            times.append(await one(reader, writer, make(), status))
        writer.close()

    await asyncio.gather(*(connection() for _ in range(32)))
    return sorted(times)


async def paced(port: int, per_s: int, seconds: float) -> list[float]:
    """Send deliveries at a fixed rate over 32 connections; the wait for a free one counts."""
    times: list[float] = []
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(32):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port))

    async def send(request: bytes) -> None:
        began = time.perf_counter()
        connection = await free.get()
        await one(*connection, request, b" 202 ")
        times.append((time.perf_counter() - began) * 1000)
        free.put_nowait(connection)

    tasks = []
    start = time.monotonic()
    for number in range(int(per_s * seconds)):
        request = delivery()
        await asyncio.sleep(max(0.0, start + number / per_s - time.monotonic()))
        tasks.append(asyncio.create_task(send(request)))
    await asyncio.gather(*tasks)
    while not free.empty():
        free.get_nowait()[1].close()
    return sorted(times)


async def ready(port: int) -> None:
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await one(reader, writer, reading(), b" 200 ")
            writer.close()
        except OSError:
            await asyncio.sleep(0.1)
        else:
            return


def percentile(times: list[float], share: float) -> float:
    return times[min(int(len(times) * share), len(times) - 1)]


async def main(seconds: float) -> None:
    print(f"{'database':<12}{'load':<28}{'per s':>8}{'p50 ms':>9}{'p99 ms':>9}")
    for kind in ("postgresql", "sqlite"):
        with servers(kind) as at:
            port = free_port()
            with process("services.gateway", {**at.environ, "API_PORT": str(port)}):
                await ready(port)
                await flood(port, delivery, b" 202 ", 1.0)  # warm: repositories are registered, statements compiled
                for name, times in (
                    ("livez, 32 connections", await flood(port, reading, b" 200 ", seconds)),
                    ("webhook, 32 connections", await flood(port, delivery, b" 202 ", seconds)),
                ):
                    row = f"{len(times) / seconds:>8.0f}{percentile(times, 0.5):>9.1f}{percentile(times, 0.99):>9.1f}"
                    print(f"{kind:<12}{name:<28}{row}")
                times = await paced(port, 200, seconds)
                row = f"{200:>8}{percentile(times, 0.5):>9.1f}{percentile(times, 0.99):>9.1f}"
                print(f"{kind:<12}{'webhook, 200/s':<28}{row}")


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0))
