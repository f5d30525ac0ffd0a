"""The OpenAPI 3.1 document, and a page that shows it without asking anybody else's server.

The framework describes parameters and bodies from the handlers' types. What the frame answers for every route, who may
call it, and the examples are added here, in one place.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from litestar import Litestar, Request, Response, Router, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme, Server
from litestar.params import BodyKwarg
from litestar.routes import HTTPRoute
from litestar.types import ControllerRouterHandler

from libs.common.auth.sessions import COOKIE, CSRF_HEADER
from libs.common.http.errors import ErrorEnvelope
from libs.common.http.guards import OPEN
from libs.common.http.idempotency import HEADER, KEY_FORM
from libs.common.http.waiting import WAIT_MAX_S
from libs.common.version import VERSION

DOCUMENT: Final = "/api/openapi.json"
_VIEWER: Final = "rapidoc-9.3.8.min.js"
_VIEWER_URL: Final = f"/api/docs/assets/{_VIEWER}"
_REFERENCE: Final = "#/components/schemas/{name}"
_ENVELOPE: Final = {"$ref": _REFERENCE.format(name=ErrorEnvelope.__name__)}
_YEAR_S: Final = 365 * 24 * 3600

_SECURITY: Final[dict[str, SecurityScheme]] = {
    "apiKey": SecurityScheme(type="apiKey", name="X-API-Key", security_scheme_in="header", description="An API key"),
    "bearer": SecurityScheme(type="http", scheme="bearer", description="A login token or an API key"),
    "session": SecurityScheme(
        type="apiKey",
        name=COOKIE,
        security_scheme_in="cookie",
        description=f"A browser's session; what changes something needs the header {CSRF_HEADER} beside it",
    ),
}
_IDEMPOTENCY_KEY: Final = {
    "name": HEADER,
    "in": "header",
    "description": "A word of your own for this request: sent again with it, it is done once and answered alike",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": f"^{KEY_FORM}$"},
}
_IF_NONE_MATCH: Final = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The ETag of an answer that you have: 304 while nothing has changed",
    "schema": {"type": "string"},
}
_PREFER: Final = {
    "name": "Prefer",
    "in": "header",
    "description": f"`wait=N`: answer when the job has ended, or after N seconds (at most {WAIT_MAX_S})",
    "schema": {"type": "string", "example": "wait=1"},
}
# Our scripts and nobody else's; the viewer writes style elements into its shadow root, hence 'unsafe-inline' there.
_PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE: Final = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Slipway API</title>
<script type="module" src="{_VIEWER_URL}"></script>
</head>
<body>
<rapi-doc spec-url="{DOCUMENT}" render-style="read" load-fonts="false" show-header="false"
  allow-spec-url-load="false" allow-spec-file-load="false" schema-style="table" persist-auth="false"></rapi-doc>
<noscript>The API is described by <a href="{DOCUMENT}">{DOCUMENT}</a>.</noscript>
</body>
</html>
"""


class _NoPages(Router):
    """Takes none of the framework's own pages: they load their scripts from a CDN."""

    def register(self, value: ControllerRouterHandler) -> list[Any]:  # noqa: ARG002 - the base class names it
        return []


def config() -> OpenAPIConfig:
    """What the framework needs to know to make its part of the document."""
    return OpenAPIConfig(
        title="Slipway",
        version=VERSION,
        description=(
            "Builds, servers and apps over one job runtime. Every error has the body "
            '`{"error": {"code", "message", "details"}}`; every answer carries `X-Request-ID`.'
        ),
        servers=[Server(url="/")],
        components=Components(security_schemes=cast("Any", _SECURITY)),
        use_handler_docstrings=True,
        openapi_router=_NoPages("/api/docs", route_handlers=[]),
        render_plugins=[JsonRenderPlugin()],
    )


def router() -> Router:
    """The document and its pages."""

    @get(DOCUMENT, include_in_schema=False, opt=OPEN)
    async def read_document(request: Request[Any, Any, State]) -> Response[bytes]:
        return Response(_encoded(request.app), media_type="application/json", headers={"Cache-Control": "no-cache"})

    @get(["/api/docs", "/docs", "/api/redoc"], include_in_schema=False, opt=OPEN)
    async def page() -> Response[str]:
        return Response(_PAGE, media_type="text/html", headers={"Content-Security-Policy": _PAGE_POLICY})

    @get(_VIEWER_URL, include_in_schema=False, opt=OPEN)
    async def viewer() -> Response[bytes]:
        headers = {"Cache-Control": f"public, max-age={_YEAR_S}, immutable"}  # the version is part of the name
        return Response(_asset(_VIEWER), media_type="text/javascript", headers=headers)

    return Router("/", route_handlers=[read_document, page, viewer])


def document(app: Litestar) -> dict[str, Any]:
    """Make the whole document of an app."""
    made: dict[str, Any] = app.openapi_schema.to_schema()
    schemas = made["components"].setdefault("schemas", {})
    for name, schema in msgspec.json.schema_components([ErrorEnvelope], ref_template=_REFERENCE)[1].items():
        schemas.setdefault(name, schema)
    for path, method, handler in _operations(app):
        operation = made["paths"].get(path, {}).get(method.lower())
        if operation is not None:
            _complete(operation, path, handler)
    return made


@cache
def _asset(name: str) -> bytes:
    return (Path(__file__).parent / "assets" / name).read_bytes()


def _encoded(app: Litestar) -> bytes:
    """The document as JSON, made at the first request: it takes a few hundred milliseconds."""
    if "openapi" not in app.state:
        app.state["openapi"] = msgspec.json.encode(document(app))
    return cast("bytes", app.state["openapi"])


def _operations(app: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                for method in handler.http_methods:
                    yield route.path_format or "/", method, handler


def _complete(operation: dict[str, Any], path: str, handler: HTTPRouteHandler) -> None:
    """Add to one operation what its handler's types do not say."""
    is_open = bool(handler.opt.get("open"))
    operation["security"] = [] if is_open else [{name: []} for name in _SECURITY]
    scopes = sorted(scope for guard in handler.resolve_guards() for scope in getattr(guard, "scopes", ()))
    if scopes:
        needed = f"Needs the scope {' and '.join(f'`{scope}`' for scope in scopes)}."
        operation["description"] = f"{operation.get('description') or ''}\n\n{needed}".strip()
        operation["x-scopes"] = scopes

    if handler.opt.get("raw_body"):
        operation["requestBody"] = {"required": True, "content": handler.opt["raw_body"]}
    answers = operation["responses"]
    if "400" not in {str(status) for status in handler.responses or {}}:
        answers.pop("400", None)  # the framework's own validation error; ours is a 422
    for status, reason in _frame_answers(path, handler, is_open=is_open, needs_scope=bool(scopes)):
        answers.setdefault(status, {"description": reason, "content": {"application/json": {"schema": _ENVELOPE}}})

    if headers := list(_frame_headers(handler)):
        operation.setdefault("parameters", []).extend(headers)
    if handler.opt.get("polled"):
        answers["304"] = {"description": "Nothing has changed since the answer that If-None-Match names"}

    example, body_example = handler.opt.get("example"), handler.opt.get("body_example")
    success = answers.get(str(handler.status_code), {})
    _set_example(success.get("content"), example)
    for media in handler.opt.get("further_media", ()):
        success["content"].setdefault(media, {"schema": {"type": "string"}})
    _set_example(operation.get("requestBody", {}).get("content"), body_example)


def _frame_headers(handler: HTTPRouteHandler) -> Iterator[dict[str, Any]]:
    """The headers that the frame reads for a route."""
    if handler.opt.get("idempotent"):
        yield _IDEMPOTENCY_KEY
    if handler.opt.get("polled"):
        yield _IF_NONE_MATCH
    if handler.opt.get("waits"):
        yield _PREFER


def _frame_answers(
    path: str, handler: HTTPRouteHandler, *, is_open: bool, needs_scope: bool
) -> Iterator[tuple[str, str]]:
    """The statuses that the frame answers for a route, with the reason."""
    data = handler.parsed_fn_signature.parameters.get("data")
    if data is not None:
        yield "400", "The body is not valid JSON (INVALID_JSON)"
    if not is_open:
        yield "401", "No or no valid credentials"
    if not is_open or handler.http_methods & {"POST", "PUT", "PATCH", "DELETE"}:
        yield "503", "Something that Slipway needs does not answer"
    if needs_scope:
        yield "403", "The credentials lack a scope (MISSING_SCOPE)"
    if "{" in path:
        yield "404", "There is no such thing, or it is somebody else's"
    if not handler.opt.get("unlimited"):
        yield "429", "Too many requests: see Retry-After (RATE_LIMITED)"
    if handler.http_methods & {"POST", "PUT", "PATCH"}:
        yield "413", "The body is over the size limit"
    if data is not None:
        media = data.kwarg_definition.media_type if isinstance(data.kwarg_definition, BodyKwarg) else "application/json"
        yield "415", f"The body is not {media}"
    if handler.opt.get("idempotent"):
        yield "409", "The Idempotency-Key was used, and its answer cannot be repeated (IDEMPOTENCY_...)"
    yield "422", "A value is not valid (VALIDATION_ERROR)"


def _set_example(content: dict[str, Any] | None, example: Any) -> None:
    for media in (content or {}).values() if example is not None else ():
        media.setdefault("example", example)
