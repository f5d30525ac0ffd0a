"""Plain Celery: `python -m benchmarks.references.celery_worker`. One child process, broker Redis, no result backend.

Nothing that only fleets of workers need (gossip, mingle, heartbeats) is on.
"""

import os
import time
from urllib.parse import urlsplit

from celery import Celery  # type: ignore[import-untyped]
from redis import Redis

QUEUE = "celery"
STAMPS = "stamps"


def application(url: str) -> Celery:
    """Make the application; `url` names a Unix socket, as the benchmarks' Redis has one."""
    app = Celery("reference", broker=f"redis+socket://{urlsplit(url).path}")
    app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True, worker_hijack_root_logger=False)
    return app


app = application(os.environ.get("REDIS_URL", "unix:///nowhere"))


# Named, because this module is `__main__` in the worker and not in the process that sends.
@app.task(name="noop")  # type: ignore[untyped-decorator]
def noop() -> None:
    pass


@app.task(name="stamp")  # type: ignore[untyped-decorator]
def stamp() -> None:
    """Keep the wall clock at which the task ran."""
    ran_at = time.time()
    with Redis.from_url(os.environ["REDIS_URL"]) as redis:
        redis.rpush(STAMPS, ran_at)


def main() -> None:
    quiet = ["--loglevel=CRITICAL", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    app.worker_main(
        ["--quiet", "worker", "--pool=prefork", "--concurrency=1", f"--hostname=w{os.getpid()}@localhost", *quiet]
    )


if __name__ == "__main__":
    main()
