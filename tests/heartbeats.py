"""Signs of life of workers that do not run."""

from datetime import timedelta
from typing import Any

import msgspec

from libs.common.database import utcnow, uuid7
from libs.common.jobs.heartbeats import Heartbeat, RunningJob, SlotUse
from libs.common.jobs.view import Subject
from libs.common.version import VERSION


def heartbeat(domain: str = "builds", name: str = "builds-h1-0a", **changed: Any) -> Heartbeat:
    """What a worker on `h1` would have written three seconds ago; it has nothing to do."""
    seen_at = utcnow() - timedelta(seconds=3)
    idle = Heartbeat(
        domain=domain,
        name=name,
        host="h1",
        pid=7,
        version=VERSION,
        started_at=seen_at,
        seen_at=seen_at,
        slots={"light": SlotUse(used=0, total=50), "heavy": SlotUse(used=0, total=2)},
        jobs=[],
        started=0,
        ended=0,
    )
    return msgspec.structs.replace(idle, **changed)


def running(owner: int | None = None) -> RunningJob:
    """A build that a worker runs."""
    return RunningJob(uuid7(), "builds.run_build", Subject("build", "12"), utcnow(), owner)
