"""Answers of the webhook addresses."""

from uuid import UUID

import msgspec


class DeliveryAccepted(msgspec.Struct, frozen=True):
    """A delivery made a build, or had made one before (`duplicate`)."""

    job_id: UUID
    build_id: int
    message: str
    duplicate: bool = False


class DeliveryIgnored(msgspec.Struct, frozen=True):
    """A delivery was understood and starts nothing; `reason` is a stable code, `message` says why in words."""

    status: str
    reason: str
    message: str
