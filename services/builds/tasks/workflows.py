"""Queue in: builds that run as workflows on GitHub, one short step after the other.

    ask      write down the intent, then dispatch, or run again          workflow_start.py
    look     when the answer was lost: which run is it?                  workflow_start.py
    follow   how far is the run? come again, soon or later               workflow_follow.py
    finish   its log, its conclusion                                     workflow_follow.py
    stop     cancelled or too late: the run ends, too                    workflow_stop.py

A step waits for nothing: it answers Again, which holds no slot and survives restarts, and a webhook makes it come at
once. What GitHub refuses for the moment is waited out, with the reason shown; what it refuses for good ends the job.
"""

from libs.common.errors import PermanentJobError
from libs.common.jobs.kinds import Again, Cancelled, Done
from libs.common.worker.context import Context, Handler
from services.builds.errors import RepositoryGone, SecretsUnreadable
from services.builds.jobs import RunWorkflow
from services.builds.providers.github.client import Server
from services.builds.providers.github.errors import GitHubError, Refused, Renamed, Unreachable, Waits
from services.builds.service import end_build
from services.builds.service.sealed import Vault
from services.builds.service.workflow_runs import read_build, record_name
from services.builds.settings import GitHubSettings
from services.builds.tasks.notes import Notes, Pace
from services.builds.tasks.workflow_follow import follow
from services.builds.tasks.workflow_start import ask
from services.builds.tasks.workflow_step import GitHubActions, Step
from services.builds.tasks.workflow_stop import stop

# An outage of hours must not be filled with requests; nor must anybody wait long for its end to be noticed.
_OUTAGE_WAIT_MAX_S = 60.0


def workflow_handler(
    server: Server, vault: Vault, settings: GitHubSettings, *, log_max_bytes: int, pace: Pace | None = None
) -> Handler:
    """The handler of RunWorkflow; `log_max_bytes` is what a job's log takes. `pace` None: the usual one."""
    github = GitHubActions(server, settings, pace or Pace(), log_max_bytes)

    async def run(job: RunWorkflow, ctx: Context) -> Done | Again | Cancelled:
        try:
            step = await _prepared(job, ctx, github, vault)
        except RepositoryGone as error:
            return Cancelled(error.code, error.message)
        except SecretsUnreadable as error:
            raise PermanentJobError(error.message, code=error.code) from error
        try:
            return await _next(step)
        except GitHubError as error:
            return await _told(step, error)

    async def cancel(job: RunWorkflow, ctx: Context) -> None:
        try:
            step = await _prepared(job, ctx, github, vault)
        except (RepositoryGone, SecretsUnreadable) as error:
            await ctx.log.write(f"A run on GitHub may go on: {error.message}", "info")
            return
        await stop(step)

    return Handler(RunWorkflow, run, cancel=cancel, on_end=end_build)


async def _prepared(job: RunWorkflow, ctx: Context, github: GitHubActions, vault: Vault) -> Step:
    async with ctx.transaction() as tx:
        build = await read_build(tx, vault, job.build_id)
    ctx.log.add_secrets([token for token in (build.token, github.settings.token.reveal()) if token])
    return Step(github, job, ctx, build, Notes.read(ctx.checkpoint))


async def _next(step: Step) -> Done | Again | Cancelled:
    if step.is_overdue:
        await stop(step)
        raise PermanentJobError(
            f"The build took longer than {step.timeout_s} s (GITHUB_RUN_TIMEOUT_S, or its own); its run was cancelled",
            code="TIMEOUT",
        )
    await step.open()
    if step.notes.attempt == 0:
        return await ask(step)
    return await follow(step)


async def _told(step: Step, error: GitHubError) -> Again:
    """How the job goes on after what GitHub said: waits, asks again under another name, or fails for good."""
    match error:
        case Renamed(full_name=full_name):
            await step.ctx.log.write(f"{step.build.repository} is called {full_name} on GitHub now", "info")
            async with step.ctx.transaction() as tx:
                await record_name(tx, step.build.id, full_name)
            return Again(0.0, checkpoint=step.notes.written())
        case Waits(what=what, after_s=after_s):
            step.notes.misses += 1
            if isinstance(error, Unreachable):
                after_s = min(after_s * step.notes.misses, _OUTAGE_WAIT_MAX_S)
            return step.again(min(after_s, max(step.left_s, 1.0)), what)
        case Refused(code=code, message=message):
            raise PermanentJobError(message, code=code) from error
    raise error
