"""The routes of the health family; all are open."""

from collections.abc import Sequence
from typing import Any, Final

from litestar import Request, Response, Router, get
from litestar.datastructures import State
from litestar.response import Redirect

from libs.common.database import utcnow
from libs.common.http.documentation import documented
from libs.common.http.guards import OPEN
from libs.common.http.limits import UNLIMITED
from libs.common.jobs.heartbeats import Heartbeat
from libs.common.version import VERSION
from services.gateway.health.checks import DOMAINS, Check, Health
from services.gateway.health.schemas import (
    ApiHealth,
    Component,
    DependencyStatus,
    HealthView,
    Live,
    Pong,
    Ready,
    Root,
    Status,
)

_DOCS: Final = "/api/docs"
_PAGE: Final = "/ui/"
_NOW: Final = "2026-11-20T18:00:00Z"
_UP: Final = {"healthy": True, "message": "answers", "response_ms": 0.4}


def router(health: Health) -> Router:
    """Make the routes."""

    @get(
        "/",
        **documented(
            "Say what this is", example=_ROOT, answers={303: (None, "A browser is sent to the page")}, opt=OPEN
        ),
    )
    async def root(request: Request[Any, Any, State]) -> Response[Root]:
        """A browser is sent to the page."""
        if "text/html" in request.headers.get("accept", ""):
            return Redirect(_PAGE, status_code=303)
        return Response(Root("healthy", "slipway", "Slipway", VERSION, docs=_DOCS, health="/health"))

    @get(
        "/health",
        **documented(
            "Tell whether requests can be served",
            example=_HEALTH,
            answers={503: (HealthView, "The database is down")},
            opt=OPEN,
        ),
    )
    async def read_health() -> Response[HealthView]:
        up = (await health.check("database")).healthy
        checks = {"database": DependencyStatus(_word(up=up))}
        view = HealthView(_word(up=up), VERSION, health.env, health.uptime_s, checks, utcnow())
        return Response(view, status_code=200 if up else 503)

    @get("/api/health", **documented("Tell how the API is", example=_API_HEALTH, opt=OPEN))
    async def read_api_health() -> ApiHealth:
        up = (await health.check("database")).healthy
        github = _word(up=(await health.check("github")).healthy) if "github" in health.names else "not configured"
        return ApiHealth("healthy" if up else "degraded", VERSION, _word(up=up), github, utcnow())

    @get(
        ["/ready", "/health/ready"],
        **documented(
            "Tell whether work is accepted",
            example=_READY,
            answers={503: (Ready, "The database is down: nothing can be accepted")},
            opt=OPEN,
        ),
    )
    async def read_ready() -> Response[Ready]:
        """Without Redis work is accepted and begins when it is back: still 200."""
        checks = await health.checks()
        database, redis = checks["database"].healthy, checks["redis"].healthy
        view = Ready(database, redis, database and redis, checks)
        return Response(view, status_code=200 if database else 503)

    @get(["/health/live", "/livez"], **documented("Tell that the process runs", example={"status": "alive"}, opt=OPEN))
    async def read_live() -> Live:
        return Live("alive")

    @get("/api/ping", **documented("Answer", example={"ping": "pong", "timestamp": _NOW}, opt=OPEN))
    async def ping() -> Pong:
        return Pong("pong", utcnow())

    @get("/status", **documented("Show every component", example=_STATUS, opt=OPEN))
    async def read_status() -> Status:
        checks, workers = await health.checks(), await health.workers()
        components = [_dependency(name, check) for name, check in checks.items()]
        components += [_workers(domain, workers) for domain in DOMAINS]
        if not checks["database"].healthy:
            overall = "unhealthy"
        else:
            overall = "healthy" if all(one.status == "healthy" for one in components) else "degraded"
        return Status(overall, utcnow(), components)

    handlers = [root, read_health, read_api_health, read_ready, read_live, ping, read_status]
    return Router("/", route_handlers=handlers, tags=["Health"], opt=UNLIMITED)


def _word(*, up: bool) -> str:
    return "healthy" if up else "unhealthy"


def _dependency(name: str, check: Check) -> Component:
    return Component(name, _word(up=check.healthy), {"message": check.message}, check.response_ms)


def _workers(domain: str, beats: Sequence[Heartbeat]) -> Component:
    """One component per worker service; a worker that is silent for 35 s has disappeared from Redis by itself."""
    own = [beat for beat in beats if beat.domain == domain]
    details = {
        "workers": [
            {
                "name": beat.name,
                "host": beat.host,
                "version": beat.version,
                "started_at": beat.started_at,
                "last_heartbeat": beat.seen_at,
                "jobs": len(beat.jobs),
            }
            for beat in own
        ]
    }
    return Component(f"worker-{domain}", _word(up=bool(own)), details, None)


_ROOT: Final = {
    "status": "healthy",
    "service": "slipway",
    "name": "Slipway",
    "version": VERSION,
    "docs": _DOCS,
    "health": "/health",
}
_HEALTH: Final = {
    "status": "healthy",
    "version": VERSION,
    "env": "production",
    "uptime_s": 12.5,
    "checks": {"database": {"status": "healthy"}},
    "timestamp": _NOW,
}
_API_HEALTH: Final = {
    "status": "healthy",
    "version": VERSION,
    "database": "healthy",
    "github": "not configured",
    "timestamp": _NOW,
}
_READY: Final = {"database": True, "redis": True, "overall": True, "checks": {"database": _UP, "redis": _UP}}
_STATUS: Final = {
    "overall_status": "healthy",
    "timestamp": _NOW,
    "components": [
        {"name": "database", "status": "healthy", "details": {"message": "answers"}, "response_time": 0.4},
        {"name": "worker-builds", "status": "healthy", "details": {"workers": []}, "response_time": None},
    ],
}
