"""Sealing of secrets at rest: AES-256-GCM under a key derived from SECRET_KEY."""

import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from libs.common.auth.secret_key import derive
from libs.common.errors import SlipwayError

_VERSION = b"\x01"
_NONCE_BYTES = 12  # NIST SP 800-38D: 96 bits, random; safe for 2^32 seals under one key


class CannotOpen(SlipwayError):
    """What was sealed does not open: another SECRET_KEY, another purpose, or damaged data."""


class Sealer:
    """Seals and opens small secrets.

    `keys` are SECRET_KEY and, during a rotation, SECRET_KEY_OLD: the first seals, all open. A `purpose` is bound to
    the sealed bytes, so that one column's secret cannot be moved into another.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._ciphers = [AESGCM(derive(key, "sealing")) for key in keys]

    def seal(self, plain: bytes, purpose: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._ciphers[0].encrypt(nonce, plain, purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Answer what was sealed; raises CannotOpen."""
        if sealed[:1] != _VERSION:
            raise CannotOpen(f"{purpose}: sealed by an unknown version")
        nonce, data = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(nonce, data, purpose.encode())
            except InvalidTag:
                continue
        raise CannotOpen(f"{purpose}: SECRET_KEY is not the one that it was sealed with")
