"""The request class of the app, and the checks that every request passes before its handler runs.

Text with NUL cannot be stored by PostgreSQL, and no integer column holds more than 64 bits. Both are refused here,
once, instead of in each handler; cheap scans of the raw bytes decide whether a closer look is needed at all.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.enums import RequestEncodingType
from litestar.exceptions import SerializationException
from litestar.params import BodyKwarg

from libs.common.audit import Actor
from libs.common.errors import NotFound, UnsupportedMediaType
from libs.common.http.errors import Detail, invalid, invalid_json
from libs.common.http.principal import Principal

AnyRequest = Request[Any, Any, State]

BODY_MAX_BYTES: Final = 1024 * 1024  # the largest honest body is a recipe or a source file of some 100 KB
WEBHOOK_BODY_MAX_BYTES: Final = 26 * 1024 * 1024  # GitHub caps its deliveries at 25 MB and never sends one again

BIGINT_MAX: Final = 2**63 - 1
# 19 digits or a NUL escape: bodies without either are fine without being walked through.
_SUSPECT: Final = re.compile(rb"\d{19}|\\u0000")
_JSON: Final = re.compile(r"application/(?:[\w.+-]+\+)?json", re.IGNORECASE)
_FORMS: Final = frozenset({RequestEncodingType.URL_ENCODED, RequestEncodingType.MULTI_PART})
# `opt` of a route that reads its body as JSON whatever the content type says (documented curl lines send none).
ANY_CONTENT_TYPE: Final[dict[str, Any]] = {"any_content_type": True}


class JSONRequest(AnyRequest):
    """A request whose JSON holds nothing that cannot be stored."""

    async def json(self) -> Any:
        """Decode the body. Raises BadRequest (INVALID_JSON), Invalid, and msgspec.ValidationError for a wrong type."""
        try:
            value = await super().json()
        except SerializationException as error:
            raise invalid_json(error.__cause__ or error) from error
        except (RecursionError, UnicodeDecodeError) as error:
            raise invalid_json(
                ValueError("nested too deeply" if isinstance(error, RecursionError) else "not UTF-8")
            ) from error
        if _SUSPECT.search(await self.body()):
            refuse_unstorable(value)
        wanted = self.route_handler.parsed_fn_signature.parameters.get("data")
        if wanted is not None and isinstance(value, dict):
            # The framework itself decodes bodies as leniently as queries, where "0" is a number and 0 is false.
            msgspec.convert(value, wanted.annotation)
        return value


def refuse_unstorable(value: Any) -> None:
    """Raise Invalid when a string in `value` holds NUL or an integer does not fit into 64 bits."""
    found = list(_unstorable(value, ["body"]))
    if found:
        raise invalid(found)


def _unstorable(value: Any, loc: list[str | int]) -> Iterator[Detail]:
    match value:
        case str() if "\0" in value:
            yield Detail(loc, "NUL cannot be stored", "value_error")
        case int() if abs(value) > BIGINT_MAX:
            yield Detail(loc, f"The number must lie within ±{BIGINT_MAX}", "value_error")
        case dict():
            for key, item in value.items():
                if "\0" in key:
                    yield Detail(loc, "NUL cannot be stored", "value_error")
                yield from _unstorable(item, [*loc, key.replace("\0", "")])
        case list():
            for index, item in enumerate(value):
                yield from _unstorable(item, [*loc, index])


def actor_of(request: ASGIConnection[Any, Any, Any, Any], principal: Principal) -> Actor:
    """Say for the audit log who asks: the caller, and what the edge knows of the request.

    On an open route (a login) there is no caller yet; `stranger` makes one of the name that was given.
    """
    state = request.scope.get("state", {})
    return Actor(
        user_id=principal.user_id,
        name=principal.name,
        key_id=principal.key_id,
        address=state.get("client_address") or None,
        request_id=state.get("request_id"),
        intent=state.get("intent"),
    )


def stranger(name: str) -> Principal:
    """Somebody who only claims to be `name`: no user, no rights."""
    return Principal(user_id=None, name=name, scopes=frozenset())


async def check_request(request: Request[Any, Any, State]) -> None:
    """Refuse what no handler could use; the app-wide `before_request` hook.

    Path values that cannot be stored name nothing: NotFound. In the query they are Invalid. A body in a content type
    that the route does not read is UnsupportedMediaType; a body without any content type is taken as what is expected.
    """
    for value in request.path_params.values():
        if (isinstance(value, str) and "\0" in value) or (isinstance(value, int) and abs(value) > BIGINT_MAX):
            raise NotFound("There is nothing at this path")
    if b"%00" in request.scope["query_string"]:
        raise invalid([Detail(["query"], "NUL cannot be stored", "value_error")])
    wanted = _wanted_type(request)
    given = request.content_type[0]
    if wanted is None:
        return
    if given and not _fits(given, wanted) and not request.route_handler.opt.get("any_content_type"):
        raise UnsupportedMediaType(f"{given} is not read here, send {wanted.value}")
    if wanted == RequestEncodingType.URL_ENCODED and b"%00" in await request.body():
        raise invalid([Detail(["body"], "NUL cannot be stored", "value_error")])


def _wanted_type(request: Request[Any, Any, State]) -> RequestEncodingType | None:
    """The content type that the route's handler takes its `data` from; None when it takes none."""
    data = request.route_handler.parsed_fn_signature.parameters.get("data")
    if data is None:
        return None
    body = data.kwarg_definition
    return RequestEncodingType(body.media_type if isinstance(body, BodyKwarg) else RequestEncodingType.JSON)


def _fits(given: str, wanted: RequestEncodingType) -> bool:
    return given in _FORMS if wanted in _FORMS else _JSON.fullmatch(given) is not None
