"""Whatever a client sends, the answer is an envelope with the right status, and never a 5xx."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from services.gateway.frame import make_gateway
from tests.gateway.sample import authenticate, sample
from tests.gateway.serving import raw, served, status

pytestmark = pytest.mark.asyncio(loop_scope="module")

APP = sample()
JSON = {"content-type": "application/json"}


def error(answer: httpx.Response) -> dict[str, Any]:
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "details"}
    found: dict[str, Any] = body["error"]
    return found


async def test_request_error_is_answered_as_it_stands(client: httpx.AsyncClient) -> None:
    """Status, code, message, details and headers of a RequestError reach the client."""
    answer = await client.get("/closed")
    assert answer.status_code == 409
    assert error(answer) == {"code": "CLOSED", "message": "The garage is closed", "details": {"until": "8:00"}}
    assert answer.headers["retry-after"] == "5"


async def test_unknown_path_and_method(client: httpx.AsyncClient) -> None:
    """An unknown path is 404, a known path with another method 405 with Allow, both in the envelope."""
    answer = await client.get("/nowhere")
    assert (answer.status_code, error(answer)["code"]) == (404, "NOT_FOUND")
    answer = await client.delete("/cars")
    assert (answer.status_code, error(answer)["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert set(answer.headers["allow"].split(", ")) >= {"GET", "POST"}


@pytest.mark.parametrize(
    ("body", "details"),
    [
        (b"{}", [(["body", "name"], "missing")]),
        (b'{"name": 1}', [(["body", "name"], "type_error")]),
        (b'{"name": null}', [(["body", "name"], "type_error")]),
        (b'{"name": "x", "wheels": [{"size": 0}]}', [(["body", "wheels", 0, "size"], "value_error")]),
        (b'{"name": "x", "wheels": [{"size": 1}, {}]}', [(["body", "wheels", 1, "size"], "missing")]),
        (b'{"name": "x", "colour": "red"}', [(["body", "colour"], "extra_forbidden")]),
        (b'["name"]', [(["body"], "type_error")]),
        (b"null", [(["body"], "type_error")]),
        (b'"x"', [(["body"], "type_error")]),
        (b"", [(["body"], "missing")]),
        (b'{"name": "a\\u0000b"}', [(["body", "name"], "value_error")]),
        (b'{"na\\u0000me": "a"}', [(["body"], "value_error")]),
        (b'{"name": "x", "wheels": [{"size": 9223372036854775808}]}', [(["body", "wheels", 0, "size"], "value_error")]),
        (b'{"name": 1e400}', [(["body", "name"], "type_error")]),
        (b'{"name": "' + b"x" * 51 + b'"}', [(["body", "name"], "value_error")]),
    ],
)
async def test_wrong_body_names_the_place(
    client: httpx.AsyncClient, body: bytes, details: list[tuple[list[str | int], str]]
) -> None:
    """A body that is JSON but not what is wanted is 422 with the place, words and kind of each wrong value."""
    answer = await client.post("/cars", content=body, headers=JSON)
    if answer.status_code == 400:  # a number that no JSON reader takes
        assert b"1e400" in body
        return
    assert answer.status_code == 422
    found = error(answer)
    assert found["code"] == "VALIDATION_ERROR"
    assert [(one["loc"], one["type"]) for one in found["details"]] == details
    assert all(one["msg"] for one in found["details"])


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"name": "x"}}',
        b"\xff\xfe",
        b'{"name": "\xff"}',
        b'{"name": "\\ud800"}',
        b'{"name": NaN}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"\0",
        b"'name'",
    ],
)
async def test_broken_json(client: httpx.AsyncClient, body: bytes) -> None:
    """What is no JSON, whatever the reason, is 400 INVALID_JSON."""
    answer = await client.post("/cars", content=body, headers=JSON)
    assert (answer.status_code, error(answer)["code"]) == (400, "INVALID_JSON")


async def test_duplicate_keys_take_the_last(client: httpx.AsyncClient) -> None:
    """A key that stands twice has its last value, as RFC 8259 leaves open and most readers do."""
    answer = await client.post("/cars", content=b'{"name": "a", "name": "b"}', headers=JSON)
    assert (answer.status_code, answer.json()["name"]) == (201, "b")


@pytest.mark.parametrize(
    ("path", "content_type", "expected"),
    [
        ("/cars", "application/json; charset=utf-8", 201),
        ("/cars", "application/merge-patch+json", 201),
        ("/cars", "text/plain", 415),
        ("/cars", "application/x-www-form-urlencoded", 415),
        ("/cars", "application/msgpack", 415),
        ("/cars/lenient", "application/x-www-form-urlencoded", 201),
        ("/cars/lenient", "nonsense", 201),
        ("/form", "application/json", 415),
    ],
)
async def test_content_type(client: httpx.AsyncClient, path: str, content_type: str, expected: int) -> None:
    """A body in a content type that the route does not read is 415; one without any is taken as what is wanted."""
    body = b'{"name": "x"}'
    answer = await client.post(path, content=body, headers={"content-type": content_type})
    assert answer.status_code == expected
    if expected == 415:
        assert error(answer)["code"] == "UNSUPPORTED_MEDIA_TYPE"
    elif path.startswith("/cars"):
        assert (await client.post(path, content=body)).status_code == 201


async def test_form(client: httpx.AsyncClient) -> None:
    """A form is read; a missing field is named."""
    assert (await client.post("/form", data={"name": "x"})).json() == {"name": "x"}
    answer = await client.post("/form", data={"other": "x"})
    assert answer.status_code == 422
    assert error(answer)["details"][0]["loc"] == ["body", "name"]


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("limit=", "limit"),
        ("limit=1e3", "limit"),
        ("offset=-1", "offset"),
        ("offset=99999999999999999999999", "offset"),
        ("limit=%ff", "limit"),
    ],
)
async def test_wrong_query(client: httpx.AsyncClient, query: str, place: str) -> None:
    """A query value out of range or of another type is 422 and named."""
    answer = await client.get(f"/cars?{query}", headers={"x-api-key": "reader"})
    assert answer.status_code == 422
    assert error(answer)["details"][0]["loc"] == ["query", place]


async def test_nul_in_query(client: httpx.AsyncClient) -> None:
    """NUL in the query is 422: PostgreSQL cannot store it, and no filter can find it."""
    answer = await client.get("/cars?repo=a%00b", headers={"x-api-key": "reader"})
    assert (answer.status_code, error(answer)["code"]) == (422, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/cars/12", 200),
        ("/cars/x", 404),
        ("/cars/9223372036854775807", 200),
        ("/cars/9223372036854775808", 404),
        ("/cars/-99999999999999999999", 404),
        ("/cars/" + "9" * 5000, 404),
        ("/names/a%00b", 404),
        ("/names/%ff%fe", 200),
        ("/names/%ed%a0%80", 200),
        ("/names/%zz", 200),
        ("/names/%", 200),
        ("/names/..%2f..%2fetc", 404),
        ("/by-id/x", 404),
        ("//cars//12//", 200),
    ],
)
async def test_odd_paths(client: httpx.AsyncClient, path: str, expected: int) -> None:
    """A path with odd bytes, numbers or escapes finds its thing or is 404."""
    answer = await raw(client, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert status(answer) == expected, answer


@pytest.mark.parametrize(
    "head",
    [
        b"GET /names/\xff\xfe HTTP/1.1\r\nHost: x\r\n",
        b"GET /names/a\x00b HTTP/1.1\r\nHost: x\r\n",
        b"GET /anybody HTTP/1.1\r\nHost: x\r\nX-API-Key: \xff\xfe\xc3\x28\r\n",
        b"GET /anybody HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xe2\x82\xac\r\n",
        b"GET /anybody HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + b"[" * 20_000 + b"\r\n",
        b"GET /anybody HTTP/1.1\r\nHost: x\r\nCookie: \xff=\xfe; a=%00\r\n",
        b"POST /cars HTTP/1.1\r\nHost: x\r\nContent-Type: \xff/\xfe; charset=\xfd\r\nContent-Length: 2\r\n",
        b"GET /names/a HTTP/1.1\r\nHost: x\r\nX-Request-ID: \xff\xfe\r\nAccept: \xff\r\n",
        b"GET /names/a HTTP/1.1\r\nHost: \xff\xfe\r\n",
        b"GET /names/a HTTP/1.1\r\nHost: a b\r\n",
        b"POST /cars HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n",
        b"POST /cars HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n",
        b"FOO /cars HTTP/1.1\r\nHost: x\r\n",
        b"GET http://[::1/ HTTP/1.1\r\nHost: x\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n",
        b"GET /names/a HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
    ],
)
async def test_odd_bytes_in_heads(client: httpx.AsyncClient, head: bytes) -> None:
    """Invalid bytes in the request line or in headers never end in a 5xx."""
    answer = await raw(client, head + b"\r\n" + b"{}" * head.count(b"Content-Length: 2\r\n"))
    assert status(answer) < 500, answer


async def test_mistake_of_ours_leaks_nothing(client: httpx.AsyncClient) -> None:
    """An unexpected exception is 500 with no inside, and stands in the log with its traceback and the request's id."""
    with capture_logs() as lines:
        answer = await client.get("/boom", headers={"x-request-id": "find-me"})
    assert (answer.status_code, error(answer)["code"]) == (500, "INTERNAL_ERROR")
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["x-request-id"] == "find-me"
    [line] = [line for line in lines if line["event"] == "request_failed"]
    assert isinstance(line["exc_info"], RuntimeError)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.sampled_from(["name", "wheels"]), inner),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.one_of(st.binary(max_size=200), _json.map(lambda value: json.dumps(value).encode())))
async def test_no_body_is_a_5xx(body: bytes) -> None:
    """No body at all, JSON or not, is answered by a 5xx."""
    transport = httpx.ASGITransport(APP)  # type: ignore[arg-type] # litestar types ASGI more strictly
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        assert (await client.post("/cars", content=body, headers=JSON)).status_code in (201, 400, 422)


async def test_served_without_a_slice_is_404() -> None:
    """An empty frame answers in the envelope too."""
    async with served(make_gateway([], authenticate=authenticate)) as client:
        assert error(await client.get("/jobs"))["code"] == "NOT_FOUND"
