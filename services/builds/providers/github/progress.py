"""How far a run is, from its jobs and steps. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.builds.providers.github.shapes import Run, Step, WorkflowJob

Told = Mapping[str, tuple[str, int]]
"""What of each job (by its number, as text) was told: its status, and how many of its steps had ended."""

# A build is at 100 when it has ended well, which only its run's conclusion tells.
_ALMOST: Final = 95
_MARKS: Final = {"success": "✓", "failure": "✗", "cancelled": "✗", "timed_out": "✗"}


@dataclass(frozen=True, slots=True)
class Standing:
    """A run as people see it: the stage that runs now (None: none does), and 0..95 in steps of 5."""

    stage: str | None
    percent: int


def standing(run: Run, jobs: Sequence[WorkflowJob]) -> Standing:
    """Each job counts the same, each step of it too. Jobs that wait for others are not known to GitHub before."""
    if not jobs:
        return Standing(_WAITING.get(run.status), 0)
    done = sum(_done(job) for job in jobs) / len(jobs)
    return Standing(_stage(run, jobs), min(int(done * 100) // 5 * 5, _ALMOST))


def news(jobs: Sequence[WorkflowJob], told: Told) -> tuple[list[str], Told]:
    """The lines to tell of what happened since `told`, and what is told with them."""
    lines: list[str] = []
    now: dict[str, tuple[str, int]] = {}
    for job in jobs:
        status, ended = told.get(str(job.id), ("", 0))
        steps = [step for step in job.steps if step.status == "completed"]
        if status not in ("in_progress", "completed") and job.status in ("in_progress", "completed"):
            runner = f" on {job.runner_name}" if job.runner_name else ""
            lines.append(f"▶ {job.name}: started{runner}")
        lines += [_told_step(job, step) for step in steps[ended:] if step.conclusion != "skipped"]
        if status != "completed" and job.status == "completed":
            lines.append(f"{_mark(job.conclusion)} {job.name}: {job.conclusion}{_took(job)}")
        now[str(job.id)] = (job.status, max(ended, len(steps)))
    return lines, now


def failure(run: Run, jobs: Sequence[WorkflowJob]) -> str:
    """Say in words what failed: the first failed job, and its step."""
    for job in jobs:
        if job.conclusion in ("failure", "timed_out", "startup_failure"):
            step = next((step.name for step in job.steps if step.conclusion in ("failure", "timed_out")), None)
            where = f"the step {step!r} of the job {job.name!r}" if step else f"the job {job.name!r}"
            return f"GitHub says {job.conclusion} of {where}: {run.html_url}"
    return f"GitHub says {run.conclusion} of the run: {run.html_url}"


_WAITING: Final = {
    "queued": "Waiting for a runner",
    "requested": "Waiting for a runner",
    "pending": "Waiting for other runs",
    "waiting": "Waiting for an approval",
}


def _done(job: WorkflowJob) -> float:
    if job.status == "completed":
        return 1.0
    # The step that runs is half done: so a job of one step does not stand still from its beginning to its end.
    parts = [{"completed": 1.0, "in_progress": 0.5}.get(step.status, 0.0) for step in job.steps]
    return sum(parts) / len(parts) if parts else 0.0


def _stage(run: Run, jobs: Sequence[WorkflowJob]) -> str | None:
    running = [job for job in jobs if job.status == "in_progress"]
    if not running:
        return _WAITING.get(run.status)
    job = running[0]
    step = next((step.name for step in job.steps if step.status == "in_progress"), None)
    if step is None:
        return job.name
    return step if len(jobs) == 1 else f"{job.name}: {step}"


def _told_step(job: WorkflowJob, step: Step) -> str:
    return f"  {_mark(step.conclusion)} {job.name} / {step.name}{_took(step)}"


def _took(one: WorkflowJob | Step) -> str:
    if one.started_at is None or one.completed_at is None:
        return ""
    return f" ({max(0, round((one.completed_at - one.started_at).total_seconds()))} s)"


def _mark(conclusion: str | None) -> str:
    return _MARKS.get(conclusion or "", "·")
