"""Logging in, and who am I."""

from litestar import Router, get, post
from litestar.params import JSONBody, URLEncodedBody
from litestar.status_codes import HTTP_200_OK

from libs.common.auth.tokens import Tokens
from libs.common.errors import BadRequest, Unauthenticated
from libs.common.http.documentation import documented
from libs.common.http.guards import CHALLENGE, OPEN, Caller
from libs.common.http.principal import Principal
from libs.common.http.requests import ANY_CONTENT_TYPE
from services.gateway.accounts.schemas import AccessToken, Credentials, UserView
from services.gateway.accounts.service import Account, Accounts

_TOKEN_EXAMPLE = {"access_token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "token_type": "bearer"}
_LOGIN_EXAMPLE = {"username": "ada@example.org", "password": "correct horse battery"}
_USER_EXAMPLE = {
    "id": 1,
    "username": "ada",
    "email": "ada@example.org",
    "is_active": True,
    "is_superuser": False,
    "is_verified": True,
    "created_at": "2026-11-20T18:00:00Z",
    "scopes": ["builds:read", "builds:write", "jobs:read", "jobs:write"],
}


def router(accounts: Accounts, tokens: Tokens) -> Router:
    """The routes of the accounts."""

    @post(
        "/api/auth/jwt/login",
        status_code=HTTP_200_OK,
        tags=["Accounts"],
        **documented(
            "Log in with a form",
            example=_TOKEN_EXAMPLE,
            body_example=_LOGIN_EXAMPLE,
            errors={400: "Wrong user name, e-mail or password (LOGIN_BAD_CREDENTIALS)", 429: "Too many logins at once"},
            opt=OPEN,
        ),
    )
    async def login_form(
        data: URLEncodedBody[Credentials],
    ) -> AccessToken:
        account = await accounts.login(data.username, data.password)
        if account is None:
            raise BadRequest("Wrong user name or password", code="LOGIN_BAD_CREDENTIALS")
        return AccessToken(tokens.issue(account.id))

    @post(
        ["/api/auth/login", "/token"],
        status_code=HTTP_200_OK,
        tags=["Accounts"],
        **documented(
            "Log in with JSON, whatever the content type says",
            example=_TOKEN_EXAMPLE,
            body_example=_LOGIN_EXAMPLE,
            errors={401: "Wrong user name, e-mail or password", 429: "Too many logins at once"},
            opt=OPEN | ANY_CONTENT_TYPE,
        ),
    )
    async def login_json(data: JSONBody[Credentials]) -> AccessToken:
        account = await accounts.login(data.username, data.password)
        if account is None:
            raise Unauthenticated("Invalid username or password", code="LOGIN_BAD_CREDENTIALS", headers=CHALLENGE)
        return AccessToken(tokens.issue(account.id))

    @get(
        ["/api/auth/me", "/api/users/me"],
        tags=["Accounts"],
        **documented("Read the user whose credentials these are", example=_USER_EXAMPLE),
    )
    async def me(principal: Caller) -> UserView:
        account = None if principal.user_id is None else await accounts.get(principal.user_id)
        return _view(principal, account)

    return Router("/", route_handlers=[login_form, login_json, me])


def _view(principal: Principal, account: Account | None) -> UserView:
    """A person as their row says; a static key as the built-in user it belongs to."""
    return UserView(
        id=principal.user_id,
        username=principal.name,
        email=account.email if account else None,
        is_active=True,
        is_superuser=principal.is_superuser,
        is_verified=account.is_verified if account else True,
        created_at=account.created_at if account else None,
        scopes=sorted(principal.scopes),
    )
