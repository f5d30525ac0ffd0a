"""HTTP in: the webhook addresses that forges send to.

`/webhook/{forge}` is checked against the forge's global secret, `/webhook/{forge}/{repository uid}` against the
repository's own, so the secret is known before anything of the body is parsed.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from litestar import Request, Response, Router, post
from litestar.datastructures import State
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED

from libs.common import metrics
from libs.common.errors import BadRequest, UnsupportedMediaType
from libs.common.http.documentation import documented
from libs.common.http.guards import OPEN
from libs.common.http.requests import WEBHOOK_BODY_MAX_BYTES
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
    fingerprint,
    supported,
)
from services.builds.schemas import DeliveryAccepted, DeliveryIgnored
from services.builds.service import Accepted, Builds, Ignored, Incoming

log = structlog.get_logger()

AnyRequest = Request[Any, Any, State]

# Kept with a delivery; everything else, and whatever could be a credential, is dropped.
_KEPT_HEADERS = ("content-type", "content-length", "user-agent", "x-request-id")
_KEPT_PREFIXES = ("x-github-", "x-gitea-", "x-gogs-", "x-forgejo-", "x-gitlab-", "webhook-")
_SECRET_HEADERS = ("x-gitlab-token",)

_ACCEPTED_EXAMPLE = {
    "job_id": "0199f3a2-6c1e-7b60-9d0a-3f2b8f6e7a11",
    "build_id": 42,
    "message": "Job 0199f3a2-6c1e-7b60-9d0a-3f2b8f6e7a11 queued successfully",
    "duplicate": False,
}


Answer = Response[DeliveryAccepted | DeliveryIgnored]


def router(builds: Builds, jobs: Jobs, *, accept_unsigned: bool) -> Router:
    """The routes of the builds slice; `accept_unsigned` takes deliveries where no secret is set (development)."""
    reception = _Reception(builds, jobs, accept_unsigned=accept_unsigned)

    @post(
        ["/webhook/{forge:str}", "/webhooks/{forge:str}"],
        status_code=HTTP_202_ACCEPTED,
        **_documented("Receive a forge's delivery, signed with the forge's global secret"),
    )
    async def receive(request: AnyRequest, forge: str) -> Answer:
        return await reception.take(request, _forge(forge), "")

    @post(
        ["/webhook/{forge:str}/{repository:str}", "/webhooks/{forge:str}/{repository:str}"],
        status_code=HTTP_202_ACCEPTED,
        **_documented("Receive a forge's delivery, signed with the repository's own secret"),
    )
    async def receive_for_repository(request: AnyRequest, forge: str, repository: str) -> Answer:
        return await reception.take(request, _forge(forge), repository)

    return Router(
        "/",
        route_handlers=[receive, receive_for_repository],
        tags=["Webhooks"],
        request_max_body_size=WEBHOOK_BODY_MAX_BYTES,
    )


class _Reception:
    """What happens to a delivery, in order: verify, read, accept, announce, answer."""

    def __init__(self, builds: Builds, jobs: Jobs, *, accept_unsigned: bool) -> None:
        self._builds = builds
        self._jobs = jobs
        self._accept_unsigned = accept_unsigned

    async def take(self, request: AnyRequest, forge: Forge, address: str) -> Answer:
        raw = await request.body()
        content_type = request.headers.get("content-type")
        secrets = await self._builds.webhook_secrets(forge.name, address)
        incoming = _incoming(request, forge, address, raw)
        if secrets or not self._accept_unsigned:
            await self._verify(forge, incoming, content_type, secrets)
        event = await self._read(forge, incoming, content_type)
        result = await self._builds.accept(incoming, event, fingerprint(event, raw))
        if isinstance(result, Ignored):
            _count(forge, "ignored")
            body = DeliveryIgnored(status="ignored", reason=result.code, message=result.message)
            return Response(body, status_code=HTTP_200_OK)
        return await self._answer(forge, result)

    async def _verify(self, forge: Forge, incoming: Incoming, content_type: str | None, secrets: Sequence[str]) -> None:
        verdict = forge.verify(incoming.headers_all, incoming.raw, content_type, secrets, now_s=time.time())
        if isinstance(verdict, Refused):
            _count(forge, "refused")
            metrics.AUTH_FAILURES.labels("webhook").inc()
            await self._builds.refuse(incoming, verdict.code, verdict.reason)
            hint = "" if secrets else f"; set {forge.name.upper()}_WEBHOOK_SECRET (or ENV=development)"
            raise DeliveryRefused(f"{verdict.reason}{hint}", details={"reason": verdict.code})

    async def _read(self, forge: Forge, incoming: Incoming, content_type: str | None) -> ForgeEvent:
        try:
            return forge.parse(forge.event_name(incoming.headers_all), decode(incoming.raw, content_type))
        except UnsupportedContentType as error:
            _count(forge, "refused")
            raise UnsupportedMediaType(str(error)) from error
        except BadPayload as error:
            _count(forge, "refused")
            await self._builds.refuse(incoming, error.code, str(error))
            raise BadRequest(str(error), code=error.code) from error

    async def _answer(self, forge: Forge, result: Accepted) -> Answer:
        location = {"Location": f"/jobs/{result.job_id}"}
        if result.job is None:
            _count(forge, "duplicate")
            message = f"This delivery was accepted before, as job {result.job_id}"
            body = DeliveryAccepted(result.job_id, result.build_id, message, duplicate=True)
            return Response(body, status_code=HTTP_200_OK, headers=location)
        await self._jobs.announce([result.job])
        _count(forge, "accepted")
        body = DeliveryAccepted(result.job_id, result.build_id, f"Job {result.job_id} queued successfully")
        return Response(body, status_code=HTTP_202_ACCEPTED, headers=location)


def _documented(summary: str) -> dict[str, Any]:
    return documented(
        summary,
        example=_ACCEPTED_EXAMPLE,
        body_example={"ref": "refs/heads/main", "after": "9d5b0a6c3a…", "repository": {"full_name": "ada/engine"}},
        errors={
            400: "The body is not what this forge sends",
            401: "The signature is wrong or missing, or no secret is configured",
            404: "No such forge (the message lists them), or no such repository address",
            415: "Neither JSON nor a form",
        },
        answers={
            200: (
                DeliveryAccepted | DeliveryIgnored,  # type: ignore[dict-item]
                "Understood and nothing to build (with the reason), or accepted before (`duplicate`)",
            )
        },
        opt=OPEN,
    )


def _forge(name: str) -> Forge:
    try:
        return FORGES[name]
    except KeyError:
        known = ", ".join(supported())
        raise UnknownForge(f"No forge is called {name!r}; known are {known}", details={"known": supported()}) from None


def _incoming(request: AnyRequest, forge: Forge, address: str, raw: bytes) -> Incoming:
    headers = dict(request.headers.items())
    try:
        event_name = forge.event_name(headers)
    except BadPayload:
        event_name = None
    return Incoming(
        forge=forge.name,
        address=address,
        headers_all=headers,
        headers=_without_secrets(headers),
        raw=raw,
        delivery_id=forge.delivery_id(headers, raw),
        event_name=event_name,
        request_id=request.state.get("request_id"),
        traceparent=headers.get("traceparent"),
    )


def _without_secrets(headers: Mapping[str, str]) -> dict[str, str]:
    kept = {}
    for name, value in headers.items():
        known = name in _KEPT_HEADERS or name.startswith(_KEPT_PREFIXES)
        if known and name not in _SECRET_HEADERS:
            kept[name] = value
    return kept


def _count(forge: Forge, outcome: str) -> None:
    metrics.WEBHOOK_DELIVERIES.labels(forge.name, outcome).inc()
