"""Who may call a route. Closed by default: a route without a word about it needs valid credentials.

    @get("/jobs", guards=[requires("jobs:read")])      credentials with this scope
    @get("/api/users/me")                              any valid credentials
    @get("/livez", opt=OPEN)                           anybody; credentials are not even looked at

Credentials are `X-API-Key: <key>`, `Authorization: Bearer <key or token>` or a browser's session cookie; the first of
these that is there counts, also when it is wrong. With the cookie, a request that may change something needs the
header X-CSRF-Token. An open route ignores them all, so that a monitor with a stale key still learns that the service
is alive.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, Protocol, cast

from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler

from libs.common.audit import Actor
from libs.common.auth.sessions import COOKIE, CSRF_HEADER, fits_csrf
from libs.common.errors import Forbidden, Unauthenticated
from libs.common.http.principal import Principal
from libs.common.http.requests import actor_of

Connection = ASGIConnection[Any, Any, Any, Any]
Guard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]
# How a handler takes the caller: `async def read(principal: Caller) -> ...`.
Caller = NamedDependency[Principal]
# The same as the audit log wants it: `async def change(actor: Acting) -> ...`, for the service to record.
Acting = NamedDependency[Actor]

OPEN: Final[dict[str, Any]] = {"open": True}
CHALLENGE: Final = {"WWW-Authenticate": "Bearer"}
# Far above any real key or token (a JWT of ours takes 400 characters); what is longer is not worth parsing.
_CREDENTIAL_MAX_CHARS = 4096
# RFC 9110, 9.2.1: what a page elsewhere can make a browser ask for without any harm.
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Credential(NamedTuple):
    """What a request shows: an API key, a login token or a session, and whether the browser sent it by itself."""

    text: str
    from_cookie: bool


class Authenticate(Protocol):
    """Turns a credential into its owner; raises Unauthenticated. The gateway puts one into `app.state.authenticate`."""

    async def __call__(self, credential: str) -> Principal: ...


async def authenticated(connection: Connection, handler: BaseRouteHandler) -> None:
    """The app-wide guard: refuse whoever shows no valid credentials, unless the route is open."""
    if handler.opt.get("open"):
        return
    connection.scope["user"] = await authenticate(connection)
    _refuse_forged(connection)


def requires(*scopes: str) -> Guard:
    """Make a guard that lets through callers who have all these scopes; 403 names the first one that is missing."""

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        principal = cast("Principal", connection.scope["user"])
        for scope in scopes:
            if not principal.may(scope):
                raise Forbidden(
                    f"These credentials lack the scope {scope}", code="MISSING_SCOPE", details={"scope": scope}
                )

    guard.scopes = scopes  # type: ignore[attr-defined] # the OpenAPI document tells which scopes a route needs
    return guard


async def authenticate(connection: Connection) -> Principal:
    """Check the connection's credentials afresh; also for streams that outlive a token. Raises Unauthenticated."""
    check = cast("Authenticate", connection.app.state["authenticate"])
    return await check(credential_of(connection).text)


async def current_principal(request: Connection) -> Principal:
    """The app-wide dependency `principal`; on an open route nobody is known, which is a mistake of ours."""
    return cast("Principal", request.scope["user"])


async def current_actor(request: Connection) -> Actor:
    """The app-wide dependency `actor`; for routes that are not open, as `principal`."""
    return actor_of(request, await current_principal(request))


def credential_of(connection: Connection) -> Credential:
    """Take the credential from the request; raises Unauthenticated when there is none worth looking at."""
    text, from_cookie = connection.headers.get("x-api-key", "").strip(), False
    if not text:
        scheme, _, rest = connection.headers.get("authorization", "").strip().partition(" ")
        text = rest.strip() if scheme.lower() == "bearer" else ""
    if not text:
        text, from_cookie = connection.cookies.get(COOKIE, ""), True
    if not text:
        raise Unauthenticated("Authentication required", headers=CHALLENGE)
    if len(text) > _CREDENTIAL_MAX_CHARS or not text.isascii():
        raise Unauthenticated("Invalid token", code="INVALID_TOKEN", headers=CHALLENGE)
    return Credential(text, from_cookie)


def _refuse_forged(connection: Connection) -> None:
    """Raise Forbidden for a change that a page elsewhere may have made the browser ask for (CSRF)."""
    if connection.scope.get("method") in _SAFE_METHODS:
        return
    credential = credential_of(connection)
    if credential.from_cookie and not fits_csrf(credential.text, connection.headers.get(CSRF_HEADER, "")):
        raise Forbidden(
            f"With a session cookie this needs the header {CSRF_HEADER}; GET /api/auth/session tells its value",
            code="CSRF_REQUIRED",
            details={"header": CSRF_HEADER},
        )
