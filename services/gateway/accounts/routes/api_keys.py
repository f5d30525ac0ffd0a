"""API keys."""

from datetime import timedelta
from typing import Final

import msgspec
from litestar import Response, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_201_CREATED

from libs.common.database import utcnow
from libs.common.http.documentation import documented
from libs.common.http.errors import Detail, invalid
from libs.common.http.guards import Acting, Caller
from libs.common.http.idempotency import IDEMPOTENT_SECRET
from libs.common.http.paging import DEFAULT_SIZE, Limit, Offset, Window
from services.gateway.accounts.routes.views import NO_STORE, person_or_admin_key
from services.gateway.accounts.schemas import KeyPage, KeyView, MadeKey, NewKey, Rotation
from services.gateway.accounts.service.api_keys import ApiKeys

_KEY_EXAMPLE: Final = {
    "id": "Zk3vQ8aB",
    "name": "nightly builds",
    "scopes": ["builds:read", "jobs:read"],
    "owner": 1,
    "created_at": "2026-11-20T18:00:00Z",
    "expires_at": None,
    "last_used_at": "2026-11-20T18:05:00Z",
    "revoked_at": None,
    "replaced_by": None,
}
_MADE_EXAMPLE: Final = {**_KEY_EXAMPLE, "last_used_at": None, "key": "slp_Zk3vQ8aB_" + "x" * 32}
_PAGE_EXAMPLE: Final = {"items": [_KEY_EXAMPLE], "total": 1, "limit": 20, "offset": 0, "next_offset": None}
_NO_SUCH_KEY: Final = "There is no such key, or it is somebody else's (API_KEY_NOT_FOUND)"
_NO_ADMIN: Final = "The credentials are a key without the scope `admin` (MISSING_SCOPE)"


def handlers(keys: ApiKeys) -> list[HTTPRouteHandler]:
    """The routes of API keys."""

    @get(
        "/api/v1/api-keys",
        guards=[person_or_admin_key],
        **documented("List one's API keys, newest first", example=_PAGE_EXAMPLE, errors={403: _NO_ADMIN}),
    )
    async def list_keys(principal: Caller, limit: Limit = DEFAULT_SIZE, offset: Offset = 0) -> KeyPage:
        window = Window(limit, offset)
        items, total = await keys.find(principal, window)
        return KeyPage(items, total, limit, offset, window.next_offset(total))

    @post(
        "/api/v1/api-keys",
        status_code=HTTP_201_CREATED,
        guards=[person_or_admin_key],
        **documented(
            "Make an API key",
            example=_MADE_EXAMPLE,
            body_example={"name": "nightly builds", "scopes": ["builds:read", "jobs:read"]},
            errors={403: f"{_NO_ADMIN}, or a scope that its maker has not got"},
            opt=IDEMPOTENT_SECRET,
        ),
    )
    async def make_key(principal: Caller, actor: Acting, data: JSONBody[NewKey]) -> Response[MadeKey]:
        """`key` is shown this once."""
        if data.expires_at is not None and data.expires_at <= utcnow():
            raise invalid([Detail(["body", "expires_at"], "Must lie in the future", "value_error")])
        return _made(*await keys.make(principal, data, actor))

    @get(
        "/api/v1/api-keys/{key_id:str}",
        guards=[person_or_admin_key],
        **documented("Read an API key", example=_KEY_EXAMPLE, errors={403: _NO_ADMIN, 404: _NO_SUCH_KEY}),
    )
    async def read_key(principal: Caller, key_id: FromPath[str]) -> KeyView:
        return await keys.get(principal, key_id)

    @post(
        "/api/v1/api-keys/{key_id:str}/rotate",
        status_code=HTTP_201_CREATED,
        guards=[person_or_admin_key],
        **documented(
            "Make a key like this one, which goes on working for a while",
            example=_MADE_EXAMPLE,
            body_example={"overlap_s": 3600},
            errors={
                403: f"{_NO_ADMIN}, or it is another user's (API_KEY_NOT_YOURS)",
                404: _NO_SUCH_KEY,
                409: "The key was revoked, has expired or was rotated already (API_KEY_ENDED)",
            },
            opt=IDEMPOTENT_SECRET,
        ),
    )
    async def rotate_key(
        principal: Caller, actor: Acting, key_id: FromPath[str], data: JSONBody[Rotation]
    ) -> Response[MadeKey]:
        """The new key has the same name, scopes and length of life; `key` is shown this once."""
        return _made(*await keys.rotate(principal, key_id, timedelta(seconds=data.overlap_s), actor))

    @delete(
        "/api/v1/api-keys/{key_id:str}",
        guards=[person_or_admin_key],
        **documented("Revoke an API key, at once and for good", errors={403: _NO_ADMIN, 404: _NO_SUCH_KEY}),
    )
    async def revoke_key(principal: Caller, actor: Acting, key_id: FromPath[str]) -> None:
        await keys.revoke(principal, key_id, actor)

    return [list_keys, make_key, read_key, rotate_key, revoke_key]


def _made(view: KeyView, key: str) -> Response[MadeKey]:
    made = MadeKey(**msgspec.structs.asdict(view), key=key)
    location = {"Location": f"/api/v1/api-keys/{view.id}"}
    return Response(made, status_code=HTTP_201_CREATED, headers=NO_STORE | location)
