"""What is kept of a delivery for whoever asks later why it did or did not build: no credential may be in it."""

import re
from collections.abc import Mapping
from typing import Final

# Of a verified body: every real push has room; of a refused one: enough to see what it was.
VERIFIED_BYTES: Final = 1024 * 1024
REFUSED_BYTES: Final = 4096

_HEADERS: Final = frozenset({"content-type", "content-length", "user-agent"})
_PREFIXES: Final = ("x-github-", "x-hub-", "x-gitea-", "x-gogs-", "x-forgejo-", "x-gitlab-", "webhook-", "idempotency-")
_SIGNATURE: Final = re.compile("signature")
_CREDENTIAL: Final = re.compile("token|secret|password|authorization")
# Forges send some 15 headers of at most 150 characters that are kept; strangers may send whatever they like.
_HEADERS_MAX: Final = 40
_HEADER_MAX_CHARS: Final = 512

# The field `secret` as JSON, plain or with a form's percent escapes, up to its closing quote or the end of the data.
_PLAIN: Final = re.compile(rb'("secret"\s*:\s*")(?:[^"\\]|\\.?)*+', re.DOTALL)
_ESCAPED: Final = re.compile(
    rb"(%22secret%22(?:\+|%20|%09|%0[AaDd])*(?:%3[Aa]|:)(?:\+|%20|%09|%0[AaDd])*%22)"
    rb"(?:(?!%22|%5[Cc])[^&]|%5[Cc](?:%[0-9A-Fa-f]{2}|[^%&])?)*+"
)
_MASK: Final = rb"\1***"


def headers(received: Mapping[str, str]) -> dict[str, str]:
    """Pick the headers that tell about the delivery; names are lower case. X-Gitlab-Token is a secret itself."""
    kept = {}
    for name, value in received.items():
        if (name in _HEADERS or name.startswith(_PREFIXES)) and not _CREDENTIAL.search(name):
            kept[name] = value[:_HEADER_MAX_CHARS]
        if len(kept) == _HEADERS_MAX:
            break
    return kept


def shown(stored: Mapping[str, str]) -> dict[str, str]:
    """Leave out signatures of headers that were kept: with the body beside it, one lets its secret be guessed."""
    return {name: value for name, value in stored.items() if not _SIGNATURE.search(name)}


def body(raw: bytes, max_bytes: int) -> bytes:
    """Cut a body and mask each field `secret`: Gitea before 1.14 sends the webhook's secret in every body.

    What is masked need not be a secret of ours, or valid JSON: refused deliveries are kept too.
    """
    start = raw[:max_bytes]
    return _ESCAPED.sub(_MASK, _PLAIN.sub(_MASK, start))
