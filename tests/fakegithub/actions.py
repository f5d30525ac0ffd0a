"""GitHub Actions as they are inside the fake: workflows, runs, jobs and steps. Time moves by calls, not by itself."""

import io
import itertools
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

import yaml

Conclusion = Literal["success", "failure", "cancelled", "skipped", "timed_out", "startup_failure", "neutral"]

SHA: Final = "8d5a0e5f0fd5e2b3d5c1d9bd1f2a6f3c0b7e4a11"
BUILD_WORKFLOW: Final = """\
name: Build image
run-name: Build ${{ inputs.slipway_build }}
on:
  workflow_dispatch:
    inputs:
      slipway_build:
        description: Which build of Slipway this is
        required: false
      image_type: {required: false}
      distro_version: {required: false}
      enable_plymouth: {required: false}
      yaml_content: {required: false}
      window_manager: {required: false}
      desktop_environment: {required: false}
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - name: Build
        run: buildah build .
      - name: Push
        run: buildah push image
"""

_INPUT: Final = re.compile(r"\$\{\{\s*(?:github\.event\.)?inputs\.(\w+)\s*}}")

# As large as real ones are today, so that nothing takes them for 32-bit numbers.
_ids = itertools.count(16_000_000_001)


def new_id() -> int:
    return next(_ids)


def moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Step:
    name: str
    number: int
    status: str = "queued"
    conclusion: Conclusion | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    lines: list[str] = field(default_factory=list)
    """What it writes, without time stamps; group marks as the runner writes them (`##[group]name`)."""

    def begin(self) -> None:
        self.status, self.started_at = "in_progress", now()

    def end(self, conclusion: Conclusion) -> None:
        self.status, self.conclusion, self.completed_at = "completed", conclusion, now()
        self.started_at = self.started_at or self.completed_at


@dataclass(slots=True)
class Job:
    name: str
    steps: list[Step]
    attempt: int
    id: int = field(default_factory=new_id)
    status: str = "queued"
    conclusion: Conclusion | None = None
    created_at: datetime = field(default_factory=now)
    started_at: datetime | None = None
    completed_at: datetime | None = None

    def begin(self) -> None:
        self.status, self.started_at = "in_progress", now()
        self.steps[0].begin()

    def end(self, conclusion: Conclusion) -> None:
        """End it with all steps that have not ended."""
        for step in self.steps:
            if step.status != "completed":
                step.end(conclusion if step.status == "in_progress" else "skipped")
        self.status, self.conclusion, self.completed_at = "completed", conclusion, now()
        self.started_at = self.started_at or self.completed_at

    def log(self, step: Step) -> str:
        at = (step.started_at or self.created_at).strftime("%Y-%m-%dT%H:%M:%S")
        return "".join(f"{at}.{number:07d}Z {line}\n" for number, line in enumerate(step.lines))


@dataclass(slots=True, eq=False)
class Workflow:
    """A workflow file; what it declares is read from its text as GitHub does."""

    path: str
    text: str
    id: int = field(default_factory=new_id)
    state: str = "active"
    created_at: datetime = field(default_factory=now)

    @property
    def _read(self) -> Mapping[Any, Any]:
        found: Mapping[Any, Any] = yaml.safe_load(self.text)
        return found

    @property
    def file(self) -> str:
        return self.path.rsplit("/", 1)[-1]

    @property
    def name(self) -> str:
        return str(self._read.get("name", self.path))

    @property
    def dispatch(self) -> Mapping[str, Any] | None:
        """The inputs of `workflow_dispatch`; None when it is not among the triggers."""
        triggers = self._read.get("on", self._read.get(True))  # YAML 1.1 reads `on` as true
        if isinstance(triggers, dict):
            if "workflow_dispatch" not in triggers:
                return None
            return (triggers["workflow_dispatch"] or {}).get("inputs") or {}
        return {} if "workflow_dispatch" in triggers else None

    def title(self, inputs: Mapping[str, str]) -> str:
        """What a run of it is called."""
        written = str(self._read.get("run-name", self.name))
        return _INPUT.sub(lambda found: inputs.get(found[1], ""), written).strip()

    def jobs(self, attempt: int) -> list[Job]:
        return [
            Job(str(job.get("name", key)), _steps(job.get("steps", [])), attempt)
            for key, job in self._read["jobs"].items()
        ]


def _steps(written: Sequence[Mapping[str, Any]]) -> list[Step]:
    names = ["Set up job", *map(_step_name, written), "Complete job"]
    return [
        Step(name, number, lines=[f"##[group]{name}", f"output of {name}", "##[endgroup]"])
        for number, name in enumerate(names, start=1)
    ]


def _step_name(written: Mapping[str, Any]) -> str:
    if "name" in written:
        return str(written["name"])
    return f"Run {written['uses'] if 'uses' in written else str(written['run']).splitlines()[0]}"


@dataclass(slots=True, eq=False)
class Run:
    """A workflow run. `advance` moves it one step on, `finish` to its end."""

    repository_id: int
    workflow: Workflow
    ref: str
    inputs: dict[str, str]
    actor: str
    number: int
    sha: str = SHA
    event: str = "workflow_dispatch"
    id: int = field(default_factory=new_id)
    attempt: int = 1
    status: str = "queued"
    conclusion: Conclusion | None = None
    created_at: datetime = field(default_factory=now)
    started_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)
    attempts: dict[int, list[Job]] = field(default_factory=dict)
    title: str = ""
    logs_deleted: bool = False
    changed: Callable[["Run", Job | None, str], None] | None = None
    """Told of each change as webhooks are: the run, the job that it is about or None, the action."""

    def __post_init__(self) -> None:
        self.title = self.title or self.workflow.title(self.inputs)
        self.attempts[1] = self.workflow.jobs(1)

    @property
    def jobs(self) -> list[Job]:
        """The jobs of the newest attempt."""
        return self.attempts[self.attempt]

    @property
    def is_completed(self) -> bool:
        return self.status == "completed"

    def advance(self) -> None:
        """Start, or end the current step successfully and begin what follows; nothing once it is completed."""
        if self.is_completed:
            return
        if self.status != "in_progress":
            self.status, self.started_at = "in_progress", now()
            self._tell(None, "in_progress")
        job = self._current()
        if job is None:
            self._begin_next()
        else:
            step = next(step for step in job.steps if step.status == "in_progress")
            step.end("success")
            if step.number < len(job.steps):
                job.steps[step.number].begin()
            else:
                self._end_job(job, "success")
                self._begin_next()
        self.updated_at = now()

    def finish(self, conclusion: Conclusion = "success") -> None:
        """Go to the end; any conclusion but success ends the current step so and skips the rest."""
        if conclusion == "success":
            while not self.is_completed:
                self.advance()
            return
        job = self._current()
        for one in self.jobs:
            if one.status != "completed":
                self._end_job(one, conclusion if one is job else "skipped")
        self._complete(conclusion)

    def again(self, *, failed_only: bool) -> None:
        """Begin a new attempt; jobs that succeeded stay as they were when only the failed ones are run again."""
        before = self.jobs
        self.attempt += 1
        fresh = {job.name: job for job in self.workflow.jobs(self.attempt)}
        kept = {job.name: job for job in before if failed_only and job.conclusion == "success"}
        self.attempts[self.attempt] = [kept.get(name, job) for name, job in fresh.items()]
        self.status, self.conclusion = "queued", None
        self.started_at = self.updated_at = now()
        self._tell(None, "requested")

    def request(self) -> None:
        """Tell that it was made."""
        self._tell(None, "requested")
        for job in self.jobs:
            self._tell(job, "queued")

    def log_zip(self, jobs: Sequence[Job]) -> bytes:
        """The archive of logs as GitHub packs it: a file for each job, and one for each of its steps."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for number, job in enumerate(jobs):
                name = re.sub(r'[/:<>|*?\\"]', "", job.name)
                archive.writestr(f"{number}_{name}.txt", "\ufeff" + "".join(job.log(step) for step in job.steps))
                for step in job.steps:
                    if step.conclusion != "skipped":
                        step_name = re.sub(r'[/:<>|*?\\"]', "", step.name)
                        archive.writestr(f"{name}/{step.number}_{step_name}.txt", "\ufeff" + job.log(step))
        return packed.getvalue()

    def _current(self) -> Job | None:
        return next((job for job in self.jobs if job.status == "in_progress"), None)

    def _begin_next(self) -> None:
        waiting = next((job for job in self.jobs if job.status == "queued"), None)
        if waiting is None:
            self._complete("success")
        else:
            waiting.begin()
            self._tell(waiting, "in_progress")

    def _end_job(self, job: Job, conclusion: Conclusion) -> None:
        job.end(conclusion)
        self._tell(job, "completed")

    def _complete(self, conclusion: Conclusion) -> None:
        self.status, self.conclusion, self.updated_at = "completed", conclusion, now()
        self._tell(None, "completed")

    def _tell(self, job: Job | None, action: str) -> None:
        if self.changed is not None:
            self.changed(self, job, action)


@dataclass(slots=True)
class Status:
    """A commit status that somebody posted."""

    sha: str
    state: str
    context: str
    target_url: str | None
    description: str | None
    creator: str
    id: int = field(default_factory=new_id)
    created_at: datetime = field(default_factory=now)


@dataclass(slots=True, eq=False)
class Repository:
    """A repository and all that happened in it."""

    full_name: str
    id: int = field(default_factory=new_id)
    default_branch: str = "main"
    refs: dict[str, str] = field(default_factory=lambda: {"main": SHA})
    former_names: list[str] = field(default_factory=list)
    workflows: list[Workflow] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    """Oldest first."""
    statuses: list[Status] = field(default_factory=list)

    def add_workflow(self, text: str = BUILD_WORKFLOW, file: str = "build.yml") -> Workflow:
        made = Workflow(f".github/workflows/{file}", text)
        self.workflows.append(made)
        return made

    def rename(self, full_name: str) -> None:
        """Give it another name; the old one redirects."""
        self.former_names.append(self.full_name)
        self.full_name = full_name

    def workflow(self, file_or_id: str) -> Workflow | None:
        return next((one for one in self.workflows if file_or_id in {one.file, str(one.id), one.path}), None)

    def run(self, run_id: int) -> Run | None:
        return next((run for run in self.runs if run.id == run_id), None)
