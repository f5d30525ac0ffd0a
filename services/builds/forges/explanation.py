"""Why does this signature (not) prove a delivery? An answer for whoever set the webhook up.

It walks the same steps as the check itself and names the one that failed. When the signature is well formed and only
its value is wrong, it tries what usually happened: another secret of ours, a secret with a line end, a body that
something on the way wrote anew. It says which of these would fit, and never a secret or a value that was expected.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote_plus

import msgspec

from services.builds.forges.body import json_text
from services.builds.forges.errors import BadPayload
from services.builds.forges.forge import Forge
from services.builds.forges.signatures import Refused, Verified

# Each variant of a body costs an HMAC for each secret; with five secrets of a repository these take 0.1 s at 1 MB.
_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"


class Check(msgspec.Struct, frozen=True):
    """One step of the explanation: whether it went well, and what that means."""

    name: str
    """secret, header, form (then length), time, signature; when that failed: other_secret, secret_whitespace, body."""
    ok: bool
    message: str


class Explanation(msgspec.Struct, frozen=True):
    """`verdict` is VERIFIED or the code of the refusal (signatures.Refused); `checks` in the order they were made."""

    verdict: str
    checks: list[Check]


class KnownSecret(msgspec.Struct, frozen=True):
    """A secret with what it may be called in an answer: "secret 5f0c21aa of ada/engine"."""

    title: str
    secret: str


# The check's steps in order: name, the refusals that end it there, what to say when it was passed.
_STEPS: Final = (
    ("secret", ("NO_SECRET",), "A secret is configured for this address"),
    ("header", ("SIGNATURE_MISSING", "SIGNATURE_EMPTY"), "The delivery carries a signature"),
    ("form", ("SIGNATURE_UNSUPPORTED",), "The signature has the form that this forge uses"),
    ("time", ("SIGNATURE_EXPIRED",), "The signed time, where there is one, is near this server's clock"),
    ("signature", ("SIGNATURE_WRONG",), "The signature was made with a secret that is valid here, over this body"),
)
_HEX_DIGITS: Final = frozenset("0123456789abcdefABCDEF")
_DIGESTS: Final = {32: "an MD5", 40: "a SHA-1", 96: "a SHA-384", 128: "a SHA-512"}


def explain(
    forge: Forge,
    headers: Mapping[str, str],
    raw: bytes,
    content_type: str | None,
    secrets: Sequence[KnownSecret],
    *,
    others: Sequence[KnownSecret] = (),
    now_s: float,
) -> Explanation:
    """Explain the check of one delivery; never raises, whatever the input.

    `secrets` are those that count at its address, `others` further ones that the asker may hear of. `now_s` is the time
    at which it was, or is, checked.
    """

    def verdict(
        body: bytes = raw, kind: str | None = content_type, *, by: Sequence[KnownSecret] = secrets
    ) -> Verified | Refused:
        return forge.verify(headers, body, kind, [one.secret for one in by], now_s=now_s)

    found = verdict()
    if isinstance(found, Verified):
        checks = [_passed(name, message) for name, _, message in _STEPS]
        checks[-1] = _passed("signature", f"The signature was made with {secrets[found.secret_index].title}")
        return Explanation("VERIFIED", checks)
    checks = list(_up_to(found))
    if found.code == "SIGNATURE_UNSUPPORTED" and (shape := _shape(forge, headers)) is not None:
        checks.append(_failed("length", shape))
    if found.code == "SIGNATURE_WRONG":
        checks += _what_may_have_happened(verdict, raw, content_type, secrets, others)
    return Explanation(found.code, checks)


def _passed(name: str, message: str) -> Check:
    return Check(name, ok=True, message=message)


def _failed(name: str, message: str) -> Check:
    return Check(name, ok=False, message=message)


def _up_to(refused: Refused) -> Iterator[Check]:
    """The steps that were passed, and the one that was not."""
    for name, codes, passed in _STEPS:
        if refused.code in codes:
            yield _failed(name, refused.reason)
            return
        yield _passed(name, passed)


def _shape(forge: Forge, headers: Mapping[str, str]) -> str | None:
    """Say what a signature that should have 64 hexadecimal digits has instead; None for forges that sign otherwise."""
    lowered = {name.lower(): value for name, value in headers.items()}
    value = next((lowered[name] for name in forge.signature_headers if lowered.get(name)), None)
    if value is None:
        return None
    digits = value.rpartition("=")[2]
    strange = sum(1 for char in digits if char not in _HEX_DIGITS)
    if strange:
        return f"It has {len(digits)} characters, {strange} of which are no hexadecimal digits; 64 digits are expected"
    known = f", as {_DIGESTS[len(digits)]} has" if len(digits) in _DIGESTS else ""
    return f"It has {len(digits)} hexadecimal digits{known}; a SHA-256 has 64"


def _what_may_have_happened(
    verdict: Callable[..., Verified | Refused],
    raw: bytes,
    content_type: str | None,
    secrets: Sequence[KnownSecret],
    others: Sequence[KnownSecret],
) -> Iterator[Check]:
    """Try likely mistakes one by one, up to one that explains the signature: that check fails."""
    other = verdict(by=others)
    if isinstance(other, Verified):
        yield _failed("other_secret", f"It fits {others[other.secret_index].title}, which does not count here")
        return
    yield _passed("other_secret", "It fits no other secret that was looked at")
    for title, change in _SECRET_MISTAKES:
        altered = [KnownSecret(one.title, changed) for one in secrets if (changed := change(one.secret)) != one.secret]
        if isinstance(verdict(by=altered), Verified):
            yield _failed("secret_whitespace", f"The forge's secret is one that counts here, but {title}")
            return
    yield _passed("secret_whitespace", "The forge's secret is not one of ours with a space or line end more or less")
    for title, body, kind in _variants(raw, content_type):
        if body != raw and isinstance(verdict(body, kind), Verified):
            yield _failed("body", f"The secret is right, and the body was changed on the way: it fits {title}")
            return
    yield _passed("body", "No usual change of the body explains it: the secret is another one, or the body is")


_SECRET_MISTAKES: Final[tuple[tuple[str, Callable[[str], str]], ...]] = (
    ("with a line end behind it", lambda secret: secret + "\n"),
    ("with a Windows line end behind it", lambda secret: secret + "\r\n"),
    ("with a space behind it", lambda secret: secret + " "),
    ("without the spaces around it", lambda secret: secret.strip()),
    ("in quotes", lambda secret: f'"{secret}"'),
)


def _variants(raw: bytes, content_type: str | None) -> Iterator[tuple[str, bytes, str | None]]:
    """Yield bodies that this one may have been when it was signed: what it is then, its bytes, its content type."""
    yield "without the line end behind it", raw.rstrip(b"\r\n"), content_type
    yield "with a line end behind it", raw + b"\n", content_type
    yield "with Unix line ends", raw.replace(b"\r\n", b"\n"), content_type
    yield "with Windows line ends", raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), content_type
    yield "without the byte order mark", raw.removeprefix(b"\xef\xbb\xbf"), content_type
    try:
        text = json_text(raw, content_type)
    except BadPayload:
        text = raw
    if text is not raw:
        yield "the JSON inside of the form", text, _JSON
    yield "a form that holds this JSON", b"payload=" + quote_plus(text).encode(), _FORM
    for title, written in _WRITTEN:
        try:
            again = written(json.loads(text))
        except (ValueError, RecursionError):  # no JSON, or nested too deeply
            return
        yield f"JSON written {title}", again.encode("utf-8", "surrogatepass"), _JSON


def _dump(value: object, *, ascii_only: bool = False, compact: bool = False, indent: int | None = None) -> str:
    separators = (",", ":") if compact else None
    return json.dumps(value, ensure_ascii=ascii_only, separators=separators, indent=indent)


_WRITTEN: Final[tuple[tuple[str, Callable[[object], str]], ...]] = (
    ("without spaces", lambda value: _dump(value, compact=True)),
    ("without spaces, in ASCII", lambda value: _dump(value, compact=True, ascii_only=True)),
    ("with a space behind each comma and colon", _dump),
    ("with a space behind each comma and colon, in ASCII", lambda value: _dump(value, ascii_only=True)),
    ("on lines indented by two", lambda value: _dump(value, indent=2)),
    ("on lines indented by four", lambda value: _dump(value, indent=4)),
)
