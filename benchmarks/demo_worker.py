"""A worker of the domain `demo` whose jobs do nothing: what is measured is the way of a job, not its work."""

import time

from libs.common.jobs.kinds import Done, Message, Policy
from libs.common.worker import main as worker
from libs.common.worker.context import Context, Handler

worker.METRICS_PORTS.setdefault("demo", 0)


class Noop(Message, frozen=True):
    """Does nothing; `published_at` is the wall clock of whoever announced it, for the wait until the handler."""

    kind = "demo.noop"
    policy = Policy()

    published_at: float = 0.0


async def noop(job: Noop, _: Context) -> Done:
    if job.published_at:
        return Done({"waited_ms": (time.time() - job.published_at) * 1000})
    return Done()


if __name__ == "__main__":
    worker.main("demo", lambda _: [Handler(Noop, noop)])
