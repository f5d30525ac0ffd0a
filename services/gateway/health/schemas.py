"""Bodies of the health family; the field names are those of the five documented systems."""

from datetime import datetime
from typing import Any

import msgspec

from services.gateway.health.checks import Check


class Root(msgspec.Struct, frozen=True):
    status: str
    service: str
    name: str
    version: str
    docs: str
    health: str


class DependencyStatus(msgspec.Struct, frozen=True):
    status: str


class HealthView(msgspec.Struct, frozen=True):
    """`status` is healthy or unhealthy, as the database is."""

    status: str
    version: str
    env: str
    uptime_s: float
    checks: dict[str, DependencyStatus]
    timestamp: datetime


class ApiHealth(msgspec.Struct, frozen=True):
    """`status` is healthy or degraded, as the database is; `github` is healthy, unhealthy or "not configured"."""

    status: str
    version: str
    database: str
    github: str
    timestamp: datetime


class Ready(msgspec.Struct, frozen=True):
    """`database` alone decides the HTTP status; `overall` is true when everything is there, so that work also runs."""

    database: bool
    redis: bool
    overall: bool
    checks: dict[str, Check]


class Live(msgspec.Struct, frozen=True):
    status: str


class Pong(msgspec.Struct, frozen=True):
    ping: str
    timestamp: datetime


class Component(msgspec.Struct, frozen=True):
    """`status` is healthy or unhealthy; `response_time` is in milliseconds, null where nothing was asked."""

    name: str
    status: str
    details: dict[str, Any]
    response_time: float | None


class Status(msgspec.Struct, frozen=True):
    """`overall_status` is healthy, degraded (work is accepted and waits) or unhealthy (work is refused)."""

    overall_status: str
    timestamp: datetime
    components: list[Component]
