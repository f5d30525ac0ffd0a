"""Input that no forge sends: nothing of it is a 5xx, a traceback or a job, and every answer is in the envelope."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from libs.common.jobs.models import Job
from services.builds.models import Delivery
from tests.builds.forges.payloads import (
    FORGES,
    SignedRequest,
    push_payload,
    push_request,
    sign,
)
from tests.gateway.serving import raw, status
from tests.webhooks.site import SECRETS, Site

pytestmark = pytest.mark.databases("sqlite")

MB = 1024 * 1024
JSON = {"Content-Type": "application/json"}
SIGNATURE = {
    "gitea": "X-Gitea-Signature",
    "forgejo": "X-Forgejo-Signature",
    "github": "X-Hub-Signature-256",
    "gitlab": "X-Gitlab-Token",
}


def _signed(forge: str, body: bytes, *, content_type: str = "application/json") -> SignedRequest:
    """Sign bytes that need not be JSON, by the way of the forge, as a push."""
    request = sign(forge, "push", {}, secret=SECRETS[forge])
    if forge != "gitlab":
        digest = hmac.new(SECRETS[forge].encode(), body, hashlib.sha256).hexdigest()
        request.headers[SIGNATURE[forge]] = ("sha256=" if forge == "github" else "") + digest
    return SignedRequest(request.headers | {"Content-Type": content_type}, body)


def _error(answer: httpx.Response) -> dict[str, Any]:
    body = answer.json()
    assert set(body) == {"error"}, body
    assert set(body["error"]) == {"code", "message", "details"}
    assert answer.headers["x-request-id"] == answer.headers["x-correlation-id"]
    assert "Traceback" not in answer.text
    found: dict[str, Any] = body["error"]
    return found


@pytest.mark.parametrize("forge", FORGES)
@pytest.mark.slow
async def test_signatures_that_prove_nothing(site: Site, forge: str) -> None:
    """Missing, empty, wrong and foreign signatures are 401 with a reason, and nothing is built."""
    header, good = SIGNATURE[forge], push_request(forge, secret=SECRETS[forge])
    value = good.headers[header]
    other = good.headers | {"Content-Type": "application/json"}
    del other[header]
    other.pop("X-Gitea-Signature", None)
    attempts = {
        "missing": other,
        "empty": other | {header: ""},
        "wrong": other | {header: value[:-1] + ("0" if value[-1] != "0" else "1")},
        "short": other | {header: value[:-1]},
        "twice": other | {header: f"{value},{value}"},
        "upper case algorithm": other | {header: f"SHA256={value}"},
        "sha1": other | {header: "sha1=" + "0" * 40},
        "sha512": other | {header: "sha512=" + "0" * 128},
        "not hex": other | {header: "sha256=" + "z" * 64},
        "latin-1": other | {header: "é" * 64},
        "huge": other | {header: "0" * 60_000},
    }
    for name, headers in attempts.items():
        encoded = [(key.encode(), text.encode("latin-1")) for key, text in headers.items()]
        answer = await site.client.post(f"/webhook/{forge}", content=good.body, headers=encoded)
        assert answer.status_code == 401, (name, answer.text)
        error = _error(answer)
        assert error["code"] == "INVALID_SIGNATURE", name
        assert error["details"]["reason"].startswith("SIGNATURE_"), name
        assert SECRETS[forge] not in answer.text
    assert await site.rows(Job) == []
    assert {row.verdict for row in await site.rows(Delivery)} == {"refused"}


@pytest.mark.parametrize("forge", FORGES)
@pytest.mark.slow
async def test_a_changed_body_is_refused(site: Site, forge: str) -> None:
    """One byte more than was signed is 401, where the forge signs bodies."""
    request = push_request(forge, secret=SECRETS[forge])
    answer = await site.post(forge, SignedRequest(request.headers, request.body + b" "))
    assert answer.status_code == (202 if forge == "gitlab" else 401)  # GitLab's plain token signs nothing


BODIES = {
    "empty": (b"", "EMPTY_BODY"),
    "spaces": (b" \n ", "EMPTY_BODY"),
    "text": (b"hello", "INVALID_JSON"),
    "half": (b'{"ref": "refs/heads/ma', "INVALID_JSON"),
    "two values": (b"{}{}", "INVALID_JSON"),
    "list": (b"[]", "INVALID_PAYLOAD"),
    "null": (b"null", "INVALID_PAYLOAD"),
    "number": (b"1", "INVALID_PAYLOAD"),
    "nothing in it": (b"{}", "INVALID_PAYLOAD"),
    "deep lists": (b"[" * 100_000, "PAYLOAD_TOO_DEEP"),
    "deep objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "PAYLOAD_TOO_DEEP"),
    "invalid UTF-8": (b'{"ref": "\xff\xfe"}', "INVALID_JSON"),
    "UTF-16": ('{"ref": "x"}'.encode("utf-16"), "INVALID_JSON"),
    "byte order mark": (b'\xef\xbb\xbf{"ref": "x"}', "INVALID_JSON"),
    "NUL": (b"\0", "INVALID_JSON"),
    "raw NUL in a string": (b'{"ref": "refs/heads/a\0b"}', "INVALID_JSON"),
    "NUL escape in a ref": (b'{"ref": "refs/heads/a\\u0000b"}', "INVALID_PAYLOAD"),
    "lone surrogate in a ref": (b'{"ref": "refs/heads/a\\ud800b"}', "INVALID_PAYLOAD"),
    "duplicate keys": (b'{"ref": "refs/heads/a", "ref": "refs/heads/b"}', "INVALID_JSON"),
    "NaN": (b'{"a": NaN}', "INVALID_JSON"),
    "infinite": (b'{"a": 1e999}', "INVALID_JSON"),
    "endless number": (b'{"a": ' + b"9" * 5000 + b"}", "INVALID_JSON"),
    "ref of 300 characters": (
        json.dumps(push_payload("github", ref="refs/heads/" + "x" * 300)).encode(),
        "INVALID_PAYLOAD",
    ),
    "ref that is a number": (json.dumps(push_payload("github") | {"ref": 7}).encode(), "INVALID_PAYLOAD"),
    "sha that is none": (json.dumps(push_payload("github", sha="HEAD; rm -rf /")).encode(), "INVALID_PAYLOAD"),
    "no repository": (json.dumps(push_payload("github") | {"repository": None}).encode(), "INVALID_PAYLOAD"),
}


@pytest.mark.parametrize("forge", ["gitea", "github"])
@pytest.mark.slow
async def test_signed_nonsense(site: Site, forge: str) -> None:
    """A body that is no payload, signed with the right secret, is 400 with a code that says what is wrong with it."""
    for name, (body, code) in BODIES.items():
        answer = await site.post(forge, _signed(forge, body))
        # Gitea signs the JSON text, and of an empty body there is none.
        expected = 401 if forge == "gitea" and code == "EMPTY_BODY" else 400
        assert answer.status_code == expected, (name, answer.text)
        assert _error(answer)["code"] == (code if expected == 400 else "INVALID_SIGNATURE"), name
    assert await site.rows(Job) == []
    assert [row.verdict for row in await site.rows(Delivery)] == ["refused"] * len(BODIES)


async def test_odd_texts_are_built(site: Site) -> None:
    """NUL and lone surrogates in what is only shown, and unknown fields of any kind, cost nobody a build."""
    text = json.dumps(push_payload("github", message="odd", files=["a\0b"]) | {"new": {"deep": [1, None, 2**80]}})
    body = text.replace('"odd"', '"\\ud800 NUL\\u0000 \\udfff"').encode()
    answer = await site.post("github", _signed("github", body))
    assert answer.status_code == 202, answer.text
    job = await site.read(answer.headers["location"])
    assert job.status_code == 200


CONTENT_TYPES = ["text/plain", "application/xml", "multipart/form-data; boundary=x", "nonsense", "", "é", "a" * 5000]


async def test_other_content_types(site: Site) -> None:
    """What is neither JSON nor a form is 415, whoever signed it."""
    for content_type in CONTENT_TYPES:
        for forge in FORGES:
            request = push_request(forge, secret=SECRETS[forge])
            typed = request.headers | {"Content-Type": content_type}
            headers = [(name.encode(), value.encode("latin-1")) for name, value in typed.items()]
            answer = await site.client.post(f"/webhook/{forge}", content=request.body, headers=headers)
            assert answer.status_code == 415, answer.text
            assert _error(answer)["code"] == "UNSUPPORTED_MEDIA_TYPE"


FORMS = [b"", b"payload", b"a=b", b"payload=", b"payload=%7B", b"payload={}&payload={}", b"&&=&", b"%", b"payload=%ZZ"]


async def test_forms_that_hold_no_payload(site: Site) -> None:
    """A signed form without exactly one JSON object in `payload` is 400."""
    for form in FORMS:
        answer = await site.post("github", _signed("github", form, content_type="application/x-www-form-urlencoded"))
        assert answer.status_code == 400, answer.text
        assert _error(answer)["code"] in {"INVALID_FORM", "EMPTY_BODY", "INVALID_JSON"}


async def test_nonsense_headers(site: Site) -> None:
    """Headers of any length and content around a good delivery do no harm; the job is made."""
    nonsense = {
        "traceparent": "x" * 4000,
        "X-Request-ID": "../../" * 100,
        "X-GitHub-Delivery": "y" * 4000,
        "User-Agent": b"\xff\xfe" * 50,
        "Accept": "text/event-stream, */*;q=nonsense",
        "Content-Encoding": "gzip",
        "If-None-Match": "*",
        "Range": "bytes=0-",
        "Forwarded": 'for="',
        "X-Forwarded-For": ", , ,",
        "Cookie": "=;=;;",
        "Authorization": "Bearer " + "z" * 9000,
    }
    request = push_request("github", secret=SECRETS["github"])
    merged: dict[str, Any] = {**request.headers, **nonsense}
    answer = await site.client.post("/webhook/github", content=request.body, headers=merged)
    assert answer.status_code == 202, answer.text
    [job], [delivery] = await site.rows(Job), await site.rows(Delivery)
    assert job.traceparent is None
    assert delivery.delivery_id is None
    assert len(job.request_id) <= 64


async def test_the_trace_goes_along(site: Site) -> None:
    """A sane traceparent is stored with the job."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    request = push_request("github", secret=SECRETS["github"])
    await site.post("github", SignedRequest(request.headers | {"traceparent": trace}, request.body))
    [job] = await site.rows(Job)
    assert job.traceparent == trace


@pytest.mark.parametrize("forge", FORGES)
async def test_a_delivery_without_an_event(site: Site, forge: str) -> None:
    """A signed body without the header that names the event is 400 with the header's name."""
    request = push_request(forge, secret=SECRETS[forge])
    headers = {name: value for name, value in request.headers.items() if not name.endswith("-Event")}
    answer = await site.post(forge, SignedRequest(headers, request.body))
    assert answer.status_code == 400
    assert _error(answer)["code"] == "MISSING_EVENT"


METHODS = ["GET", "PUT", "PATCH", "DELETE", "HEAD", "TRACE", "PROPFIND"]


async def test_other_methods(site: Site) -> None:
    """Webhooks are posted; everything else is 405 with what is allowed."""
    for method in METHODS:
        for path in ("/webhook/gitea", "/webhooks/github/uid"):
            answer = await site.client.request(method, path)
            assert answer.status_code == 405, (method, answer.text)
            assert "POST" in answer.headers["allow"]
            if method != "HEAD":
                assert _error(answer)["code"] == "METHOD_NOT_ALLOWED"


async def test_over_the_limit(site: Site) -> None:
    """26 MB are read, one byte more is 413, whether the length is announced or not."""
    limit = 26 * MB
    at_limit = await site.post("github", _signed("github", b"x" * limit))
    assert at_limit.status_code == 400, at_limit.text

    async def chunks(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b"x" * MB

    announced = await site.client.post("/webhook/github", content=b"x" * (limit + 1), headers=JSON)
    chunked = await site.client.post("/webhook/github", content=chunks(27), headers=JSON)
    for answer in (announced, chunked):
        assert answer.status_code == 413
        assert _error(answer)["code"] == "BODY_TOO_LARGE"
    assert len(await site.rows(Delivery)) == 1


async def test_a_body_without_end(site: Site) -> None:
    """A sender that never stops is answered 413 after 26 MB and cut off."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.client.base_url.port)
    writer.write(
        b"POST /webhook/github HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"%x\r\n%b\r\n" % (MB, b"x" * MB)

    async def send() -> None:
        try:
            while True:
                writer.write(chunk)
                await writer.drain()
        except ConnectionError:
            pass

    sending = asyncio.create_task(send())
    try:
        async with asyncio.timeout(30):
            head = await reader.readuntil(b"\r\n\r\n")
            assert status(head) == 413
            assert b"connection: close" in head.lower()
            await sending
    finally:
        sending.cancel()
        writer.close()


async def test_a_sender_that_leaves(site: Site) -> None:
    """A connection that ends in the middle of a body leaves no row, and the gateway goes on."""
    _, writer = await asyncio.open_connection("127.0.0.1", site.client.base_url.port)
    writer.write(b"POST /webhook/github HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await site.post("github", push_request("github", secret=SECRETS["github"]))).status_code == 202
    assert len(await site.rows(Delivery)) == 1


BROKEN_LINES = [
    b"POST /webhook/git\xffea HTTP/1.1",
    b"POST /webhook/%ff%fe HTTP/1.1",
    b"POST /webhook/gitea?%ff=%00 HTTP/1.1",
    b"POST //webhook//gitea HTTP/1.1",
    b"POST /webhook/" + b"a" * 60_000 + b" HTTP/1.1",
    b"POST * HTTP/1.1",
    b"nonsense",
    b"POST /webhook/gitea HTTP/9.9",
]


async def test_broken_requests(site: Site) -> None:
    """What is hardly HTTP is refused as the client's mistake."""
    for request_line in BROKEN_LINES:
        answer = await raw(site.client, request_line + b"\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        assert 400 <= status(answer) < 500, answer
        assert b"Traceback" not in answer


class _Watched(ThreadPoolExecutor):
    """Threads that tell what they were given."""

    def __init__(self) -> None:
        super().__init__()
        self.work: list[str] = []

    def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        work = getattr(function, "args", (function,))[0]  # asyncio.to_thread wraps it into a partial
        self.work.append(f"{work.__module__}.{work.__qualname__}")
        return super().submit(function, *arguments, **named)


@pytest.mark.parametrize("padding", [0, 300_000])
async def test_large_bodies_are_read_in_a_thread(site: Site, padding: int) -> None:
    """Bodies over 256 KB are verified and decoded beside the event loop, smaller ones at once."""
    watched = _Watched()
    asyncio.get_running_loop().set_default_executor(watched)
    body = json.dumps(push_payload("github") | {"padding": "x" * padding}).encode()
    assert (await site.post("github", _signed("github", body))).status_code == 202
    here = [name for name in watched.work if name.startswith("services.builds.routes.")]
    assert bool(here) == bool(padding)
