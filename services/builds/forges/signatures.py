"""Is a delivery from who it says? Checked over the raw bytes, before anything in them is believed.

    GitHub          X-Hub-Signature-256: sha256=<hex HMAC-SHA256 of the body>, of a form's raw body too
    Gitea, Forgejo  X-Forgejo-Signature where it is sent, else X-Gitea-Signature: <hex HMAC-SHA256>, without a prefix,
                    over the JSON text; of a form that is its decoded `payload`
    GitLab          webhook-signature: v1,<base64 HMAC-SHA256 of "id.timestamp.body"> (Standard Webhooks 1.0), or
                    X-Gitlab-Token: <the secret itself>

Sources: docs.github.com "Validating webhook deliveries"; Gitea and Forgejo services/webhook/deliver.go; docs.gitlab.com
"Webhooks" and its merge request 230944; github.com/standard-webhooks/standard-webhooks, spec version 1.0.0.

Several secrets may be valid at once, so that one can be replaced without losing deliveries. Every comparison takes the
same time wherever the values differ. A refusal's reason is written for a person and never holds a secret, a signature
or a part of one.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from services.builds.forges.body import json_text
from services.builds.forges.errors import BadPayload

TIMESTAMP_TOLERANCE_S = 300  # Standard Webhooks' recommendation: room for skewed clocks, little for replays
SIGNING_SECRET_PREFIX = "whsec_"  # noqa: S105 -- the public mark of a Standard Webhooks secret, not a secret

_HEX_SHA256 = re.compile(r"[0-9a-f]{64}", re.IGNORECASE | re.ASCII)
_ALGORITHM = re.compile(r"[a-z0-9-]{1,20}=", re.IGNORECASE | re.ASCII)
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)


class Verified(msgspec.Struct, frozen=True):
    """The sender knows one of the secrets."""

    secret_index: int
    """Which of the given secrets it was: shows when an old one is no longer used."""


class Refused(msgspec.Struct, frozen=True):
    """The route answers 401 with this."""

    code: str
    """NO_SECRET (none is configured), SIGNATURE_MISSING, SIGNATURE_EMPTY, SIGNATURE_UNSUPPORTED (another algorithm or
    form), SIGNATURE_WRONG or SIGNATURE_EXPIRED."""
    reason: str


def verify_github(
    headers: Mapping[str, str], raw: bytes, _content_type: str | None, secrets: Sequence[str], *, now_s: float
) -> Verified | Refused:
    """Check X-Hub-Signature-256. `headers` has lower-case names, as for the functions below."""
    del now_s  # GitHub signs no time
    header = headers.get("x-hub-signature-256")
    if header is None and headers.get("x-hub-signature"):
        return Refused(
            "SIGNATURE_UNSUPPORTED",
            "The delivery is signed with SHA-1 only (X-Hub-Signature), which is no longer safe; "
            "X-Hub-Signature-256 is needed, which GitHub has sent since 2020",
        )
    if not header:
        return _absent("X-Hub-Signature-256", header)
    if not header.startswith("sha256="):
        return Refused("SIGNATURE_UNSUPPORTED", "X-Hub-Signature-256 does not begin with `sha256=`")
    return _check_hex("X-Hub-Signature-256", header.removeprefix("sha256="), raw, secrets)


def verify_gitea(
    headers: Mapping[str, str], raw: bytes, content_type: str | None, secrets: Sequence[str], *, now_s: float
) -> Verified | Refused:
    """Check Forgejo's own header when it is there, even if it is empty, else Gitea's.

    Both are sent empty by a forge whose webhook has no secret. The look-alikes for GitHub are not read.
    """
    del now_s  # neither signs a time
    name = "X-Forgejo-Signature" if "x-forgejo-signature" in headers else "X-Gitea-Signature"
    header = headers.get(name.lower())
    if not header:
        return _absent(name, header)
    if _ALGORITHM.match(header):
        return Refused("SIGNATURE_UNSUPPORTED", f"{name} names an algorithm; bare hexadecimal digits were expected")
    try:
        signed = json_text(raw, content_type)
    except BadPayload as error:
        return Refused("SIGNATURE_WRONG", f"Nothing that could have been signed was found. {error.message}")
    return _check_hex(name, header, signed, secrets)


def verify_gitlab(
    headers: Mapping[str, str], raw: bytes, _content_type: str | None, secrets: Sequence[str], *, now_s: float
) -> Verified | Refused:
    """Check a Standard Webhooks signature against the secrets that begin with `whsec_`, the plain token against others.

    So a signing secret, which never travels, is not accepted as a token, and while a webhook moves from one to the
    other both are valid.
    """
    signing = [(index, secret) for index, secret in _usable(secrets) if secret.startswith(SIGNING_SECRET_PREFIX)]
    tokens = [(index, secret) for index, secret in _usable(secrets) if not secret.startswith(SIGNING_SECRET_PREFIX)]
    signature, token = headers.get("webhook-signature"), headers.get("x-gitlab-token")
    refused = _absent("X-Gitlab-Token", token) if tokens else _absent("webhook-signature", signature)
    if signature and signing:
        checked = _check_standard_webhook(headers, signature, raw, signing, now_s)
        if isinstance(checked, Verified):
            return checked
        refused = checked
    if token and tokens:
        # Digests are compared, since a comparison of the values themselves would tell the secret's length.
        given = hashlib.sha256(_octets(token)).digest()
        for index, secret in tokens:
            if hmac.compare_digest(given, hashlib.sha256(_octets_of_secret(secret)).digest()):
                return Verified(index)
        refused = Refused("SIGNATURE_WRONG", "X-Gitlab-Token is not the secret that is configured here")
    return refused


def _check_standard_webhook(
    headers: Mapping[str, str], signature: str, raw: bytes, secrets: Iterable[tuple[int, str]], now_s: float
) -> Verified | Refused:
    identifier, timestamp = headers.get("webhook-id"), headers.get("webhook-timestamp")
    if not identifier or not timestamp:
        return Refused("SIGNATURE_MISSING", "webhook-signature needs webhook-id and webhook-timestamp beside it")
    if not _TIMESTAMP.fullmatch(timestamp):
        return Refused("SIGNATURE_UNSUPPORTED", "webhook-timestamp is not a number of seconds")
    if abs(now_s - int(timestamp)) > TIMESTAMP_TOLERANCE_S:
        return Refused(
            "SIGNATURE_EXPIRED",
            f"webhook-timestamp is more than {TIMESTAMP_TOLERANCE_S} s away from this server's clock",
        )
    entries = [entry.removeprefix("v1,") for entry in signature.split(" ") if entry.startswith("v1,")]
    given = [digest for entry in entries if (digest := _base64(entry)) is not None]
    if not given:
        return Refused("SIGNATURE_UNSUPPORTED", "webhook-signature holds no `v1,` entry in base64")
    signed = b".".join((_octets(identifier), timestamp.encode(), raw))
    for index, secret in secrets:
        key = _base64(secret.removeprefix(SIGNING_SECRET_PREFIX))
        if key and _matches_any(hmac.digest(key, signed, "sha256"), given):
            return Verified(index)
    return _wrong("webhook-signature")


def _check_hex(header: str, digits: str, signed: bytes, secrets: Sequence[str]) -> Verified | Refused:
    if not _HEX_SHA256.fullmatch(digits):
        return Refused("SIGNATURE_UNSUPPORTED", f"{header} does not hold 64 hexadecimal digits")
    given = [bytes.fromhex(digits)]
    for index, secret in _usable(secrets):
        if _matches_any(hmac.digest(_octets_of_secret(secret), signed, "sha256"), given):
            return Verified(index)
    return _wrong(header)


def _matches_any(expected: bytes, given: Sequence[bytes]) -> bool:
    return any(hmac.compare_digest(expected, digest) for digest in given)


def _usable(secrets: Sequence[str]) -> Iterable[tuple[int, str]]:
    """An empty secret is none: anybody can sign with it."""
    return [(index, secret) for index, secret in enumerate(secrets) if secret]


def _absent(header: str, value: str | None) -> Refused:
    if value is None:
        return Refused("SIGNATURE_MISSING", f"{header} is missing: give the webhook the secret that is configured here")
    return Refused("SIGNATURE_EMPTY", f"{header} is empty: give the webhook the secret that is configured here")


def _wrong(header: str) -> Refused:
    return Refused("SIGNATURE_WRONG", f"{header} was not made with the secret that is configured here over this body")


def _base64(value: str) -> bytes | None:
    """Decode standard base64, with or without its padding; None when it is something else."""
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _octets(header: str) -> bytes:
    """Give back a header's bytes, which ASGI servers hand over decoded as Latin-1."""
    try:
        return header.encode("latin-1")
    except UnicodeEncodeError:
        return header.encode("utf-8", "surrogatepass")


def _octets_of_secret(secret: str) -> bytes:
    return secret.encode("utf-8", "surrogatepass")
