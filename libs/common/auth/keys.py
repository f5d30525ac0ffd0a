"""API keys: their form, and the static ones that a setting names.

A key of ours is `slp_<id8>_<secret32>`: a fixed prefix that secret scanners can find, a public id to look it up and
name it by, and 190 bits that only its holder knows. Static keys (API_KEYS) may have any form.
"""

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Iterable
from typing import Final

import msgspec

from libs.common.http.principal import ADMIN, SCOPES, Principal

PREFIX: Final = "slp_"
_ALPHABET: Final = string.ascii_letters + string.digits
_FORM: Final = re.compile(r"slp_([A-Za-z0-9]{8})_([A-Za-z0-9]{32})")

# What pipelines did with their keys in the systems that documented API_KEYS: report builds, follow jobs.
DEFAULT_SCOPES: Final = frozenset({"builds:read", "builds:write", "jobs:read"})
DEVELOPMENT_KEY: Final = "dev-key-12345"  # documented default, accepted with ENV=development only
STATIC_USER: Final = "pipeline"
_MIN_CHARS: Final = 8


def make_key() -> str:
    """Make a new key, to be shown once."""
    identity, secret = (_random(length) for length in (8, 32))
    return f"{PREFIX}{identity}_{secret}"


def parse_key(key: str) -> tuple[str, str] | None:
    """Split a key of our form into its public id and its secret; None for any other text."""
    match = _FORM.fullmatch(key)
    return (match[1], match[2]) if match else None


def key_digest(key: str) -> bytes:
    """The 32 bytes by which a key is stored. Plain SHA-256: what is random needs no slow hash."""
    return hashlib.sha256(key.encode()).digest()


class StaticKey(msgspec.Struct, frozen=True):
    """One entry of API_KEYS: only the digest of the key is kept."""

    digest: bytes
    scopes: frozenset[str]

    @classmethod
    def parse(cls, entry: str) -> "StaticKey":
        """Read `key`, or `key=scope+scope`; raises ValueError with what is allowed, without repeating the key."""
        key, separator, names = entry.partition("=")
        scopes = frozenset(names.split("+")) if separator else DEFAULT_SCOPES
        if not scopes <= SCOPES:
            raise ValueError(f"what follows a key's = must be scopes joined by +: {', '.join(sorted(SCOPES))}")
        if len(key) < _MIN_CHARS or not key.isascii():
            raise ValueError(f"each key must have at least {_MIN_CHARS} ASCII characters")
        return cls(key_digest(key), scopes)


class StaticKeys:
    """The keys that the operator put into API_KEYS; all belong to the built-in user `pipeline`."""

    def __init__(self, keys: Iterable[StaticKey]) -> None:
        self._keys = tuple(keys)

    def find(self, key: str) -> Principal | None:
        """Find whose key this is; None when it is none of these. Takes the same time whichever fits."""
        digested = key_digest(key)
        found = None
        for candidate in self._keys:
            if hmac.compare_digest(candidate.digest, digested):
                found = candidate
        if found is None:
            return None
        return Principal(
            user_id=None,
            name=STATIC_USER,
            scopes=found.scopes,
            is_superuser=ADMIN in found.scopes,
            key_id=f"static:{digested.hex()[:8]}",
            may_run_local=ADMIN in found.scopes,
        )


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
