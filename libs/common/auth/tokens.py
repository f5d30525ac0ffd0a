"""Access tokens: JSON web tokens (RFC 7519) signed with HS256 and nothing else."""

import secrets
import time
from collections.abc import Sequence
from typing import Final

import jwt
import msgspec

from libs.common.auth.secret_key import derive
from libs.common.errors import Unauthenticated

ALGORITHM: Final = "HS256"
ISSUER: Final = "slipway"
AUDIENCE: Final = "slipway-api"
# Clocks of two replicas differ: a token made here must not look as if it came from the future there.
_BACKDATED_S: Final = 30
_REQUIRED: Final = ["sub", "iat", "exp", "iss", "aud", "jti"]
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer error="invalid_token"'}  # RFC 6750, section 3


class Claims(msgspec.Struct, frozen=True):
    """What a valid token says: whose it is, its own id (for revocation), when it ends (Unix seconds).

    `generation` is that of the user's tokens when it was made: a new password starts another. Counted, not timed:
    clocks of two replicas differ.
    """

    user_id: int
    jti: str
    expires_at: int
    generation: int = 0


class Tokens:
    """Issues and reads tokens.

    `secret_keys` are SECRET_KEY and, during a rotation, SECRET_KEY_OLD: the first signs, all are accepted.
    """

    def __init__(self, secret_keys: Sequence[str], *, lifetime_s: int) -> None:
        self._keys = [derive(secret, "tokens") for secret in secret_keys]
        self._lifetime_s = lifetime_s

    def issue(self, user_id: int, generation: int = 0) -> str:
        """Make a token of a user; `generation` as in the user's row."""
        now = int(time.time())
        claims = {
            "sub": str(user_id),
            "iat": now - _BACKDATED_S,
            "exp": now + self._lifetime_s,
            "iss": ISSUER,
            "aud": AUDIENCE,
            "jti": secrets.token_hex(16),
            "gen": generation,
        }
        return jwt.encode(claims, self._keys[0], algorithm=ALGORITHM)

    def read(self, token: str) -> Claims:
        """Check signature, algorithm and all claims. Raises Unauthenticated: TOKEN_EXPIRED or INVALID_TOKEN."""
        for key in self._keys:
            try:
                return _claims(token, key)
            except jwt.InvalidSignatureError:
                continue  # signed with another of our keys, or with none of them
            except jwt.ExpiredSignatureError:
                raise Unauthenticated("Token expired", code="TOKEN_EXPIRED", headers=_CHALLENGE) from None
            except (jwt.PyJWTError, ValueError, RecursionError):  # also a subject that is no number, nested rubbish
                break
        raise Unauthenticated("Invalid token", code="INVALID_TOKEN", headers=_CHALLENGE)


def _claims(token: str, key: bytes) -> Claims:
    claims = jwt.decode(
        token,
        key,
        algorithms=[ALGORITHM],
        issuer=ISSUER,
        audience=AUDIENCE,
        options={"require": _REQUIRED, "strict_aud": True},
    )
    return Claims(
        user_id=int(claims["sub"]),
        jti=str(claims["jti"]),
        expires_at=int(claims["exp"]),
        generation=int(claims.get("gen", 0)),  # absent from tokens that were made before there were generations
    )
