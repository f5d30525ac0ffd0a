"""Bodies of the delivery and run routes."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec

from services.builds.schemas.repositories import Forge

VerdictName = Literal["accepted", "ignored", "refused"]

# A pasted delivery has no more headers than forges send, some 30, and room for a proxy's.
_HEADERS_MAX: Final = 100
_HEADER_MAX: Final = 8 * 1024  # what servers take of one
_BODY_MAX: Final = 1024 * 1024  # the body limit of the route


class DeliveryRepository(msgspec.Struct, frozen=True):
    """Which repository a delivery is about."""

    uid: str
    full_name: str


class DeliverySummary(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a forge and what became of it.

    `repository` is null when it is about none that is known (any more). `delivery_id` is the forge's own.
    `reason_code` and `reason` say why it started nothing. `replay_of` is the delivery that a person sent again.
    """

    id: int
    forge: str
    repository: DeliveryRepository | None
    delivery_id: str | None
    event_name: str | None
    verdict: VerdictName
    reason_code: str | None
    reason: str | None
    job_id: UUID | None
    build_id: int | None
    received_at: datetime
    body_bytes: int
    replay_of: int | None


class DeliveryView(DeliverySummary, frozen=True, kw_only=True):
    """A delivery as it was kept: headers without credentials and signatures, the normalised event, the body.

    `event` is null when it could not be read. `body_truncated`: only its beginning was kept.
    """

    headers: dict[str, str]
    event: dict[str, Any] | None
    body: str | None
    body_truncated: bool


class DeliveryPage(msgspec.Struct, frozen=True):
    """Deliveries, newest first."""

    items: list[DeliverySummary]
    total: int
    limit: int
    offset: int
    next_offset: int | None


class Replayed(msgspec.Struct, frozen=True):
    """A delivery was done again: `id` is the new delivery, `status` its job's, null where it started nothing."""

    id: int
    verdict: VerdictName
    job_id: UUID | None
    build_id: int | None
    status: str | None
    message: str


class PastedDelivery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A delivery whose signature is to be explained, as the forge shows it among its recent ones.

    `repository` is the uid of the address that it was sent to; without it, it is the forge's global one.
    """

    forge: Forge
    headers: Annotated[
        dict[
            Annotated[str, msgspec.Meta(max_length=_HEADER_MAX)], Annotated[str, msgspec.Meta(max_length=_HEADER_MAX)]
        ],
        msgspec.Meta(max_length=_HEADERS_MAX),
    ]
    body: Annotated[str, msgspec.Meta(max_length=_BODY_MAX)]
    repository: Annotated[str, msgspec.Meta(max_length=64)] | None = None


class NewRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run of a repository's pipeline, asked for by hand.

    `repository` is a uid, or a full name where that is clear. `ref` is a branch, `refs/heads/<branch>`,
    `refs/tags/<tag>` or a whole commit id.
    """

    repository: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    ref: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]


DELIVERY_EXAMPLE: Final[dict[str, Any]] = {
    "id": 17,
    "forge": "gitea",
    "repository": {"uid": "kV3mXq0cTt2d9yqB7aXnUw", "full_name": "ada/engine"},
    "delivery_id": "5a2f6a3e-0f4c-4a2d-9a53-3f0f5f6f3f11",
    "event_name": "push",
    "verdict": "accepted",
    "reason_code": None,
    "reason": None,
    "job_id": "0199f3a2-6c1e-7b60-9d0a-3f2b8f6e7a11",
    "build_id": 12,
    "received_at": "2026-11-20T18:00:02Z",
    "body_bytes": 8123,
    "replay_of": None,
}
DELIVERY_PAGE_EXAMPLE: Final = {
    "items": [DELIVERY_EXAMPLE],
    "total": 1,
    "limit": 20,
    "offset": 0,
    "next_offset": None,
}
WHOLE_DELIVERY_EXAMPLE: Final = {
    **DELIVERY_EXAMPLE,
    "headers": {"content-type": "application/json", "x-gitea-event": "push"},
    "event": {"forge": "gitea", "kind": "push", "repository": "ada/engine", "branch": "main"},
    "body": '{"ref": "refs/heads/main"}',
    "body_truncated": False,
}
REPLAYED_EXAMPLE: Final = {
    "id": 18,
    "verdict": "accepted",
    "job_id": "0199f3a2-7777-7b60-9d0a-3f2b8f6e7a11",
    "build_id": 13,
    "status": "pending",
    "message": "Job 0199f3a2-7777-7b60-9d0a-3f2b8f6e7a11 queued successfully",
}
EXPLANATION_EXAMPLE: Final = {
    "verdict": "SIGNATURE_WRONG",
    "checks": [
        {"name": "secret", "ok": True, "message": "A secret is configured for this address"},
        {"name": "header", "ok": True, "message": "The delivery carries a signature"},
        {"name": "form", "ok": True, "message": "The signature has the form that this forge uses"},
        {"name": "time", "ok": True, "message": "The signed time, where there is one, is near this server's clock"},
        {
            "name": "signature",
            "ok": False,
            "message": "X-Hub-Signature-256 was not made with the secret that is configured here over this body",
        },
        {"name": "other_secret", "ok": True, "message": "It fits no other secret that was looked at"},
        {
            "name": "secret_whitespace",
            "ok": False,
            "message": "The forge's secret is one that counts here, but with a line end behind it",
        },
    ],
}
PASTED_EXAMPLE: Final = {
    "forge": "github",
    "headers": {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={'0' * 64}"},
    "body": '{"zen": "Keep it logically awesome."}',
    "repository": "kV3mXq0cTt2d9yqB7aXnUw",
}
RUN_EXAMPLE: Final = {"repository": "ada/engine", "ref": "main"}
RUN_JOB_EXAMPLE: Final = {
    "id": "0199f3a2-6c1e-7b60-9d0a-3f2b8f6e7a11",
    "repo": "ada/engine",
    "branch": "main",
    "commit": None,
    "status": "pending",
    "kind": "builds.run_build",
    "domain": "builds",
    "subject": {"type": "build", "id": "12"},
    "build_id": 12,
    "created_at": "2026-11-20T18:00:02.101000Z",
    "version": 1,
}
