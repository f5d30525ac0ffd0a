"""HTTP in: the webhook addresses that forges send to.

`/webhook/{forge}` is checked against the forge's global secret, `/webhook/{forge}/{repository uid}` against the
repository's own, so the secret is known before anything of the body is parsed.
"""

import asyncio
import json
import re
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Final, NamedTuple, ParamSpec, TypeVar

import structlog
from litestar import Response, Router, post
from litestar.params import FromPath, PathParameter
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED

from libs.common import metrics
from libs.common.errors import BadRequest, UnsupportedMediaType
from libs.common.http.documentation import documented
from libs.common.http.guards import OPEN
from libs.common.http.limits import UNLIMITED
from libs.common.http.requests import WEBHOOK_BODY_MAX_BYTES, AnyRequest
from libs.common.jobs.service import Jobs
from services.builds.errors import DeliveryRefused, UnknownForge
from services.builds.forges import (
    FORGES,
    BadPayload,
    Forge,
    ForgeEvent,
    Refused,
    UnsupportedContentType,
    decode,
    encoding,
    fingerprint,
    kept,
    supported,
)
from services.builds.schemas.webhooks import DeliveryAccepted, DeliveryIgnored
from services.builds.service import Accepted, Builds, Ignored, Incoming

log = structlog.get_logger()

P = ParamSpec("P")
T = TypeVar("T")

# Up to here checking and reading take 2 ms, as long as a thread may take to begin; 25 MB would stop every stream for
# a quarter of a second.
_INLINE_BYTES: Final = 256 * 1024
# W3C Trace Context, level 1; whatever else a stranger sends is not carried along.
_TRACEPARENT: Final = re.compile("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

_ACCEPTED_EXAMPLE = {
    "job_id": "0199f3a2-6c1e-7b60-9d0a-3f2b8f6e7a11",
    "build_id": 42,
    "message": "Job 0199f3a2-6c1e-7b60-9d0a-3f2b8f6e7a11 queued successfully",
    "duplicate": False,
}
# What is read of a push; real ones hold much more.
_PUSH_EXAMPLE = {
    "ref": "refs/heads/main",
    "before": "1f9c2d7be4a05c6688d3a3b1c9e0f7d2a4b6c8e0",
    "after": "8d5a0e5f0fd5e2b3d5c1d9bd1f2a6f3c0b7e4a11",
    "repository": {"full_name": "ada/engine", "clone_url": "https://git.example/ada/engine.git"},
    "commits": [{"id": "8d5a0e5f0fd5e2b3d5c1d9bd1f2a6f3c0b7e4a11", "message": "Mend the bridge"}],
}

ForgeName = Annotated[
    str, PathParameter(description="Which forge sends", schema_extra={"enum": supported(), "example": "gitea"})
]
Answer = Response[DeliveryAccepted | DeliveryIgnored]


def router(builds: Builds, jobs: Jobs, *, accept_unsigned: bool) -> Router:
    """The routes of the builds slice; `accept_unsigned` takes deliveries where no secret is set (development)."""
    reception = _Reception(builds, jobs, accept_unsigned=accept_unsigned)

    @post(
        ["/webhook/{forge:str}", "/webhooks/{forge:str}"],
        status_code=HTTP_202_ACCEPTED,
        **_documented("Receive a forge's delivery, signed with the forge's global secret"),
    )
    async def receive(request: AnyRequest, forge: ForgeName) -> Answer:
        return await reception.take(request, _forge(forge), "")

    @post(
        ["/webhook/{forge:str}/{repository:str}", "/webhooks/{forge:str}/{repository:str}"],
        status_code=HTTP_202_ACCEPTED,
        **_documented("Receive a forge's delivery, signed with the repository's own secret"),
    )
    async def receive_for_repository(request: AnyRequest, forge: ForgeName, repository: FromPath[str]) -> Answer:
        return await reception.take(request, _forge(forge), repository)

    return Router(
        "/",
        route_handlers=[receive, receive_for_repository],
        tags=["Webhooks"],
        opt=UNLIMITED,
        request_max_body_size=WEBHOOK_BODY_MAX_BYTES,
    )


class _Opened(NamedTuple):
    """A delivery that was verified and read."""

    event: ForgeEvent
    fingerprint: str
    body: bytes
    """What is kept of it."""


class _Reception:
    """What happens to a delivery, in order: verify, read, accept, announce, answer."""

    def __init__(self, builds: Builds, jobs: Jobs, *, accept_unsigned: bool) -> None:
        self._builds = builds
        self._jobs = jobs
        self._accept_unsigned = accept_unsigned

    async def take(self, request: AnyRequest, forge: Forge, address: str) -> Answer:
        secrets = await self._builds.webhook_secrets(forge.name, address)
        raw = await request.body()
        headers = dict(request.headers.items())
        incoming = await _aside(len(raw), _incoming, request, headers, forge, address, raw)
        needed = None if self._accept_unsigned and not secrets else secrets
        try:
            opened = await _aside(len(raw), _open, headers, forge, raw, needed)
        except BadPayload as error:
            _count(forge, "refused")
            await self._builds.refuse(_start_of(raw, incoming), error.code, error.message)
            if isinstance(error, UnsupportedContentType):
                raise UnsupportedMediaType(error.message) from error
            raise BadRequest(error.message, code=error.code) from error
        if isinstance(opened, Refused):
            await self._builds.refuse(_start_of(raw, incoming), opened.code, opened.reason)
            raise _refusal(forge, address, opened)
        incoming = replace(incoming, body=opened.body)
        result = await self._builds.accept(incoming, opened.event, opened.fingerprint)
        if isinstance(result, Ignored):
            _count(forge, "ignored")
            body = DeliveryIgnored(status="ignored", reason=result.code, message=result.message)
            return Response(body, status_code=HTTP_200_OK)
        return await self._answer(forge, result)

    async def _answer(self, forge: Forge, result: Accepted) -> Answer:
        location = {"Location": f"/jobs/{result.job_id}"}
        if result.duplicate:
            _count(forge, "duplicate")
            message = f"This delivery was accepted before, as job {result.job_id}"
            body = DeliveryAccepted(result.job_id, result.build_id, message, duplicate=True)
            return Response(body, status_code=HTTP_200_OK, headers=location)
        if result.job is not None:
            await self._jobs.announce([result.job])
        if result.superseded:
            await self._jobs.tell_cancelled(result.superseded)
        _count(forge, "accepted")
        said = "looks at its workflow run now" if result.woken else "queued successfully"
        body = DeliveryAccepted(result.job_id, result.build_id, f"Job {result.job_id} {said}")
        return Response(body, status_code=HTTP_202_ACCEPTED, headers=location)


def _documented(summary: str) -> dict[str, Any]:
    return documented(
        summary,
        example=_ACCEPTED_EXAMPLE,
        raw_body={
            "application/json": {"schema": {"type": "object"}, "example": _PUSH_EXAMPLE},
            "application/x-www-form-urlencoded": {
                "schema": {"type": "object", "properties": {"payload": {"type": "string"}}, "required": ["payload"]},
                "example": {"payload": json.dumps(_PUSH_EXAMPLE)},
            },
        },
        errors={
            400: "The body is not what this forge sends",
            401: "The signature is wrong or missing, or no secret is configured",
            404: "No such forge (the message lists them), or no such repository address",
            415: "Neither JSON nor a form",
        },
        answers={
            202: (DeliveryAccepted, "A build was made, or its job told to look at its run; `Location` is the job"),
            200: (
                DeliveryAccepted | DeliveryIgnored,  # type: ignore[dict-item]
                "Understood and nothing to build (with the reason), or accepted before (`duplicate`)",
            ),
        },
        opt=OPEN,
    )


def _forge(name: str) -> Forge:
    try:
        return FORGES[name]
    except KeyError:
        known = ", ".join(supported())
        raise UnknownForge(f"No forge is called {name!r}; known are {known}", details={"known": supported()}) from None


async def _aside(size: int, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Run pure work on a body of `size` bytes: here while it is short, else in a thread, so that nobody else waits."""
    if size <= _INLINE_BYTES:
        return work(*arguments, **named)
    return await asyncio.to_thread(work, *arguments, **named)


def _open(headers: Mapping[str, str], forge: Forge, raw: bytes, secrets: Sequence[str] | None) -> _Opened | Refused:
    """Verify a body and read it; `secrets` None takes it unverified. Raises BadPayload."""
    content_type = headers.get("content-type")
    encoding(content_type)
    if secrets is not None:
        verdict = forge.verify(headers, raw, content_type, secrets, now_s=time.time())
        if isinstance(verdict, Refused):
            return verdict
    event = forge.parse(forge.event_name(headers), decode(raw, content_type))
    return _Opened(event, fingerprint(event, raw), zlib.compress(kept.body(raw, kept.VERIFIED_BYTES), 1))


def _refusal(forge: Forge, address: str, refused: Refused) -> DeliveryRefused:
    _count(forge, "refused")
    metrics.AUTH_FAILURES.labels("webhook").inc()
    hint = ""
    if refused.code == "NO_SECRET":
        hint = (
            "; give this repository a webhook secret"
            if address
            else f"; set {forge.name.upper()}_WEBHOOK_SECRET or WEBHOOK_SECRET (or ENV=development)"
        )
    return DeliveryRefused(f"{refused.reason}{hint}", details={"reason": refused.code})


def _incoming(request: AnyRequest, headers: Mapping[str, str], forge: Forge, address: str, raw: bytes) -> Incoming:
    """Take note of a request, of whose body nothing is kept yet: how much it may be depends on what it proves."""
    try:
        event_name = forge.event_name(headers)
    except BadPayload:
        event_name = None
    traceparent = headers.get("traceparent", "")
    return Incoming(
        forge=forge.name,
        address=address,
        headers=kept.headers(headers),
        body=b"",
        body_bytes=len(raw),
        delivery_id=forge.delivery_id(headers, raw),
        event_name=event_name,
        request_id=request.state.get("request_id"),
        traceparent=traceparent if _TRACEPARENT.fullmatch(traceparent) else None,
    )


def _start_of(raw: bytes, incoming: Incoming) -> Incoming:
    """Keep as much of the body as of a delivery that is refused."""
    return replace(incoming, body=zlib.compress(kept.body(raw, kept.REFUSED_BYTES), 1))


def _count(forge: Forge, outcome: str) -> None:
    metrics.WEBHOOK_DELIVERIES.labels(forge.name, outcome).inc()
