"""A run goes its way: where it stands becomes stage, progress and log lines; at its end its log and its conclusion."""

import asyncio
import math
import tempfile
from collections.abc import Sequence
from itertools import islice
from typing import Final

from libs.common.errors import PermanentJobError
from libs.common.jobs.kinds import Again, Cancelled, Done
from services.builds.providers.github import actions, archive, progress
from services.builds.providers.github.errors import Missing, Refused, Unreachable
from services.builds.providers.github.shapes import Run, WorkflowJob
from services.builds.service.workflow_runs import record_conclusion, record_standing
from services.builds.tasks.workflow_step import Step

# Each look that finds nothing new makes the next one later by half, up to BUILD_STATUS_POLL_INTERVAL.
_SLOWER: Final = 1.5
_STAGE_MAX: Final = 64  # characters, of a job's stage
# A log is packed within seconds of the run's end, or was deleted; a download that breaks off thrice is given up.
_LOG_TRIES: Final = 4
_AT_ONCE: Final = 500  # lines that are unpacked in one go: a few milliseconds of a thread
_MB: Final = 1024 * 1024

_ENDS: Final = {
    "failure": "WORKFLOW_FAILED",
    "timed_out": "WORKFLOW_TIMED_OUT",
    "startup_failure": "WORKFLOW_INVALID",
    "action_required": "WORKFLOW_NEEDS_ACTION",
    "skipped": "WORKFLOW_SKIPPED",
    "stale": "WORKFLOW_STALE",
    "neutral": "WORKFLOW_NEUTRAL",
}


async def follow(step: Step) -> Done | Again | Cancelled:
    """Look where the run is, tell what is new, and come again; at its end answer how the job ends."""
    github, build, notes = step.github, step.build, step.notes
    max_age_s = 0.0 if step.is_woken else notes.interval_s / 2
    try:
        run = await github.listings.run(step.client, build.repository, step.run_id, max_age_s=max_age_s)
    except Refused as error:
        if error.code == "RUN_DELETED" and step.since_asked_s < step.pace.settle_s:
            return step.again(step.pace.look_s, f"GitHub to show run {step.run_id}")
        raise
    if run.run_attempt < notes.attempt:
        return step.again(step.soon_s, f"GitHub to begin attempt {notes.attempt} of run {run.id}")
    jobs = await github.jobs.of(step.client, build.repository, run.id)
    is_news = await _tell(step, run, jobs)
    if run.is_completed:
        return await _finish(step, run, jobs)
    notes.misses = 0
    slower_s = min(max(notes.interval_s, step.soon_s) * _SLOWER, github.settings.poll_interval_s)
    interval_s = step.soon_s if is_news else slower_s
    return step.again(min(interval_s, max(step.left_s, 1.0)), _waits_for(run))


async def _tell(step: Step, run: Run, jobs: Sequence[WorkflowJob]) -> bool:
    """Show and log what is new of a run; True when anything was.

    The lines are committed with the checkpoint before they are written, and carry their numbers: whoever takes the job
    over in between writes those that are missing, and no other.
    """
    ctx, notes, build = step.ctx, step.notes, step.build
    if notes.untold:  # of a step that was broken off
        await _write_untold(step, await ctx.log.source())
    is_first = not notes.told and notes.lines == 0
    standing = progress.standing(run, jobs)
    lines, told = progress.news(jobs, notes.told)
    if is_first and build.commit is not None and run.head_sha not in ("", build.commit):
        lines.insert(0, f"{build.ref} has moved on: GitHub builds {run.head_sha} instead of {build.commit}")
    stage = standing.stage[:_STAGE_MAX] if standing.stage else None
    is_running = run.status == "in_progress" or run.is_completed
    is_begun = is_running and build.status.value != "in_progress"
    if not (lines or is_begun or stage not in (None, ctx.job.stage) or standing.percent > ctx.job.progress):
        return False
    notes.told, notes.untold = dict(told), lines
    job, percent = ctx.job, max(standing.percent, ctx.job.progress)
    await ctx.progress(
        stage=stage,
        percent=percent,
        commit=run.head_sha if build.commit is None and run.head_sha else None,
        checkpoint=notes.written(),
        also=lambda tx: record_standing(
            tx,
            build.id,
            job,
            running=is_running,
            stage=stage,
            percent=percent,
            url=run.html_url,
            commit=run.head_sha or None,
        ),
    )
    await _write_untold(step)
    return True


async def _write_untold(step: Step, last: str | None = None) -> None:
    """Write the lines that are not written yet; `last` is the source of the log's last adopted line, None: none."""
    log, notes = step.ctx.log, step.notes
    written = _told_before(last)
    for number, line in enumerate(notes.untold, start=notes.lines + 1):
        if number > written:
            await log.write(line, "info", source=f"p:{number}")
    notes.lines += len(notes.untold)
    notes.untold = []


def _told_before(last: str | None) -> float:
    """The number of the last line of this kind that is in the log: all of them, once the run's own log has begun."""
    if last is None:
        return 0
    return int(last[2:]) if last.startswith("p:") else math.inf


def _waits_for(run: Run) -> str:
    match run.status:
        case "in_progress":
            return f"run {run.id} on GitHub"
        case "waiting":
            return f"an approval on GitHub: {run.html_url}"
        case "pending":
            return f"other runs of the concurrency group of run {run.id} on GitHub"
        case _:
            return f"a runner that takes run {run.id} on GitHub"


# --- the end --------------------------------------------------------------------------------------------------------


async def _finish(step: Step, run: Run, jobs: Sequence[WorkflowJob]) -> Done | Again | Cancelled:
    try:
        await _adopt_log(step, run)
    except (Missing, Unreachable, archive.Unreadable) as error:
        step.notes.misses += 1
        if step.notes.misses < _LOG_TRIES:
            return step.again(step.pace.look_s * step.notes.misses, f"the log of run {run.id} on GitHub")
        await step.ctx.log.write(
            f"The log of the run could not be fetched ({error}); it is on GitHub: {run.html_url}", "info"
        )
    except (Refused, archive.TooLarge) as error:
        await step.ctx.log.write(f"{error}; the rest is on GitHub: {run.html_url}", "info")
    async with step.ctx.transaction() as tx:
        await record_conclusion(tx, step.build.id, run.conclusion)
    step.github.jobs.forget(step.build.repository, run.id)
    if run.conclusion == "success":
        return Done({"run_id": run.id, "attempt": run.run_attempt, "url": run.html_url}, exit_code=0)
    if run.conclusion == "cancelled":
        return Cancelled("RUN_CANCELLED", f"The run was cancelled on GitHub: {run.html_url}")
    raise PermanentJobError(progress.failure(run, jobs), code=_ENDS.get(run.conclusion or "", "WORKFLOW_FAILED"))


async def _adopt_log(step: Step, run: Run) -> None:
    """Append the run's log, from where an earlier step broke off."""
    github, log = step.github, step.ctx.log
    after = _position(await log.source())
    address = await actions.archive_address(step.client, step.build.repository, run)
    with await asyncio.to_thread(tempfile.TemporaryFile) as file:
        await archive.fetch(github.server.http, address, file, max_bytes=github.settings.log_max_mb * _MB)
        lines = archive.lines(file, max_bytes=github.log_max_bytes, after=after)
        while some := await asyncio.to_thread(lambda: list(islice(lines, _AT_ONCE))):
            for line in some:
                await log.write(line.text, line.level, source=f"l:{line.at.file}:{line.at.line}")


def _position(source: str | None) -> archive.Position | None:
    """Where the last line of the run's log came from that was written; None: none was."""
    if source is None or not source.startswith("l:"):
        return None
    _, file, line = source.split(":")
    return archive.Position(int(file), int(line))
