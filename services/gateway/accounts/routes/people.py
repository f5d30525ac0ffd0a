"""Users and their tokens by Build State's documented paths: the same users and API keys under other names."""

from typing import Any, Final

from litestar import Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED
from msgspec import UNSET

from libs.common.auth.keys import DEFAULT_SCOPES
from libs.common.database import utcnow
from libs.common.errors import Forbidden
from libs.common.http.documentation import documented
from libs.common.http.errors import Detail, invalid
from libs.common.http.guards import Acting, Caller, requires
from libs.common.http.idempotency import IDEMPOTENT, IDEMPOTENT_SECRET
from libs.common.http.limits import count_login
from libs.common.http.paging import DEFAULT_SIZE, Limit, Offset, Window
from libs.common.http.principal import ADMIN, Principal
from libs.common.http.requests import AnyRequest
from services.gateway.accounts.account import Account
from services.gateway.accounts.errors import NoSuchKey, NoSuchUser
from services.gateway.accounts.routes.views import NO_STORE, person_or_admin_key
from services.gateway.accounts.schemas import (
    EndedToken,
    KeyView,
    MadeToken,
    NewKey,
    NewPerson,
    NewToken,
    PersonUpdate,
    PersonView,
    TokenPage,
    TokenView,
)
from services.gateway.accounts.service.api_keys import ApiKeys
from services.gateway.accounts.service.users import Users

_PERSON_EXAMPLE: Final[dict[str, Any]] = {
    "id": 1,
    "username": "ada",
    "email": "ada@example.org",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "employee_id": "E-1815",
    "is_active": True,
    "is_superuser": False,
    "created_at": "2026-11-20T18:00:00Z",
}
_NEW_EXAMPLE: Final = {
    **{name: _PERSON_EXAMPLE[name] for name in ("username", "email", "first_name", "last_name", "employee_id")},
    "password": "correct horse battery",
}
_TOKEN_EXAMPLE: Final = {
    "id": "Zk3vQ8aB",
    "user_id": 1,
    "name": "concourse",
    "scopes": ["builds:read", "builds:write", "jobs:read"],
    "expires_at": None,
    "is_active": True,
    "created_at": "2026-11-20T18:00:00Z",
}
_PAGE_EXAMPLE: Final = {"tokens": [_TOKEN_EXAMPLE], "total": 1, "limit": 20, "offset": 0, "next_offset": None}
_MADE_EXAMPLE: Final = {
    "token": "slp_Zk3vQ8aB_" + "x" * 32,
    "name": "concourse",
    "status": "created",
    "id": "Zk3vQ8aB",
}
_NO_SUCH_USER: Final = "There is no such user, or it is somebody else (USER_NOT_FOUND)"
_NO_ADMIN: Final = "Admin access required (MISSING_SCOPE)"


def handlers(accounts: Users, keys: ApiKeys) -> list[HTTPRouteHandler]:
    """The routes of Build State's users and tokens: people see and change themselves, superusers everybody."""
    return [*_people(accounts), *_tokens(accounts, keys)]


def _people(accounts: Users) -> list[HTTPRouteHandler]:
    @post(
        "/users",
        status_code=HTTP_201_CREATED,
        guards=[requires(ADMIN)],
        **documented(
            "Make a user, as Build State's clients do",
            example=_PERSON_EXAMPLE,
            body_example=_NEW_EXAMPLE,
            errors={
                400: "The user name or e-mail address is taken (REGISTER_USER_ALREADY_EXISTS)",
                429: "Too many at once",
            },
            opt=IDEMPOTENT,
        ),
    )
    async def make_person(actor: Acting, data: JSONBody[NewPerson]) -> Response[PersonView]:
        made = _view(await accounts.add(data, actor))
        return Response(made, status_code=HTTP_201_CREATED, headers={"Location": f"/users/{made.id}"})

    @get(
        ["/users/{user_id:int}", "/users/{user_id:int}/profile"],
        guards=[person_or_admin_key],
        **documented(
            "Read a user, as Build State's clients do",
            example=_PERSON_EXAMPLE,
            errors={403: _NO_ADMIN, 404: _NO_SUCH_USER},
        ),
    )
    async def read_person(principal: Caller, user_id: FromPath[int]) -> PersonView:
        _see(principal, user_id)
        return _view(await accounts.get(user_id))

    @put(
        "/users/{user_id:int}",
        guards=[person_or_admin_key],
        **documented(
            "Change a user, as Build State's clients do",
            example=_PERSON_EXAMPLE,
            body_example={"last_name": "Lovelace"},
            errors={
                403: f"{_NO_ADMIN}, or the wrong current_password (WRONG_PASSWORD)",
                404: _NO_SUCH_USER,
                409: "Another user has this e-mail address or user name (USER_ALREADY_EXISTS), or nobody could "
                "administer any more (LAST_SUPERUSER)",
                429: "Too many at once",
            },
        ),
    )
    async def change_person(
        request: AnyRequest, principal: Caller, actor: Acting, user_id: FromPath[int], data: JSONBody[PersonUpdate]
    ) -> PersonView:
        """What is absent stays. A new password ends every session and token of before."""
        _see(principal, user_id)
        if not principal.may(ADMIN):
            if data.is_active is not UNSET or data.is_superuser is not UNSET:
                raise _admin_needed()
            if data.password is not UNSET:
                await count_login(request, principal.name)  # a stolen session is not for guessing the password
                await accounts.check_password(user_id, data.current_password or "")
        return _view(await accounts.change(user_id, data.change, actor))

    return [make_person, read_person, change_person]


def _tokens(accounts: Users, keys: ApiKeys) -> list[HTTPRouteHandler]:
    @post(
        "/users/{user_id:int}/tokens",
        status_code=HTTP_201_CREATED,
        guards=[person_or_admin_key],
        **documented(
            "Make a token of one's own, which is an API key",
            example=_MADE_EXAMPLE,
            body_example={"name": "concourse", "scopes": []},
            errors={
                403: f"{_NO_ADMIN}, a scope that its maker has not got, or it would be another's (API_KEY_NOT_YOURS)",
                404: _NO_SUCH_USER,
            },
            opt=IDEMPOTENT_SECRET,
        ),
    )
    async def make_token(
        principal: Caller, actor: Acting, user_id: FromPath[int], data: JSONBody[NewToken]
    ) -> Response[MadeToken]:
        """`token` is shown this once."""
        _see(principal, user_id)
        if user_id != principal.user_id:
            raise Forbidden("Whoever has a person's token is that person: only they make one", code="API_KEY_NOT_YOURS")
        if data.expires_at is not None and data.expires_at <= utcnow():
            raise invalid([Detail(["body", "expires_at"], "Must lie in the future", "value_error")])
        wanted = NewKey(data.name, data.scopes or sorted(DEFAULT_SCOPES), data.expires_at)  # type: ignore[arg-type] # they are literals
        key, token = await keys.make(principal, wanted, actor)
        headers = {**NO_STORE, "Location": f"/users/{user_id}/tokens"}
        return Response(MadeToken(token, key.name, "created", key.id), status_code=HTTP_201_CREATED, headers=headers)

    @get(
        "/users/{user_id:int}/tokens",
        guards=[person_or_admin_key],
        **documented(
            "List a user's tokens, newest first",
            example=_PAGE_EXAMPLE,
            errors={403: _NO_ADMIN, 404: _NO_SUCH_USER},
        ),
    )
    async def list_tokens(
        principal: Caller, user_id: FromPath[int], limit: Limit = DEFAULT_SIZE, offset: Offset = 0
    ) -> TokenPage:
        """Ended ones too."""
        _see(principal, user_id)
        window = Window(limit, offset)
        await accounts.get(user_id)
        found, total = await keys.of_user(user_id, window)
        return TokenPage([_token(key, user_id) for key in found], total, limit, offset, window.next_offset(total))

    @delete(
        "/users/{user_id:int}/tokens/{token_id:str}",
        status_code=HTTP_200_OK,
        guards=[person_or_admin_key],
        **documented(
            "End a token, at once and for good",
            example={"status": "deactivated", "token_id": "Zk3vQ8aB"},
            errors={403: _NO_ADMIN, 404: f"{_NO_SUCH_USER}, or they have no such token (API_KEY_NOT_FOUND)"},
        ),
    )
    async def end_token(
        principal: Caller, actor: Acting, user_id: FromPath[int], token_id: FromPath[str]
    ) -> EndedToken:
        _see(principal, user_id)
        key = await keys.get(principal, token_id)
        if key.owner != user_id:
            raise NoSuchKey(f"API key not found: {token_id}")
        await keys.revoke(principal, token_id, actor)
        return EndedToken("deactivated", token_id)

    return [make_token, list_tokens, end_token]


def _see(principal: Principal, user_id: int) -> None:
    """Raise NoSuchUser for a user who does not exist for the caller: anybody else, unless they administer."""
    if principal.user_id != user_id and not principal.may(ADMIN):
        raise NoSuchUser(f"User not found: {user_id}")


def _admin_needed() -> Forbidden:
    return Forbidden("Admin access required", code="MISSING_SCOPE", details={"scope": ADMIN})


def _view(account: Account) -> PersonView:
    return PersonView(**{name: getattr(account, name) for name in PersonView.__struct_fields__})


def _token(key: KeyView, user_id: int) -> TokenView:
    is_active = key.revoked_at is None and (key.expires_at is None or key.expires_at > utcnow())
    return TokenView(key.id, user_id, key.name, key.scopes, key.expires_at, is_active, key.created_at)
