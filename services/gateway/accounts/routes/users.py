"""Signing up, oneself, and the administration of users."""

from typing import Annotated, Final

from litestar import Response, delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_201_CREATED

from libs.common.http.documentation import documented
from libs.common.http.guards import OPEN, Acting, Caller, requires
from libs.common.http.idempotency import IDEMPOTENT
from libs.common.http.limits import count_login
from libs.common.http.paging import DEFAULT_SIZE, Limit, Offset, Window
from libs.common.http.principal import ADMIN
from libs.common.http.requests import AnyRequest, actor_of, stranger
from services.gateway.accounts.cookies import Cookies
from services.gateway.accounts.errors import SignupsClosed
from services.gateway.accounts.routes.views import USER_EXAMPLE, person_only, view_of, view_of_caller
from services.gateway.accounts.schemas import NewUser, OwnChange, UserChange, UserPage, UserView
from services.gateway.accounts.service.users import Users

_NEW_EXAMPLE: Final = {"email": "ada@example.org", "username": "ada", "password": "correct horse battery"}
_PAGE_EXAMPLE: Final = {"items": [USER_EXAMPLE], "total": 1, "limit": 20, "offset": 0, "next_offset": None}
_EXISTS: Final = "The user name or e-mail address is taken (REGISTER_USER_ALREADY_EXISTS)"
_TAKEN: Final = "Another user has this e-mail address or user name (USER_ALREADY_EXISTS)"
_NO_SUCH_USER: Final = "There is no such user (USER_NOT_FOUND)"


def handlers(people: Users, cookies: Cookies, *, signups: bool) -> list[HTTPRouteHandler]:
    """The routes of users."""

    @post(
        ["/api/auth/register", "/api/auth/signup"],
        status_code=HTTP_201_CREATED,
        **documented(
            "Sign up",
            example=USER_EXAMPLE,
            body_example=_NEW_EXAMPLE,
            errors={400: _EXISTS, 403: "A superuser makes users here (SIGNUPS_CLOSED)", 429: "Too many at once"},
            opt={**OPEN, **IDEMPOTENT},
        ),
    )
    async def sign_up(request: AnyRequest, data: JSONBody[NewUser]) -> UserView:
        if not signups:
            raise SignupsClosed("Sign-up is closed here; ask a superuser for an account")
        return view_of(await people.add(data, actor_of(request, stranger(data.username or data.email or ""))))

    @get(
        ["/api/auth/me", "/api/users/me"],
        **documented("Read the user whose credentials these are", example=USER_EXAMPLE),
    )
    async def read_me(principal: Caller) -> UserView:
        account = None if principal.user_id is None else await people.get(principal.user_id)
        return view_of_caller(principal, account)

    @patch(
        ["/api/auth/me", "/api/users/me"],
        guards=[person_only],
        **documented(
            "Change one's name, address or password",
            example=USER_EXAMPLE,
            body_example={"password": "a better horse", "current_password": "correct horse battery"},
            errors={
                403: "Wrong current_password (WRONG_PASSWORD), or the credentials are a key (LOGIN_REQUIRED)",
                409: _TAKEN,
                429: "Too many at once",
            },
        ),
    )
    async def change_me(
        request: AnyRequest, principal: Caller, actor: Acting, data: JSONBody[OwnChange]
    ) -> Response[UserView]:
        """A new password ends every session and token of before, this one included: log in again."""
        assert principal.user_id is not None  # person_only
        if isinstance(data.current_password, str):
            await count_login(request, principal.name)  # a stolen session is not for guessing the password
        changed = await people.change_own(principal.user_id, data, actor)
        ended = isinstance(data.password, str)
        return Response(view_of(changed), cookies=[cookies.gone(request)] if ended else [])

    @get(
        "/api/users",
        guards=[requires(ADMIN)],
        **documented("List users, newest first", example=_PAGE_EXAMPLE),
    )
    async def list_users(
        search: Annotated[
            str | None, QueryParameter(max_length=254, description="A part of the user name or e-mail address")
        ] = None,
        limit: Limit = DEFAULT_SIZE,
        offset: Offset = 0,
    ) -> UserPage:
        window = Window(limit, offset)
        found, total = await people.find(search, window)
        items = [view_of(account) for account in found]
        return UserPage(items, total, limit, offset, window.next_offset(total))

    @post(
        "/api/users",
        guards=[requires(ADMIN)],
        status_code=HTTP_201_CREATED,
        **documented(
            "Make a user, also while sign-up is closed",
            example=USER_EXAMPLE,
            body_example=_NEW_EXAMPLE,
            errors={400: _EXISTS, 429: "Too many at once"},
            opt=IDEMPOTENT,
        ),
    )
    async def make_user(actor: Acting, data: JSONBody[NewUser]) -> Response[UserView]:
        made = view_of(await people.add(data, actor))
        return Response(made, status_code=HTTP_201_CREATED, headers={"Location": f"/api/users/{made.id}"})

    @get(
        "/api/users/{user_id:int}",
        guards=[requires(ADMIN)],
        **documented("Read a user", example=USER_EXAMPLE, errors={404: _NO_SUCH_USER}),
    )
    async def read_user(user_id: FromPath[int]) -> UserView:
        return view_of(await people.get(user_id))

    @patch(
        "/api/users/{user_id:int}",
        guards=[requires(ADMIN)],
        **documented(
            "Change a user",
            example={**USER_EXAMPLE, "is_active": False},
            body_example={"is_active": False},
            errors={
                404: _NO_SUCH_USER,
                409: f"{_TAKEN}, or nobody could administer any more (LAST_SUPERUSER)",
                429: "Too many at once",
            },
        ),
    )
    async def change_user(actor: Acting, user_id: FromPath[int], data: JSONBody[UserChange]) -> UserView:
        """A new password, and switching a user off, end their sessions and tokens; keys rest until they are on."""
        return view_of(await people.change(user_id, data, actor))

    @delete(
        "/api/users/{user_id:int}",
        guards=[requires(ADMIN)],
        **documented(
            "Delete a user",
            errors={404: _NO_SUCH_USER, 409: "This is the last active superuser (LAST_SUPERUSER)"},
        ),
    )
    async def delete_user(actor: Acting, user_id: FromPath[int]) -> None:
        """Sessions, tokens and keys end at once; what the user made stays and is seen by superusers."""
        await people.delete(user_id, actor)

    return [sign_up, read_me, change_me, list_users, make_user, read_user, change_user, delete_user]
