"""HTTP in: the queues of all domains, their workers, and pausing."""

from collections.abc import Sequence
from typing import Final

from litestar import Router, get, post
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK

from libs.common.errors import NotFound
from libs.common.http.documentation import documented
from libs.common.http.etags import POLLED
from libs.common.http.guards import Acting, Caller, requires
from libs.common.http.principal import ADMIN, Principal
from libs.common.jobs.heartbeats import Heartbeat
from libs.common.jobs.queue import Queue, Standing, visible_to
from services.gateway.health.checks import DOMAINS
from services.gateway.jobs.schemas import shown
from services.gateway.queue.schemas import (
    DOMAIN_EXAMPLE,
    PAUSED_EXAMPLE,
    WORKER_EXAMPLE,
    AgentsView,
    DomainView,
    Pause,
    QueueView,
    WorkerJob,
    WorkerView,
)

# What fits on a screen; GET /jobs?status=pending has the others.
_NEXT: Final = 20
_MINUTES: Final = 5  # what heartbeats count; see worker/throughput.py
_AWAY: Final = "Redis does not answer: nothing is known of workers and of how fast jobs start and end"
_UNKNOWN: Final = "There is no such domain (DOMAIN_NOT_FOUND)"


def router(queue: Queue) -> Router:
    """The routes of the queues."""

    @get(
        ["/queue", "/metrics/queue"],
        guards=[requires("jobs:read")],
        **documented("Read how all queues stand", example={"domains": [DOMAIN_EXAMPLE]}, opt=POLLED),
    )
    async def read_queue(principal: Caller) -> QueueView:
        return QueueView([await _domain(queue, principal, domain) for domain in DOMAINS])

    @get(
        "/queue/{domain:str}",
        guards=[requires("jobs:read")],
        **documented("Read how one queue stands", example=DOMAIN_EXAMPLE, errors={404: _UNKNOWN}, opt=POLLED),
    )
    async def read_domain(principal: Caller, domain: FromPath[str]) -> DomainView:
        return await _domain(queue, principal, _known(domain))

    @get(
        "/agents",
        guards=[requires("jobs:read")],
        **documented("List the workers that live", example={"agents": [WORKER_EXAMPLE], "note": None}, opt=POLLED),
    )
    async def list_agents(principal: Caller) -> AgentsView:
        workers = await queue.workers()
        if workers is None:
            return AgentsView(None, _AWAY)
        return AgentsView([_worker(principal, worker) for worker in workers])

    @post(
        "/queue/{domain:str}/pause",
        status_code=HTTP_200_OK,
        guards=[requires(ADMIN)],
        **documented(
            "Let no further job of a domain start; what runs goes on",
            example=PAUSED_EXAMPLE,
            body_example={"reason": "The registry is being moved"},
            errors={404: _UNKNOWN},
        ),
    )
    async def pause(principal: Caller, actor: Acting, domain: FromPath[str], data: JSONBody[Pause]) -> DomainView:
        await queue.pause(_known(domain), actor, data.reason)
        return await _domain(queue, principal, domain)

    @post(
        "/queue/{domain:str}/resume",
        status_code=HTTP_200_OK,
        guards=[requires(ADMIN)],
        **documented(
            "End a domain's pause: what waits is handed out at once", example=DOMAIN_EXAMPLE, errors={404: _UNKNOWN}
        ),
    )
    async def resume(principal: Caller, actor: Acting, domain: FromPath[str]) -> DomainView:
        await queue.resume(_known(domain), actor)
        return await _domain(queue, principal, domain)

    return Router("/", route_handlers=[read_queue, read_domain, list_agents, pause, resume], tags=["Queue"])


def _known(domain: str) -> str:
    if domain not in DOMAINS:
        raise NotFound(f"There is no domain {domain}; they are {', '.join(DOMAINS)}", code="DOMAIN_NOT_FOUND")
    return domain


async def _domain(queue: Queue, principal: Principal, domain: str) -> DomainView:
    """One queue as the caller may see it."""
    standing = await queue.standing()
    workers = await queue.workers()
    visible = visible_to(principal.user_id, see_all=principal.is_superuser)
    following = await queue.next(domain, _NEXT, visible)
    switch, shares = standing.switch(domain), standing.shares(domain)
    own = None if workers is None else [worker for worker in workers if worker.domain == domain]
    return DomainView(
        domain=domain,
        paused=switch.paused,
        paused_at=switch.paused_at,
        paused_by=switch.paused_by,
        reason=switch.reason,
        waiting=sum(share.waiting for share in shares),
        running=sum(share.running for share in shares),
        oldest_wait_s=_oldest_wait_s(standing, domain),
        started_per_minute=None if own is None else _per_minute([worker.started for worker in own]),
        ended_per_minute=None if own is None else _per_minute([worker.ended for worker in own]),
        workers=None if own is None else [_worker(principal, worker) for worker in own],
        next=[shown(job) for job in following],
        note=_AWAY if own is None else None,
    )


def _oldest_wait_s(standing: Standing, domain: str) -> float | None:
    oldest = [share.oldest for share in standing.shares(domain) if share.oldest is not None]
    return round((standing.at - min(oldest)).total_seconds(), 1) if oldest else None


def _per_minute(counts: Sequence[int]) -> float:
    return round(sum(counts) / _MINUTES, 2)


def _worker(principal: Principal, worker: Heartbeat) -> WorkerView:
    jobs = [
        WorkerJob(job.id, job.kind, job.subject, job.started_at) for job in worker.jobs if principal.may_see(job.owner)
    ]
    return WorkerView.of(worker, jobs)
