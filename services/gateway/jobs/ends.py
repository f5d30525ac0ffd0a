"""Wait for the end of a job, for a client that prefers to wait for its answer."""

import time

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError

from libs.common.jobs.service import Jobs
from libs.common.jobs.view import LiveJob
from services.gateway.jobs.hub import Event, Hub, Mark

log = structlog.get_logger()


class Ends:
    """Told by the hub's events; looks at the live hash in between, so that a lost event costs a second."""

    def __init__(self, hub: Hub, jobs: Jobs, *, look_every_s: float = 1.0) -> None:
        self._hub = hub
        self._jobs = jobs
        self._look_every_s = look_every_s

    async def __call__(self, job: LiveJob, timeout_s: float) -> LiveJob:
        """Answer the job as it is when it has ended, the time is over, or this process is about to end."""
        ends_at = time.monotonic() + timeout_s
        with self._hub.subscribe(lambda event: event.type == "end", [job.view.id], is_stream=False) as subscription:
            while True:
                job = await self._newest(job)
                left_s = ends_at - time.monotonic()
                if job.is_terminal or left_s <= 0:
                    return job
                match await subscription.next(min(left_s, self._look_every_s)):
                    case Event() as end:
                        return msgspec.structs.replace(job, view=end.view)
                    case LiveJob() as ended:  # found by the hub's look at the rows
                        return ended
                    case Mark.CLOSING:
                        return await self._newest(job)

    async def _newest(self, job: LiveJob) -> LiveJob:
        """Look at the job; what is known already when there is nothing newer, or nothing to be seen."""
        try:
            found = await self._jobs.get(job.view.id)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("waiting_without_looking", job_id=str(job.view.id), reason=repr(error))
            return job
        return found if found is not None and found.view.version >= job.view.version else job
