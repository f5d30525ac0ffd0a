"""Webhooks of forges as pure functions: bytes and headers in, one normalised event and a verdict out.

    forge = FORGES[name]                                                       # named by the address; 404: supported()
    forge.verify(headers, raw, content_type, secrets, now_s=...)               # Verified | Refused: 401
    event = forge.parse(forge.event_name(headers), decode(raw, content_type))  # BadPayload: 400, or 415
    judge(event, filters)                                                      # Build | Ignore: 200 with the reason

Nothing here reads a setting, a clock or a database. Words: a *delivery* is one request of a forge, an *event* what it
says; a delivery sent again has the same delivery_id or, failing that, the same fingerprint.
"""

from collections.abc import Mapping
from types import MappingProxyType

from services.builds.forges import github, gitlab, kept, signatures
from services.builds.forges.addresses import gitea_api
from services.builds.forges.body import decode, encoding
from services.builds.forges.errors import BadPayload, UnsupportedContentType
from services.builds.forges.event import EventKind, ForgeEvent
from services.builds.forges.explanation import Check, Explanation, KnownSecret, explain
from services.builds.forges.forge import Forge
from services.builds.forges.gitea import parse_forgejo, parse_gitea
from services.builds.forges.signatures import Refused, Verified
from services.builds.forges.verdict import Build, Filters, Ignore, fingerprint, judge

__all__ = [
    "FORGES",
    "BadPayload",
    "Build",
    "Check",
    "EventKind",
    "Explanation",
    "Filters",
    "Forge",
    "ForgeEvent",
    "Ignore",
    "KnownSecret",
    "Refused",
    "UnsupportedContentType",
    "Verified",
    "decode",
    "encoding",
    "explain",
    "fingerprint",
    "gitea_api",
    "judge",
    "kept",
    "supported",
]

_ALL = (
    Forge(
        name="gitea",
        title="Gitea",
        event_headers=("X-Gitea-Event", "X-Forgejo-Event"),
        delivery_headers=("X-Gitea-Delivery", "X-Forgejo-Delivery"),
        check=signatures.verify_gitea,
        signature_headers=("x-forgejo-signature", "x-gitea-signature"),
        parse=parse_gitea,
    ),
    Forge(
        name="forgejo",
        title="Forgejo",
        event_headers=("X-Forgejo-Event", "X-Gitea-Event"),
        delivery_headers=("X-Forgejo-Delivery", "X-Gitea-Delivery"),
        check=signatures.verify_gitea,
        signature_headers=("x-forgejo-signature", "x-gitea-signature"),
        parse=parse_forgejo,
    ),
    Forge(
        name="github",
        title="GitHub",
        event_headers=("X-GitHub-Event",),
        delivery_headers=("X-GitHub-Delivery",),
        check=signatures.verify_github,
        signature_headers=("x-hub-signature-256",),
        parse=github.parse,
    ),
    Forge(
        name="gitlab",
        title="GitLab",
        event_headers=("X-Gitlab-Event",),
        delivery_headers=("Idempotency-Key", "webhook-id"),  # equal where both are sent (GitLab >= 17.4)
        batch_headers=("X-Gitlab-Event-UUID",),  # X-Gitlab-Webhook-UUID names the hook and is always the same
        check=signatures.verify_gitlab,
        parse=gitlab.parse,
    ),
)

FORGES: Mapping[str, Forge] = MappingProxyType({forge.name: forge for forge in _ALL})
"""Every forge by the name that its address has: `/webhook/<name>`."""


def supported() -> list[str]:
    """List the names for the answer to an unknown one."""
    return sorted(FORGES)
