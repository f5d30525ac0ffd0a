"""Browser sessions: the form of their tokens, and the word against forged requests that belongs to each.

The token stands in an HttpOnly cookie and, hashed, in a table. A browser sends the cookie whoever made the page that
asks, so a request that changes something must also show that its page could read an answer of ours: the CSRF token,
made from the session's token and therefore neither stored nor guessed.
"""

import hashlib
import hmac
import secrets
from typing import Final

COOKIE: Final = "slipway_session"
CSRF_HEADER: Final = "X-CSRF-Token"
_PREFIX: Final = "sls_"  # as slp_ of API keys: secret scanners find it, and nobody takes it for a key or a token
_SECRET_BYTES: Final = 32


def make_session() -> str:
    """Make the token of a new session: 256 random bits in URL-safe characters behind the prefix."""
    return _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)


def is_session(credential: str) -> bool:
    """Tell whether this has a session token's form; says nothing about whether there is such a session."""
    return credential.startswith(_PREFIX)


def session_digest(session: str) -> bytes:
    """The 32 bytes by which a session is stored. Plain SHA-256: what is random needs no slow hash."""
    return hashlib.sha256(session.encode()).digest()


def csrf_token(session: str) -> str:
    """The value of the CSRF header that goes with a session, 64 hexadecimal digits."""
    return hmac.digest(session.encode(), b"slipway/csrf", "sha256").hex()


def fits_csrf(session: str, given: str) -> bool:
    """Compare a CSRF header with its session, in constant time; False for what is missing or not ASCII."""
    return hmac.compare_digest(csrf_token(session).encode(), given.encode())
