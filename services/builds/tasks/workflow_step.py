"""One step of a job that runs a workflow: all that its parts need to know."""

import time
from dataclasses import dataclass, field

from libs.common.database import utcnow
from libs.common.jobs.kinds import Again
from libs.common.worker.context import Context
from services.builds.jobs import RunWorkflow
from services.builds.providers.github.actions import Jobs
from services.builds.providers.github.client import Client, Server
from services.builds.providers.github.errors import Refused
from services.builds.providers.github.listing import Listings
from services.builds.service.workflow_runs import WorkflowBuild
from services.builds.settings import GitHubSettings
from services.builds.tasks.notes import Notes, Pace


@dataclass(slots=True)
class GitHubActions:
    """GitHub as one worker has it: shared by all its jobs. `log_max_bytes` bounds what is unpacked of a run's log."""

    server: Server
    settings: GitHubSettings
    pace: Pace
    log_max_bytes: int
    listings: Listings = field(default_factory=Listings)
    jobs: Jobs = field(default_factory=Jobs)


class Step:
    """A step of one job; `client` speaks for the build's account once `open` was called."""

    def __init__(
        self, github: GitHubActions, job: RunWorkflow, ctx: Context, build: WorkflowBuild, notes: Notes
    ) -> None:
        self.github = github
        self.job = job
        self.ctx = ctx
        self.build = build
        self.notes = notes
        self.client: Client

    async def open(self) -> None:
        """Take the client of the build's account, if it has one; raises what Server.client raises."""
        build = self.build
        if build.token is None and not build.may_use_operators:
            hint = f"Slipway has no token for {build.repository}: give the repository an API token, or ask a superuser "
            raise Refused("NO_API_TOKEN", hint + "to let the operator's act for it (uses_operator_token)")
        if build.ref is None:
            raise Refused("REF_NEEDED", "GitHub runs workflows on branches and tags, not on bare commits")
        self.client = await self.github.server.client(build.token, build.repository)

    @property
    def pace(self) -> Pace:
        return self.github.pace

    @property
    def workflow_file(self) -> str:
        return self.job.workflow_file or self.build.workflow_file or self.github.settings.workflow_file

    @property
    def mark(self) -> str:
        """What the run is found again by, and by what the workflow can report on its build: the build's uid."""
        return self.build.uid

    @property
    def run_id(self) -> int:
        """The run that is followed."""
        assert self.build.run_id is not None
        return self.build.run_id

    @property
    def timeout_s(self) -> int:
        return self.build.timeout_s or self.github.settings.run_timeout_s

    @property
    def left_s(self) -> float:
        """Seconds until the build has to have ended; from the job's first step on, waits included."""
        started = self.ctx.job.started_at
        return self.timeout_s - (utcnow() - started).total_seconds() if started else float(self.timeout_s)

    @property
    def is_overdue(self) -> bool:
        return self.left_s <= 0

    @property
    def soon_s(self) -> float:
        """Until a look at a run that changes; BUILD_STATUS_POLL_INTERVAL is the most for any."""
        return min(self.pace.first_s, self.github.settings.poll_interval_s)

    @property
    def since_asked_s(self) -> float:
        return time.time() - self.notes.asked_at

    @property
    def is_woken(self) -> bool:
        """Somebody made this step come before its time: what was looked up before then may be out of date."""
        return time.time() < self.notes.due - 0.2

    def again(self, after_s: float, waiting_for: str | None) -> Again:
        """Come again, with the notes as they are now."""
        self.notes.interval_s, self.notes.due = after_s, time.time() + after_s
        return Again(after_s, waiting_for, self.notes.written())
