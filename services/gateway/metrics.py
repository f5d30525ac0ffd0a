"""What this process counted, and how deep the queues are, for Prometheus."""

import asyncio

import structlog
from litestar import Response, Router, get
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from libs.common import metrics
from libs.common.database import Database
from libs.common.http.guards import OPEN
from libs.common.http.limits import UNLIMITED
from libs.common.jobs.models import Job
from libs.common.jobs.states import JobStatus
from services.gateway.health.checks import DOMAINS

log = structlog.get_logger()

# Prometheus gives a scrape 10 s by default; our own counters must come whatever the database does.
_PATIENCE_S = 2.0


def router(database: Database) -> Router:
    """Make the route; it stands outside of the OpenAPI document, and nginx does not pass it on."""

    @get("/metrics", include_in_schema=False, opt=OPEN | UNLIMITED)
    async def scrape() -> Response[bytes]:
        await _measure(database)
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return Router("/", route_handlers=[scrape])


async def _measure(database: Database) -> None:
    """Set the gauges that describe more than this process; what cannot be asked keeps its last value."""
    pool = database.engine.pool
    if isinstance(pool, QueuePool):
        metrics.DB_POOL.labels("in_use").set(pool.checkedout())
        metrics.DB_POOL.labels("idle").set(pool.checkedin())
    waiting = (
        select(Job.domain, func.count().label("depth")).where(Job.status == JobStatus.PENDING).group_by(Job.domain)
    )
    try:
        async with asyncio.timeout(_PATIENCE_S), database.reading() as tx:
            depths = {row.domain: row.depth for row in await tx.execute(waiting)}
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        log.warning("queue_depth_unknown", reason=repr(error))
        return
    for domain in (*DOMAINS, *(depths.keys() - set(DOMAINS))):
        metrics.QUEUE_DEPTH.labels(domain).set(depths.get(domain, 0))
