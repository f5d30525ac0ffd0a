"""What Slipway knows about one forge: its headers, its signature, its payloads."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.builds.forges.errors import BadPayload
from services.builds.forges.event import ForgeEvent
from services.builds.forges.signatures import Refused, Verified

DELIVERY_ID_MAX_CHARS = 128  # forges send UUIDs of 36; a longer one is not an id that any forge made


class Check(Protocol):
    """A function of signatures.py; `headers` has lower-case names."""

    def __call__(
        self,
        headers: Mapping[str, str],
        raw: bytes,
        content_type: str | None,
        secrets: Sequence[str],
        /,
        *,
        now_s: float,
    ) -> Verified | Refused: ...


@dataclass(frozen=True, slots=True)
class Forge:
    """One forge, picked by the address that a delivery was sent to.

    Never by its headers: Gitea and Forgejo also send GitHub's (X-GitHub-Event, X-Hub-Signature-256) and Gogs'.
    In all methods `headers` are the request's, their names in any case.
    """

    name: str
    """As in the address: `github`."""
    title: str
    """As people write it: `GitHub`."""
    event_headers: tuple[str, ...]
    """Where the event's name stands; the first that is there decides."""
    delivery_headers: tuple[str, ...]
    """Where a delivery's id stands; the first that is there decides."""
    check: Check
    parse: Callable[[str, Mapping[str, object]], ForgeEvent]
    """From event_name() and body.decode() to the event; raises BadPayload, nothing else."""
    signature_headers: tuple[str, ...] = ()
    """Where 64 hexadecimal digits prove the sender, in lower case; the first that is there decides. Empty: nowhere."""
    batch_headers: tuple[str, ...] = ()
    """Ids that several deliveries share; read when none of delivery_headers is there."""

    def verify(
        self,
        headers: Mapping[str, str],
        raw: bytes,
        content_type: str | None,
        secrets: Sequence[str],
        *,
        now_s: float,
    ) -> Verified | Refused:
        """Check the signature against each secret; never raises, whatever the input.

        `secrets` are all that are valid now, most probable first; empty ones count as none. `now_s` is the time as
        seconds since 1970, for signatures that hold one.
        """
        if not any(secrets):
            return Refused("NO_SECRET", f"No secret is configured here for deliveries from {self.title}")
        return self.check(_lowered(headers), raw, content_type, secrets, now_s=now_s)

    def event_name(self, headers: Mapping[str, str]) -> str:
        """Return the event in the forge's own word; BadPayload when no header names it."""
        found = _first(_lowered(headers), self.event_headers)
        if found is None:
            raise BadPayload(f"{self.event_headers[0]} is missing: is this {self.title}?", code="MISSING_EVENT")
        return found

    def delivery_id(self, headers: Mapping[str, str], raw: bytes) -> str | None:
        """Return the id under which the forge would send this delivery again, None when it gives none.

        A shared id is told apart by the body: one `git push` of two branches to an older GitLab makes two deliveries
        with the same X-Gitlab-Event-UUID, and neither may be taken for the other's repetition.
        """
        lowered = _lowered(headers)
        found = _first(lowered, self.delivery_headers)
        if found is None and (batch := _first(lowered, self.batch_headers)) is not None:
            return f"{batch}:{hashlib.sha256(raw).hexdigest()[:16]}"
        return found


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _first(headers: Mapping[str, str], names: Sequence[str]) -> str | None:
    """Return the first of these headers that holds a short printable ASCII word."""
    for name in names:
        value = headers.get(name.lower(), "").strip()
        if value and len(value) <= DELIVERY_ID_MAX_CHARS and value.isascii() and value.isprintable():
            return value
    return None
