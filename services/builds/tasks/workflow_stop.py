"""A run is to end before its time: somebody cancelled the build, or it took too long."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from services.builds.providers.github import actions, finding
from services.builds.providers.github.errors import GitHubError, Refused, Unreachable
from services.builds.service.workflow_runs import record_conclusion
from services.builds.tasks.workflow_step import Step

T = TypeVar("T")


async def stop(step: Step) -> None:
    """Cancel the build's run, by force when it does not end soon, and wait for that; all of it bounded.

    A run that was asked for and is not known yet is looked for first. What could not be done stands in the job's log;
    nothing of GitHub's is raised.
    """
    if step.notes.attempt == 0 and step.notes.asked == 0:
        return  # GitHub was never asked for anything
    try:
        await step.open()
        run_id = await _run_of(step)
        if run_id is None:
            await step.ctx.log.write("No run of this build is on GitHub; should one begin, cancel it there", "info")
        elif not await _ended(step, run_id):
            await step.ctx.log.write(f"Run {run_id} has not ended on GitHub; cancel it there", "error")
    except GitHubError as error:
        await step.ctx.log.write(f"The run on GitHub may go on, it could not be cancelled: {error}", "error")


async def _run_of(step: Step) -> int | None:
    """The run to cancel; None: GitHub shows none."""
    if step.notes.attempt > 0:
        return step.run_id

    async def look() -> int | None:
        if step.job.rerun is not None:
            run = await actions.get_run(step.client, step.build.repository, step.run_id)
            return run.id if run.run_attempt > (step.notes.after or 0) else None
        runs = await step.github.listings.newest(step.client, step.build.repository)
        found = finding.marked(runs, step.mark, after=step.notes.after or 0)
        return None if found is None else found.id

    return await _within(step, step.pace.force_s, look)


async def _ended(step: Step, run_id: int) -> bool:
    repository = step.build.repository

    async def look() -> str | None:
        try:
            run = await actions.get_run(step.client, repository, run_id)
        except Refused as error:
            if error.code == "RUN_DELETED":
                return "deleted"
            raise
        return (run.conclusion or "cancelled") if run.is_completed else None

    for force, patience_s in ((False, step.pace.stop_s), (True, step.pace.force_s)):
        await step.ctx.log.write(f"Cancelling run {run_id} on GitHub{' by force' if force else ''}", "info")
        if not await _within(step, patience_s, partial(_cancel, step, run_id, force=force)):
            continue
        conclusion = await _within(step, patience_s, look)
        if conclusion is not None:
            async with step.ctx.transaction() as tx:
                await record_conclusion(tx, step.build.id, conclusion)
            return True
    return False


async def _cancel(step: Step, run_id: int, *, force: bool) -> bool:
    await step.ctx.check()
    await actions.cancel(step.client, step.build.repository, run_id, force=force)
    return True


async def _within(step: Step, patience_s: float, attempt: Callable[[], Awaitable[T | None]]) -> T | None:
    """Try until there is an answer, for so long; GitHub not answering is no answer. None: there was none in time."""
    until_s = time.monotonic() + patience_s
    while True:
        try:
            found = await attempt()
        except Unreachable:
            found = None
        if found is not None or time.monotonic() >= until_s:
            return found
        await asyncio.sleep(step.pace.stop_look_s)
