"""Every Prometheus metric of Slipway, by the names that dashboards rely on. Base units, no ids in labels.

Each process serves what it counted: gateways at `/metrics`, workers at METRICS_PORT. Gauges that describe the whole
system (queue depth) are set where they are served.
"""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call] # a second series for each counter that nobody asks for

# Requests: from a status read out of memory to a slow upstream behind a form.
_REQUEST_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# Jobs: from a short tick to a day-long pipeline.
_JOB_BUCKETS_S: Final = (0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)
# Waits: from a worker that stands ready to a queue that lasts the night.
_WAIT_BUCKETS_S: Final = (0.002, 0.005, 0.01, 0.05, 0.25, 1, 5, 15, 60, 300, 900, 3600, 8 * 3600)

HTTP_REQUESTS: Final = Counter("slipway_http_requests_total", "Requests answered", ["method", "route", "status"])
HTTP_DURATION: Final = Histogram(
    "slipway_http_request_duration_seconds",
    "Time from a request to the end of its answer, streams left out",
    ["method", "route"],
    buckets=_REQUEST_BUCKETS_S,
)
JOBS: Final = Counter("slipway_jobs_total", "Jobs that ended", ["domain", "kind", "status"])
JOB_DURATION: Final = Histogram(
    "slipway_job_duration_seconds",
    "Time from a job's first claim to its end",
    ["domain", "kind"],
    buckets=_JOB_BUCKETS_S,
)
JOB_WAIT: Final = Histogram(
    "slipway_job_wait_seconds", "Time from when a job was due to its claim", ["domain"], buckets=_WAIT_BUCKETS_S
)
QUEUE_DEPTH: Final = Gauge("slipway_queue_depth", "Jobs that were accepted and never claimed", ["domain"])
WEBHOOK_DELIVERIES: Final = Counter("slipway_webhook_deliveries_total", "Deliveries by outcome", ["forge", "outcome"])
UPSTREAM_REQUESTS: Final = Counter(
    "slipway_upstream_requests_total", "Requests to systems outside, by outcome", ["system", "outcome"]
)
SSE_CLIENTS: Final = Gauge("slipway_sse_clients", "Open event streams of this process")
DB_POOL: Final = Gauge("slipway_db_pool_connections", "Database connections of this process", ["state"])
BUILDS: Final = Counter("slipway_builds_total", "Builds that ended", ["provider", "status"])
AUTH_FAILURES: Final = Counter("slipway_auth_failures_total", "Refused credentials", ["kind"])
