"""Polled reads are tagged, and answered by 304 to whom has the newest answer; HEAD is GET without the content."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from litestar import Response, Router, get, post
from litestar.params import FromPath
from prometheus_client import REGISTRY

from libs.common.errors import Conflict
from libs.common.http.etags import POLLED, weak_tag
from libs.common.http.guards import OPEN
from libs.common.http.streaming import ByteStream
from libs.common.http.waiting import WAITS
from services.gateway.frame import make_gateway
from services.gateway.openapi import document
from tests.gateway.sample import Garage, authenticate, sample
from tests.gateway.serving import raw, served, status

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def polled() -> AsyncIterator[httpx.AsyncClient]:
    """A gateway whose routes show values that a test may change."""

    @get("/values/{name:str}", opt=OPEN | POLLED)
    async def read(name: FromPath[str]) -> dict[str, str]:
        return {"name": name}

    @get("/versions/{version:int}", opt=OPEN | POLLED)
    async def read_version(version: FromPath[int]) -> Response[dict[str, float]]:
        headers = {"ETag": weak_tag(version), "Cache-Control": "no-store", "Vary": "Accept"}
        return Response({"now": asyncio.get_running_loop().time()}, headers=headers)

    @get("/conflict", opt=OPEN | POLLED)
    async def refuse() -> str:
        raise Conflict("Not now")

    async def chunks() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    @get("/stream", opt=OPEN | POLLED)
    async def stream() -> ByteStream:
        return ByteStream(chunks(), media_type="text/plain")

    @post("/values", opt=OPEN | POLLED, status_code=200)
    async def write() -> str:
        return "written"

    routes = Router("/", route_handlers=[read, read_version, refuse, stream, write])
    async with served(make_gateway([routes], authenticate=authenticate)) as client:
        yield client


async def test_what_has_not_changed_is_not_sent_again(polled: httpx.AsyncClient) -> None:
    """The second read with the first one's tag is a 304 without a body, with the tag and without a content type."""
    first = await polled.get("/values/a")
    tag = first.headers["etag"]
    assert first.json() == {"name": "a"}
    assert first.headers["cache-control"] == "private, no-cache"
    second = await polled.get("/values/a", headers={"If-None-Match": tag})
    assert (second.status_code, second.content, second.headers["etag"]) == (304, b"", tag)
    assert second.headers["cache-control"] == "private, no-cache"
    assert "x-request-id" in second.headers
    assert not {"content-type", "content-length"} & set(second.headers)


async def test_pages_of_other_origins_may_read_what_they_need(garage: Garage) -> None:
    """A browser shows a page the tag and the standing, and lets it send tags and preferences."""
    origin = {"Origin": "https://ui.example.org"}
    async with served(sample(garage, cors_origins=("https://ui.example.org",))) as client:
        shown = (await client.get("/names/a", headers=origin)).headers["access-control-expose-headers"].lower()
        assert {"etag", "preference-applied", "ratelimit-remaining", "retry-after"} <= set(shown.split(", "))
        asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "If-None-Match, Prefer"}
        allowed = await client.options("/names/a", headers={**origin, **asked})
        assert allowed.status_code == 204
        assert {"if-none-match", "prefer"} <= set(allowed.headers["access-control-allow-headers"].lower().split(", "))


async def test_what_the_document_says() -> None:
    """A polled route documents If-None-Match and the 304 that has no body, a waiting one Prefer, any other neither."""

    @get("/polled", opt=OPEN | POLLED)
    async def polled() -> str:
        return ""

    @post("/waiting", opt=OPEN | WAITS)
    async def waiting() -> str:
        return ""

    paths = document(make_gateway([polled, waiting], authenticate=authenticate))["paths"]
    read, start = paths["/polled"]["get"], paths["/waiting"]["post"]
    assert [parameter["name"] for parameter in read["parameters"]] == ["If-None-Match"]
    assert "content" not in read["responses"]["304"]
    assert [parameter["name"] for parameter in start["parameters"]] == ["Prefer"]
    assert "304" not in start["responses"]


async def test_what_has_changed_is_sent(polled: httpx.AsyncClient) -> None:
    """Another answer has another tag, and a tag that is not the newest one's gets the whole answer."""
    old = (await polled.get("/values/a")).headers["etag"]
    answer = await polled.get("/values/b", headers={"If-None-Match": old})
    assert (answer.status_code, answer.json()) == (200, {"name": "b"})
    assert answer.headers["etag"] != old


@pytest.mark.parametrize(
    ("asked", "status_code"),
    [
        ("{tag}", 304),
        ("W/{tag}", 304),
        ('"x", {tag}', 304),
        ('"x,y" , W/"z",{tag}', 304),
        ("*", 304),
        ('"x"', 200),
        ("{bare}", 200),
        ("", 200),
        ('"', 200),
        ("*, {bare}", 200),
        ("W/", 200),
    ],
)
async def test_forms_of_the_header(polled: httpx.AsyncClient, asked: str, status_code: int) -> None:
    """Lists, weak tags and `*` are understood; what is no tag matches nothing and is no error."""
    tag = (await polled.get("/values/a")).headers["etag"]
    header = asked.format(tag=tag, bare=tag.strip('"'))
    assert (await polled.get("/values/a", headers={"If-None-Match": header})).status_code == status_code


async def test_several_headers_are_one_list(polled: httpx.AsyncClient) -> None:
    """A header that stands twice counts like one with commas."""
    tag = (await polled.get("/values/a")).headers["etag"]
    headers = [("If-None-Match", '"x"'), ("If-None-Match", tag)]
    assert (await polled.get("/values/a", headers=headers)).status_code == 304


async def test_a_tag_of_the_handler_s_own(polled: httpx.AsyncClient) -> None:
    """A weak tag from a version answers 304 although the body would differ; the handler's headers stay."""
    first = await polled.get("/versions/3")
    assert first.headers["etag"].startswith('W/"')
    second = await polled.get("/versions/3", headers={"If-None-Match": first.headers["etag"]})
    assert (second.status_code, second.headers["cache-control"], second.headers["vary"]) == (304, "no-store", "Accept")
    assert (await polled.get("/versions/4", headers={"If-None-Match": first.headers["etag"]})).status_code == 200


async def test_only_whole_successes_are_tagged(polled: httpx.AsyncClient) -> None:
    """Refusals, streams and other methods go through as they are, whatever the client has."""
    for method, path, status_code in (("GET", "/conflict", 409), ("GET", "/stream", 200), ("POST", "/values", 200)):
        answer = await polled.request(method, path, headers={"If-None-Match": "*"})
        assert (answer.status_code, "etag" in answer.headers) == (status_code, False)
        assert answer.content


async def test_head_is_get_without_the_content(polled: httpx.AsyncClient) -> None:
    """HEAD answers the status and headers of GET, its length and tag included, and nothing behind them."""
    for path in ("/values/a", "/nowhere", "/conflict", "/api/openapi.json"):
        got, head = await polled.get(path), await polled.head(path)
        assert (head.status_code, head.content) == (got.status_code, b"")
        ours = {"x-request-id", "x-correlation-id", "date"}
        assert {*head.headers.items()} - {*got.headers.items()} == {
            (name, value) for name, value in head.headers.items() if name in ours and got.headers[name] != value
        }
    tag = (await polled.get("/values/a")).headers["etag"]
    assert (await polled.head("/values/a", headers={"If-None-Match": tag})).status_code == 304


async def test_a_connection_lives_on_after_head(polled: httpx.AsyncClient) -> None:
    """Two requests on one connection: the answer to HEAD has no body that would be taken for the next answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", polled.base_url.port)
    writer.write(b"HEAD /values/a HTTP/1.1\r\nHost: x\r\n\r\nGET /values/b HTTP/1.1\r\nHost: x\r\n\r\n")
    first = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    second = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert (status(first), status(second)) == (200, 200)
    assert b"content-length: 12" in first.lower()
    assert await asyncio.wait_for(reader.readexactly(12), 10) == b'{"name":"b"}'
    writer.close()


async def test_head_of_a_stream_ends_at_once(client: httpx.AsyncClient, garage: Garage) -> None:
    """The head of an endless stream is answered, and the stream does not go on behind it."""
    garage.stream_closed.clear()
    answer = await client.head("/stream")
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "text/event-stream", b"")
    await asyncio.wait_for(garage.stream_closed.wait(), 10)


async def test_head_is_logged_and_counted_as_head(polled: httpx.AsyncClient) -> None:
    """The metrics tell HEAD from GET."""
    labels = {"method": "HEAD", "route": "/values/{name}", "status": "200"}
    before = REGISTRY.get_sample_value("slipway_http_requests_total", labels) or 0
    await polled.head("/values/a")
    assert REGISTRY.get_sample_value("slipway_http_requests_total", labels) == before + 1


async def test_head_where_there_is_no_get(polled: httpx.AsyncClient) -> None:
    """A path without GET refuses HEAD too."""
    answer = await polled.head("/values")
    assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (405, {"POST", "OPTIONS"})


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT", "PATCH"])
async def test_a_refused_method_says_which_are_allowed(polled: httpx.AsyncClient, method: str) -> None:
    """405 names the methods that the path knows, HEAD among them."""
    answer = await polled.request(method, "/values/a")
    assert answer.status_code == 405
    assert {word.strip() for word in answer.headers["allow"].split(",")} == {"GET", "HEAD", "OPTIONS"}


async def test_head_with_http_1_0(polled: httpx.AsyncClient) -> None:
    """Old proxies' probes get the head and the end of the connection."""
    answer = await raw(polled, b"GET /values/a HTTP/1.0\r\n\r\n")
    assert status(answer) == 200
