"""Every Redis name and how long it lives. Redis carries; all of it may be lost and is made again from SQL.

| key | type | life |
|---|---|---|
| `jobs:<domain>` and `jobs:<domain>:heavy` | stream, group `workers` | entries are deleted at hand-off, never trimmed |
| `job:<id>` | hash | LIVE_TTL while the job is active, DONE_TTL after its end |
| `log:<id>` | stream | as the hash; cut by its writer at 4 MB |
| `ev` | stream | the newest EVENTS_MAX_LEN entries |
| `epoch` | string | never expires: its absence tells that Redis lost its data |
| `worker:<domain>:<name>` | hash | WORKER_TTL, refreshed by the heartbeat |
| `workers` | sorted set | the names of those hashes; what is an hour old is removed |
| `publisher:<domain>`, `repairer` | string | lock of the one active publisher or repairer, some seconds |
| `rate:<key, user, address or login>` | string | RATE_TTL_S, the minute that is counted |
| `cancel` | pub/sub channel | tells workers which running job to cancel |
| `arq:*` | arq's own | due times of short waits; JSON, no results kept |
"""

from typing import Final
from uuid import UUID

GROUP: Final = "workers"

# While active: twice the longest run (6 h pipelines, day-long waits) that we expect between two refreshes.
LIVE_TTL_S: Final = 48 * 3600
# Promised to clients: status and live log for 24 h after completion; SQL has them for as long as retention says.
DONE_TTL_S: Final = 24 * 3600
# Three heartbeats of 10 s: one may be lost without the worker disappearing from the list.
WORKER_TTL_S: Final = 35
# The limits are for a minute, which begins with its first request and ends with the counter.
RATE_TTL_S: Final = 60
# About 20 minutes at 80 events a second, 20 MB: long enough for a browser to come back from a tunnel.
EVENTS_MAX_LEN: Final = 100_000

EVENTS: Final = "ev"
EPOCH: Final = "epoch"
CANCEL_CHANNEL: Final = "cancel"
REPAIRER_LOCK: Final = "repairer"
WORKERS: Final = "workers"


def jobs_stream(domain: str, job_class: str) -> str:
    """The stream that hands out a domain's jobs of one class; `light` is the plain name (KEDA watches it)."""
    return f"jobs:{domain}" if job_class == "light" else f"jobs:{domain}:{job_class}"


def job_hash(job_id: UUID) -> str:
    return f"job:{job_id}"


def job_log(job_id: UUID) -> str:
    return f"log:{job_id}"


def worker_hash(domain: str, name: str) -> str:
    return f"worker:{domain}:{name}"


def rate(name: str) -> str:
    """The counter of one allowance of requests, as in `key:<id>` or `address:<address>`."""
    return f"rate:{name}"


def publisher_lock(domain: str) -> str:
    return f"publisher:{domain}"


def arq_queue(domain: str) -> str:
    return f"arq:queue:{domain}"
