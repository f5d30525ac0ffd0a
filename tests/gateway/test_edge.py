"""What every answer carries, what every request leaves in the log and the metrics, and where bodies end."""

import asyncio
import contextlib
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from libs.common.http.edge import client_address
from tests.gateway.sample import Garage, sample
from tests.gateway.serving import raw, served, status

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("path", ["/names/a", "/nowhere", "/boom", "/closed", "/anybody"])
async def test_every_answer_has_ids_and_security_headers(client: httpx.AsyncClient, path: str) -> None:
    """Success, 404, 500, 409 and 401 alike carry both request ids and the security headers."""
    answer = await client.get(path)
    assert len(answer.headers["x-request-id"]) == 32
    assert answer.headers["x-correlation-id"] == answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("abc-123", True),
        ("0199f3a2-6c1e-7b60-9d0a-3f2b8f6e7a11", True),
        ("a b", False),
        ("x" * 65, False),
        ("a\tb", False),
        ("é", False),
    ],
)
async def test_sane_request_id_is_taken_over(client: httpx.AsyncClient, given: str, taken: bool) -> None:
    """A request id that cannot forge headers or log lines is kept, any other replaced."""
    answer = await client.get("/names/a", headers=[(b"x-request-id", given.encode("latin-1"))])
    assert (answer.headers["x-request-id"] == given) is taken


async def test_correlation_id_alone_is_taken_over(client: httpx.AsyncClient) -> None:
    """A caller that knows only X-Correlation-ID finds its id again."""
    answer = await client.get("/names/a", headers={"x-correlation-id": "trace-7"})
    assert answer.headers["x-request-id"] == "trace-7"


async def test_one_log_line_per_request(client: httpx.AsyncClient) -> None:
    """A request leaves one line with its ids, method, path, status and duration, and never its query."""
    with capture_logs([merge_contextvars]) as lines:
        await client.get("/names/a?token=hunter2", headers={"x-request-id": "r1"})
        await client.get("/nowhere", headers={"x-request-id": "r2"})
    first, second = [line for line in lines if line["event"] == "request"]
    assert (first["method"], first["path"], first["status_code"]) == ("GET", "/names/a", 200)
    assert (first["request_id"], first["correlation_id"]) == ("r1", "r1")
    assert first["duration_ms"] >= 0
    assert (second["path"], second["status_code"], second["request_id"]) == ("/nowhere", 404, "r2")
    assert "hunter2" not in repr(lines)


async def test_requests_are_counted_by_route(client: httpx.AsyncClient) -> None:
    """Counters know the route's template, never the values in a path."""
    before = _count("/names/{name}", "200"), _count("unmatched", "404")
    await client.get("/names/one")
    await client.get("/names/two")
    await client.get("/random/8f2e")
    assert _count("/names/{name}", "200") == before[0] + 2
    assert _count("unmatched", "404") == before[1] + 1


def _count(route: str, status_code: str) -> float:
    labels = {"method": "GET", "route": route, "status": status_code}
    return REGISTRY.get_sample_value("slipway_http_requests_total", labels) or 0


async def test_large_body_is_413(client: httpx.AsyncClient) -> None:
    """A body over 1 MB is 413, announced or chunked, and the connection is closed instead of read on."""
    answer = await client.post("/cars", content=b"x" * (1024 * 1024 + 1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "BODY_TOO_LARGE")
    assert answer.headers["connection"] == "close"


async def test_chunked_body_without_end_is_413(client: httpx.AsyncClient) -> None:
    """A chunked body that never ends is answered and cut off once it is over the limit."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
    writer.write(b"POST /cars HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    answer = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(10):
            while not answer.done():
                writer.write(chunk)
                await asyncio.gather(writer.drain(), asyncio.wait({answer}, timeout=0.01))
    head = await answer
    assert status(head) == 413
    assert b"connection: close" in head.lower()
    writer.close()


async def test_refusal_before_the_body_closes(client: httpx.AsyncClient) -> None:
    """An answer that comes before the body was read (401) does not wait for the rest of it."""
    head = b"POST /cars/wash HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n"
    answer = await raw(client, head)
    assert status(answer) == 401
    assert b"connection: close" in answer.lower()


async def test_stream_ends_with_its_client(client: httpx.AsyncClient, garage: Garage) -> None:
    """The iterator of a stream is closed when its client leaves, and its chunks come as they are made."""
    async with client.stream("GET", "/stream") as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-cache"
        async for chunk in answer.aiter_bytes():
            assert chunk == b"first\n"
            break
    await asyncio.wait_for(garage.stream_closed.wait(), 10)


async def test_download_is_whole(client: httpx.AsyncClient) -> None:
    """A stream that ends, ends the answer, and the connection goes on."""
    assert (await client.get("/download")).content == b"abc"
    assert (await client.get("/download")).content == b"abc"


async def test_stream_that_breaks_is_not_whole(client: httpx.AsyncClient) -> None:
    """An iterator that raises cuts the answer, so that the client cannot take it for a whole one."""
    with capture_logs() as lines, pytest.raises(httpx.RemoteProtocolError):
        await client.get("/breaks")
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["answer_broken_off"]


@pytest.mark.parametrize(
    ("hops", "forwarded", "expected"),
    [
        (0, "1.1.1.1", "127.0.0.1"),
        (1, "1.1.1.1", "1.1.1.1"),
        (1, "6.6.6.6, 1.1.1.1", "1.1.1.1"),
        (2, "6.6.6.6, 1.1.1.1, 10.0.0.2", "1.1.1.1"),
        (2, "1.1.1.1", "127.0.0.1"),
        (1, "", "127.0.0.1"),
    ],
)
async def test_client_address(hops: int, forwarded: str, expected: str) -> None:
    """X-Forwarded-For is believed as far as trusted proxies wrote it, and not at all without one."""
    async with served(sample(proxy_hops=hops)) as client:
        answer = await client.get("/names/a", headers={"x-forwarded-for": forwarded})
        assert answer.json()["client"] == expected


async def test_client_address_of_a_unix_socket() -> None:
    """A Unix socket has no peer address."""
    scope: Any = {"client": None, "headers": []}
    assert client_address(scope, 0) == ""


async def test_cors_only_for_named_origins() -> None:
    """A page of a named origin may call; others get no permission, and without the setting nobody does."""
    async with served(sample(cors_origins=("https://ui.example.org",))) as client:
        preflight = {"origin": "https://ui.example.org", "access-control-request-method": "POST"}
        answer = await client.options("/cars", headers=preflight)
        assert answer.headers["access-control-allow-origin"] == "https://ui.example.org"
        answer = await client.get("/names/a", headers={"origin": "https://evil.example.org"})
        assert "access-control-allow-origin" not in answer.headers
    async with served(sample()) as client:
        answer = await client.get("/names/a", headers={"origin": "https://ui.example.org"})
        assert "access-control-allow-origin" not in answer.headers
