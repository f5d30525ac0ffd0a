"""The one place where exceptions become answers: `{"error": {"code", "message", "details"}}`.

RequestErrors answer as they stand. What the framework, msgspec and the database raise is translated here; anything
else is a mistake of ours: 500 INTERNAL_ERROR, logged with its traceback, with nothing of the inside in the answer.
"""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException, SerializationException, ValidationException
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import InternalError as DriverError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from libs.common.errors import BadRequest, Invalid, NotFound, RequestError, TooLarge, Unavailable, UnsupportedMediaType

log = structlog.get_logger()


# SQLSTATEs (PostgreSQL, appendix A) that only a client's value can cause and that no schema of ours caught before:
# string too long, number out of range, text that is not valid, NUL, a value its driver cannot encode.
_VALUE_STATES: Final = frozenset({"22000", "22001", "22003", "22021", "22P02", "22P05"})
# SQLSTATE classes of a database that is away or cannot go on now: connection, no such database, refused log-in,
# deadlock or serialisation, out of resources, operator intervention (shutting down, starting up), system error.
_AWAY_CLASSES: Final = frozenset({"08", "3D", "28", "40", "53", "57", "58"})
_VALUE_ERRORS: Final = ("DataError", "OverflowError", "UnicodeEncodeError")


class ErrorBody(msgspec.Struct, frozen=True):
    """What went wrong: a stable code for programs, words for people, details where they help (else null)."""

    code: str
    message: str
    details: Any = None


class ErrorEnvelope(msgspec.Struct, frozen=True):
    """The body of every answer that is not a success."""

    error: ErrorBody


class Detail(msgspec.Struct, frozen=True):
    """One wrong value: where it is (`body`, `query`, `path` or `header`, then the way down), what, and which kind."""

    loc: list[str | int]
    msg: str
    type: str


class MethodNotAllowed(RequestError):
    status = 405
    default_code = "METHOD_NOT_ALLOWED"


class InternalError(RequestError):
    """A mistake of ours, as the client sees it."""

    status = 500
    default_code = "INTERNAL_ERROR"


# Our words for what the framework refuses by itself; its own would name its classes and repeat the address.
_BY_STATUS: Final[Mapping[int, tuple[type[RequestError], str]]] = {
    404: (NotFound, "There is nothing at this path"),
    405: (MethodNotAllowed, "This path does not know this method"),
    413: (TooLarge, "The body is over the size limit of this route"),
    415: (UnsupportedMediaType, "This content type is not read here"),
}


def answer(_: Request[Any, Any, State], error: Exception) -> Response[ErrorEnvelope]:
    """Make the response of an exception; the app-wide exception handler."""
    return to_response(translate(error))


def to_response(error: RequestError) -> Response[ErrorEnvelope]:
    return Response(envelope(error), status_code=error.status, headers=error.headers, media_type="application/json")


def envelope(error: RequestError) -> ErrorEnvelope:
    return ErrorEnvelope(ErrorBody(error.code, error.message, error.details))


def translate(error: Exception) -> RequestError:
    """Find the answer to any exception, and log the ones that an operator has to know of."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, HTTPException):
        return _from_framework(error)
    if isinstance(error, msgspec.ValidationError):
        return invalid([detail(["body"], str(error))])
    if isinstance(error, msgspec.DecodeError):
        return invalid_json(error)
    if isinstance(error, DBAPIError | OverflowError) and _is_wrong_value(error):
        return invalid(
            [Detail(loc=[], msg="A value is out of range or holds text that cannot be stored", type="value_error")]
        )
    if _is_away(error):
        log.error("dependency_unreachable", reason=repr(error))
        return Unavailable("Something that Slipway needs does not answer; try again", headers={"Retry-After": "2"})
    return _mistake(error)


def invalid(details: Sequence[Detail], message: str = "The request is not valid") -> Invalid:
    """The 422 with its list of wrong values."""
    return Invalid(message, details=[msgspec.to_builtins(one) for one in details])


def invalid_json(error: BaseException) -> BadRequest:
    return BadRequest(f"The body is not valid JSON: {error}", code="INVALID_JSON")


def detail(where: Sequence[str | int], message: str) -> Detail:
    """Turn msgspec's message ("Expected `int`, got `str` - at `$.items[0].name`") into a place, words and a kind."""
    # A wrong key of an object is told as "... - at `key` in `$.env`": the object is the place.
    words, _, path = message.replace(" - at `key` in `$", " - at `$").partition(" - at `$")
    loc = [*where, *_steps(path.rstrip("`"))]
    if match := re.fullmatch(r"Object missing required field `(.*)`", words):
        return Detail([*loc, match[1]], "This field is required", "missing")
    if match := re.fullmatch(r"Object contains unknown field `(.*)`", words, re.DOTALL):
        return Detail([*loc, match[1]], "There is no such field", "extra_forbidden")
    return Detail(loc, words, "type_error" if ", got `" in words else "value_error")


def _steps(path: str) -> list[str | int]:
    """Split `.items[0].name` into ["items", 0, "name"]; msgspec writes `[...]` for a key or index it does not name."""
    parts = re.findall(r"\.?([^.\[\]]+)|\[(\d+|\.\.\.)\]", path)
    return [name or (int(index) if index.isdigit() else index) for name, index in parts]


def _from_framework(error: HTTPException) -> RequestError:
    if isinstance(error, ValidationException):
        return _from_validation(error)
    if isinstance(error.__cause__, SerializationException):
        return invalid_json(error.__cause__)
    if error.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
        return _from_broken_request(error)
    # 400: "Invalid host header" and the like, short, and says what to mend
    kind, message = _BY_STATUS.get(error.status_code, (BadRequest, error.detail))
    return kind(message, headers=dict(error.headers or {}))


def _from_validation(error: ValidationException) -> RequestError:
    found = error.extra if isinstance(error.extra, list) else []
    if not found:
        # "Missing required query parameter 'ref' for path /x": the only one that comes without a list
        match = re.match(r"Missing required (\w+) parameter '?([^' ]+)'?", error.detail)
        return invalid([Detail([match[1], match[2]], "This parameter is required", "missing")] if match else [])
    return invalid([_framework_detail(one) for one in found])


def _framework_detail(found: Mapping[str, str]) -> Detail:
    key, source = found.get("key", ""), found.get("source", "query")
    if found["message"] == "'data'":  # the framework's KeyError for a body that is empty
        return Detail(["body"], "A body is required", "missing")
    where: list[str | int] = [source]
    if key and not (source == "body" and key == "data"):  # `data` is the body as a whole
        where += _steps("." + key)
    return detail(where, found["message"])


def _from_broken_request(error: HTTPException) -> RequestError:
    if error.detail == "client disconnected prematurely":
        return BadRequest("The client went away before its body was complete", code="CLIENT_DISCONNECTED")
    return _mistake(error)


def _mistake(error: Exception) -> InternalError:
    log.error("request_failed", exc_info=error)
    return InternalError("Something went wrong on our side; the X-Request-ID of this answer finds it in our log")


def _is_away(error: Exception) -> bool:
    """Tell whether something that we need does not answer, which is nobody's mistake and may pass."""
    if isinstance(error, OperationalError | InterfaceError | PoolTimeout | RedisError | ConnectionError | TimeoutError):
        return True
    if isinstance(error, DriverError):
        return True  # asyncpg's word for a connection that was cut in the middle of a statement
    return isinstance(error, DBAPIError) and (_sqlstate(error) or "")[:2] in _AWAY_CLASSES


def _sqlstate(error: DBAPIError) -> str | None:
    """The code that PostgreSQL gave; what fails while connecting has it only on the driver's own exception."""
    original = error.orig
    return getattr(original, "sqlstate", None) or getattr(getattr(original, "__cause__", None), "sqlstate", None)


def _is_wrong_value(error: DBAPIError | OverflowError) -> bool:
    if isinstance(error, OverflowError):
        return "SQLite" in str(error)  # "Python int too large to convert to SQLite INTEGER"
    original = error.orig
    if _sqlstate(error) in _VALUE_STATES:
        return True
    return any(
        kind.__name__ in _VALUE_ERRORS
        for cause in (original, getattr(original, "__cause__", None))
        for kind in type(cause).__mro__
    )
