"""Logging in and out, and who is signed in."""

from typing import Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody, URLEncodedBody
from litestar.status_codes import HTTP_200_OK, HTTP_204_NO_CONTENT

from libs.common.auth.sessions import is_session
from libs.common.errors import BadRequest, NotImplementedHere, Unauthenticated
from libs.common.http.documentation import documented
from libs.common.http.guards import CHALLENGE, OPEN, Acting, Caller, credential_of
from libs.common.http.limits import count_login
from libs.common.http.requests import ANY_CONTENT_TYPE, AnyRequest, actor_of, stranger
from services.gateway.accounts.cookies import Cookies, is_same_site
from services.gateway.accounts.errors import Refused
from services.gateway.accounts.routes.views import NO_STORE, USER_EXAMPLE, person_only, view_of
from services.gateway.accounts.schemas import (
    PASSWORD_MIN,
    AccessToken,
    Credentials,
    LoggedIn,
    LoginOptions,
    SessionView,
)
from services.gateway.accounts.service.logins import Logins, Opened
from services.gateway.accounts.service.users import Users

_TOKEN_EXAMPLE: Final = {
    "access_token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "token_type": "bearer",
}
_LOGIN_EXAMPLE: Final = {"username": "ada@example.org", "password": "correct horse battery"}
_SESSION_EXAMPLE: Final = {"user": USER_EXAMPLE, "csrf_token": "0" * 64, "expires_at": "2026-12-04T18:00:00Z"}
_TOLD_USER: Final = "/auth/password"  # the documented answer of this path has the user beside the token


def handlers(opened: Logins, people: Users, cookies: Cookies, *, signups: bool) -> list[HTTPRouteHandler]:
    """The routes of logins."""
    return [*_opening(opened, cookies), *_opened(opened, people, cookies), _options(signups=signups)]


def _opening(opened: Logins, cookies: Cookies) -> list[HTTPRouteHandler]:
    """What lets somebody in."""

    async def login(request: AnyRequest, data: Credentials) -> Opened | None:
        await count_login(request, data.username)
        actor = actor_of(request, stranger(data.username))
        return await opened.open(data.username, data.password, actor, with_session=is_same_site(request))

    def answer(request: AnyRequest, made: Opened) -> Response[AccessToken]:
        token = AccessToken(made.token)
        if request.scope["path"] == _TOLD_USER:
            who = made.account
            token = AccessToken(made.token, user=LoggedIn(who.id, who.username, who.email, who.is_superuser))
        kept = [] if made.session is None else [cookies.of(made.session, request)]
        return Response(token, cookies=kept, headers=NO_STORE)

    @post(
        "/api/auth/jwt/login",
        status_code=HTTP_200_OK,
        **documented(
            "Log in with a form",
            example=_TOKEN_EXAMPLE,
            body_example=_LOGIN_EXAMPLE,
            errors={400: "Wrong user name, e-mail or password (LOGIN_BAD_CREDENTIALS)", 429: "Too many logins at once"},
            opt=OPEN,
        ),
    )
    async def login_form(request: AnyRequest, data: URLEncodedBody[Credentials]) -> Response[AccessToken]:
        made = await login(request, data)
        if made is None:
            raise BadRequest("Wrong user name or password", code="LOGIN_BAD_CREDENTIALS")
        return answer(request, made)

    @post(
        ["/api/auth/login", "/token", "/auth/password"],
        status_code=HTTP_200_OK,
        **documented(
            "Log in with JSON, whatever the content type says",
            example=_TOKEN_EXAMPLE,
            body_example=_LOGIN_EXAMPLE,
            errors={401: "Wrong user name, e-mail or password", 429: "Too many logins at once"},
            opt=OPEN | ANY_CONTENT_TYPE,
        ),
    )
    async def login_json(request: AnyRequest, data: JSONBody[Credentials]) -> Response[AccessToken]:
        """Answers a token for scripts and sets the session cookie for browsers."""
        made = await login(request, data)
        if made is None:
            raise Unauthenticated("Invalid username or password", code="LOGIN_BAD_CREDENTIALS", headers=CHALLENGE)
        return answer(request, made)

    @post(
        "/auth/idm",
        status_code=HTTP_200_OK,
        **documented(
            "Log in with a token of an identity manager: not offered",
            example=_TOKEN_EXAMPLE,
            errors={501: "There is no identity manager here; log in with a password (IDM_NOT_OFFERED)"},
            opt=OPEN,
        ),
    )
    async def login_idm() -> AccessToken:
        raise NotImplementedHere(
            "No identity manager is connected; log in with a password at /auth/password", code="IDM_NOT_OFFERED"
        )

    return [login_form, login_json, login_idm]


def _opened(opened: Logins, people: Users, cookies: Cookies) -> list[HTTPRouteHandler]:
    """What somebody does who is in."""

    @post(
        ["/api/auth/logout", "/api/auth/jwt/logout"],
        status_code=HTTP_204_NO_CONTENT,
        guards=[person_only],
        **documented(
            "Log out: end the session or revoke the token that this request shows",
            errors={403: "The credentials are an API key (LOGIN_REQUIRED), or CSRF_REQUIRED"},
            answers={204: (None, "Logged out; the cookie is taken back")},
        ),
    )
    async def logout(request: AnyRequest, actor: Acting) -> Response[None]:
        credential = credential_of(request).text
        if is_session(credential):
            await opened.end_session(credential, actor)
        else:
            await opened.end_token(credential, actor)
        return Response(None, status_code=HTTP_204_NO_CONTENT, cookies=[cookies.gone(request)])

    @get(
        "/api/auth/session",
        **documented(
            "Read who is signed in in this browser",
            example=_SESSION_EXAMPLE,
            errors={401: "Nobody is signed in (NO_SESSION), or not any more (SESSION_ENDED)"},
        ),
    )
    async def read_session(request: AnyRequest, principal: Caller) -> Response[SessionView]:
        if not principal.session or principal.user_id is None:
            raise Refused("NO_SESSION", "These credentials are no browser session")
        csrf_token, expires_at = await opened.csrf_and_end(credential_of(request).text)
        view = SessionView(view_of(await people.get(principal.user_id)), csrf_token, expires_at)
        return Response(view, headers=NO_STORE)

    return [logout, read_session]


def _options(*, signups: bool) -> HTTPRouteHandler:
    @get(
        "/api/auth/options",
        **documented(
            "Read what a sign-in page has to know",
            example={"signups": True, "password_min": PASSWORD_MIN},
            opt=OPEN,
        ),
    )
    async def read_options() -> LoginOptions:
        return LoginOptions(signups=signups, password_min=PASSWORD_MIN)

    return read_options
