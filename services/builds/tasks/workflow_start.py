"""A run begins: the intent, the request, and where its answer was lost, the search for what it did.

Never two runs for one trigger. GitHub has no idempotency key, so the intent (how new the newest run was) is committed
before the request, and after an answer that leaves it open whether GitHub acted, nobody asks again before it has shown
nothing for a minute. A run that was started shows our mark in its title, where the workflow's `run-name` has it; where
not, exactly one new run of the same workflow, ref and account can be it.
"""

import time
from collections.abc import Sequence

from libs.common.errors import PermanentJobError
from libs.common.jobs.kinds import Again
from services.builds.providers.github import actions, finding
from services.builds.providers.github.errors import RateLimited, Unreachable
from services.builds.providers.github.shapes import Run
from services.builds.service.workflow_runs import begin, others_of, record_run
from services.builds.tasks.workflow_step import Step

# Thrice in vain, each time with a minute of looking: GitHub does not start runs today.
_ASKED_MAX = 3
_SHOWN_MAX = 5  # candidates in a message


async def ask(step: Step) -> Again:
    """Start the build's run, or find the one that was started; answers when to come again."""
    if step.job.rerun is not None:
        return await _ask_again(step)
    notes = step.notes
    if notes.after is None:
        newest = await step.github.listings.newest(step.client, step.build.repository)
        notes.after = max((run.id for run in newest), default=0)
    else:
        found = await _look(step)
        if found is not None:
            return found
    await _intend(step)
    try:
        made = await actions.dispatch(
            step.client,
            step.build.repository,
            step.workflow_file,
            step.build.ref or "",
            step.build.inputs,
            mark=step.mark,
        )
    except (RateLimited, Unreachable) as error:
        return _unanswered(step, error)
    if made is not None:
        return await _take(step, made.workflow_run_id, made.html_url)
    notes.acted = True
    return await _look(step) or step.again(step.pace.look_s, "GitHub to show the run that it started")


async def _ask_again(step: Step) -> Again:
    """The same for one more attempt of a run that has ended; which attempt it is tells whether GitHub acted."""
    notes = step.notes
    if step.build.run_id is None:
        raise PermanentJobError("The build has no run on GitHub that could be run again", code="NOT_RERUNNABLE")
    run = await actions.get_run(step.client, step.build.repository, step.run_id)
    if notes.after is None:
        if not run.is_completed:
            raise PermanentJobError(f"Run {run.id} has not ended on GitHub: {run.html_url}", code="NOT_RERUNNABLE")
        notes.after = run.run_attempt
    elif run.run_attempt > notes.after:
        return await _take(step, run.id, run.html_url, attempt=run.run_attempt)
    elif step.since_asked_s < step.pace.settle_s:
        return step.again(step.pace.look_s, "GitHub to show whether it runs again: its answer was lost")
    await _intend(step)
    try:
        await actions.rerun(step.client, step.build.repository, step.run_id, step.job.rerun or "all")
    except (RateLimited, Unreachable) as error:
        return _unanswered(step, error)
    return await _take(step, run.id, run.html_url, attempt=notes.after + 1)


async def _intend(step: Step) -> None:
    """Commit that GitHub is about to be asked, once more."""
    notes, is_first = step.notes, step.notes.asked == 0
    if notes.asked >= _ASKED_MAX:
        raise PermanentJobError(
            f"GitHub was asked {_ASKED_MAX} times, did not answer, and shows no run", code="DISPATCH_UNKNOWN"
        )
    notes.asked, notes.asked_at, notes.acted = notes.asked + 1, time.time(), False
    forget = is_first and step.job.rerun is None
    build_id = step.build.id
    await step.ctx.progress(checkpoint=notes.written(), also=(lambda tx: begin(tx, build_id)) if forget else None)
    await step.ctx.check()


def _unanswered(step: Step, error: RateLimited | Unreachable) -> Again:
    """GitHub was asked and it is open what it did; unless it is certain that it did nothing."""
    notes = step.notes
    if isinstance(error, Unreachable) and error.sent:
        return step.again(step.pace.look_s, "GitHub to show the run: its answer was lost")
    notes.asked -= 1
    if isinstance(error, Unreachable):
        notes.asked_at = 0.0  # nothing to wait for: GitHub never heard of it
    return step.again(error.after_s, error.what)


async def _look(step: Step) -> Again | None:
    """Look for the run that an earlier request may have started; None: there is none, ask again.

    Ends the job as DISPATCH_UNKNOWN when several runs may be it.
    """
    notes, build = step.notes, step.build
    runs = await step.github.listings.newest(step.client, build.repository)
    found = finding.marked(runs, step.mark, after=notes.after or 0)
    if found is not None:
        return await _take(step, found.id, found.html_url)
    async with step.ctx.transaction() as tx:
        others, taken = await others_of(tx, build, [run.id for run in runs])
    wanted = finding.Wanted(
        after=notes.after or 0,
        workflow_file=step.workflow_file,
        ref=build.ref or "",
        actor=await step.client.login(),
        others=others,
        taken=taken,
    )
    candidates = finding.candidates(runs, wanted)
    settled = step.since_asked_s >= step.pace.settle_s
    # Whoever answered that it acted has started that one run; after a lost answer the marked one may still come.
    if len(candidates) == 1 and (notes.acted or settled):
        return await _take(step, candidates[0].id, candidates[0].html_url)
    if not settled:
        return step.again(step.pace.look_s, "GitHub to show the run: which one it is, is not known yet")
    if candidates or notes.acted:
        raise _unknown(candidates)
    return None


async def _take(step: Step, run_id: int, url: str, *, attempt: int = 1) -> Again:
    """The run is known: store it at once."""
    job, build_id, notes = step.ctx.job, step.build.id, step.notes
    notes.attempt, notes.misses = attempt, 0
    await step.ctx.progress(checkpoint=notes.written(), also=lambda tx: record_run(tx, build_id, job, run_id, url))
    await step.ctx.log.write(f"Run {run_id} on GitHub{f', attempt {attempt}' if attempt > 1 else ''}: {url}", "info")
    return step.again(step.soon_s, f"GitHub to begin run {run_id}")


def _unknown(candidates: Sequence[Run]) -> PermanentJobError:
    if not candidates:
        return PermanentJobError("GitHub says that it started a run, and shows none", code="DISPATCH_UNKNOWN")
    shown = ", ".join(run.html_url or str(run.id) for run in candidates[:_SHOWN_MAX])
    more = f" and {len(candidates) - _SHOWN_MAX} more" if len(candidates) > _SHOWN_MAX else ""
    return PermanentJobError(
        f"GitHub did not say which run it started, and several may be it: {shown}{more}. Give the workflow an input "
        f"{actions.INPUT} and show it in its run-name; then the run is always found",
        code="DISPATCH_UNKNOWN",
    )
