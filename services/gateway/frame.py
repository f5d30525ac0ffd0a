"""The app without any slice: what holds for every route, whoever brings it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

from litestar import Litestar, Request, Response
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.status_codes import HTTP_204_NO_CONTENT
from litestar.types import ControllerRouterHandler, LifeSpanReceive, LifeSpanScope, LifeSpanSend, Receive, Scope, Send

from libs.common.http.edge import Edge
from libs.common.http.errors import answer
from libs.common.http.etags import Conditional
from libs.common.http.guards import Authenticate, authenticated, current_actor, current_principal
from libs.common.http.idempotency import REPLAYED, Idempotency
from libs.common.http.limits import Limits
from libs.common.http.requests import BODY_MAX_BYTES, JSONRequest, check_request
from libs.common.http.waiting import AwaitEnd
from services.gateway import openapi

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]
_HOUR_S = 3600


class Gateway(Litestar):
    """A Litestar app inside an Edge, so that also what the router refuses has its ids, headers and log line."""

    def __init__(self, *arguments: Any, proxy_hops: int, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._edge = Edge(Conditional(super().__call__), proxy_hops=proxy_hops)

    async def __call__(
        self, scope: Scope | LifeSpanScope, receive: Receive | LifeSpanReceive, send: Send | LifeSpanSend
    ) -> None:
        if scope["type"] == "lifespan":
            await super().__call__(scope, receive, send)
        else:
            await self._edge(scope, cast("Receive", receive), cast("Send", send))


def make_gateway(
    handlers: Sequence[ControllerRouterHandler],
    *,
    authenticate: Authenticate,
    idempotency: Idempotency | None = None,
    limits: Limits | None = None,
    await_end: AwaitEnd | None = None,
    cors_origins: Sequence[str] = (),
    proxy_hops: int = 0,
    lifespan: Sequence[Lifespan] = (),
) -> Gateway:
    """Put routes into the frame: guards, error envelope, checks of the input, OpenAPI document.

    `idempotency` does keyed requests once (None: keys are passed over). `limits` counts the requests (None: nobody
    does). `await_end` waits for a job's end where a client prefers that (None: nobody waits). `cors_origins` are the
    origins whose pages may call (empty: none, no CORS headers at all). `proxy_hops` is how many trusted proxies stand
    in front.
    """

    async def before(request: Request[Any, Any, State]) -> Response[bytes] | None:
        if request.method == "OPTIONS":
            return _methods(request)
        await check_request(request)
        if idempotency is not None:
            await idempotency.before(request)
        return None

    return Gateway(
        [*handlers, openapi.router()],
        proxy_hops=proxy_hops,
        before_request=before,
        cors_config=_cors(cors_origins) if cors_origins else None,
        dependencies={"principal": Provide(current_principal), "actor": Provide(current_actor)},
        exception_handlers={Exception: answer},
        guards=[authenticated if limits is None else limits.around(authenticated)],
        lifespan=list(lifespan),
        middleware=[] if idempotency is None else [idempotency.around],
        logging_config=None,  # libs.common.logging is configured once, by the process
        openapi_config=openapi.config(),
        request_class=JSONRequest,
        request_max_body_size=BODY_MAX_BYTES,
        state=State({"authenticate": authenticate, "limits": limits, "await_end": await_end}),
    )


def _methods(request: Request[Any, Any, State]) -> Response[bytes]:
    """Answer OPTIONS. The framework's own answer names only the methods of the handler that brought the path first."""
    template = request.scope["path_template"]
    methods = {method for route in request.app.routes if route.path_format == template for method in route.methods}
    return Response(b"", status_code=HTTP_204_NO_CONTENT, headers={"Allow": ", ".join(sorted(methods))})


def _cors(origins: Sequence[str]) -> CORSConfig:
    """Credentials here are headers that a page sets itself, never cookies: no allow_credentials."""
    return CORSConfig(
        allow_origins=list(origins),
        allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=[
            "Authorization",
            "Content-Type",
            "X-API-Key",
            "X-Request-ID",
            "Idempotency-Key",
            "If-Match",
            "If-None-Match",
            "Last-Event-ID",
            "Prefer",
        ],
        expose_headers=[
            "X-Request-ID",
            "X-Correlation-ID",
            "ETag",
            "Location",
            "Preference-Applied",
            "RateLimit-Limit",
            "RateLimit-Remaining",
            "RateLimit-Reset",
            "Retry-After",
            REPLAYED,
        ],
        max_age=_HOUR_S,
    )
