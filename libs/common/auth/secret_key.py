"""SECRET_KEY: how good it has to be, and the separate keys that are derived from it.

One purpose, one key: whoever learns the key that signs tokens can open no sealed secret.
"""

import hmac
from typing import Final

from libs.common.errors import SettingsError
from libs.common.settings import CoreSettings, KeySettings

MIN_BYTES: Final = 32  # RFC 7518, 3.2: a key for HS256 has at least the hash's 256 bits
# What stands in examples and tutorials, ours and others'; compared without regard to case and punctuation.
_PLACEHOLDERS: Final = (
    "changeme",
    "changethis",
    "yoursecretkey",
    "replaceme",
    "secretkeyhere",
    "supersecret",
    "insecure",
    "example",
    "placeholder",
)
# The same in all processes of a development machine, else none could open what another has sealed.
_DEVELOPMENT_KEY: Final = "development only: everybody knows this key"
_MIN_DISTINCT_CHARS: Final = 8  # "aaaa..." and "12341234..." are long, not secret


def weakness(secret: str) -> str | None:
    """Say what a secret key has to be when this one is too weak; None when it is good enough."""
    if len(secret.encode()) < MIN_BYTES:
        return f"must have at least {MIN_BYTES} bytes; make one with: openssl rand -hex 32"
    letters = "".join(char for char in secret.lower() if char.isalnum())
    if len(set(secret)) < _MIN_DISTINCT_CHARS or any(word in letters for word in _PLACEHOLDERS):
        return "must not be a placeholder; make one with: openssl rand -hex 32"
    return None


def secret_keys(core: CoreSettings, keys: KeySettings) -> list[str]:
    """The keys that sign and seal, newest first: SECRET_KEY and, during a rotation, SECRET_KEY_OLD.

    Raises SettingsError for a SECRET_KEY that strangers can guess; ENV=development may have one, or none at all.
    """
    problem = weakness(keys.secret_key.reveal())
    if problem is not None and core.env != "development":
        raise SettingsError([f"SECRET_KEY: {problem}, or set ENV=development on a machine of your own"])
    return keys.keys() or [_DEVELOPMENT_KEY]


def derive(secret: str, purpose: str) -> bytes:
    """Derive the 32-byte key of one purpose ("tokens", "sealing") by HKDF-SHA256 (RFC 5869)."""
    # Its two steps for one block of output, without a salt. Standard library, so that settings load in every process.
    extracted = hmac.digest(bytes(32), secret.encode(), "sha256")
    return hmac.digest(extracted, f"slipway/{purpose}".encode() + b"\x01", "sha256")
