"""As much of GitHub's JSON as is read here. Unknown fields are ignored and almost all have defaults: Enterprise
Servers of all ages leave some out. Source: GitHub's OpenAPI description (npm @octokit/openapi)."""

from datetime import datetime

import msgspec


class Account(msgspec.Struct, frozen=True):
    """A user, or an App's `name[bot]`."""

    login: str = ""


class Run(msgspec.Struct, frozen=True):
    """A workflow run (`workflow-run`).

    `status` is queued, in_progress, completed, waiting, requested or pending; `conclusion` None until it is completed.
    `head_branch` is the branch or tag that it was dispatched on.
    """

    id: int
    status: str = ""
    conclusion: str | None = None
    html_url: str = ""
    head_branch: str | None = None
    head_sha: str = ""
    event: str = ""
    run_attempt: int = 1
    name: str | None = None
    display_title: str = ""
    path: str = ""
    actor: Account | None = None
    created_at: datetime | None = None

    @property
    def is_completed(self) -> bool:
        return self.status == "completed"


class Runs(msgspec.Struct, frozen=True):
    """A page of runs, newest first."""

    workflow_runs: list[Run]


class Step(msgspec.Struct, frozen=True):
    """A step of a job; numbers grow but need not follow each other."""

    name: str
    number: int = 0
    status: str = ""
    conclusion: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None


class WorkflowJob(msgspec.Struct, frozen=True):
    """A job of a run (`job`). Its steps are there once a runner took it."""

    id: int
    name: str
    status: str = ""
    conclusion: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    runner_name: str | None = None
    steps: list[Step] = []


class WorkflowJobs(msgspec.Struct, frozen=True):
    """A page of jobs."""

    total_count: int
    jobs: list[WorkflowJob]


class Dispatched(msgspec.Struct, frozen=True):
    """The answer to a dispatch: 200 from REST version 2026-03-10 on, and on request before (`workflow-dispatch`)."""

    workflow_run_id: int
    html_url: str = ""


class NamedRepository(msgspec.Struct, frozen=True):
    """A repository."""

    full_name: str


class Installation(msgspec.Struct, frozen=True):
    """Where a GitHub App is installed."""

    id: int


class App(msgspec.Struct, frozen=True):
    """The App itself."""

    slug: str = ""


class Complaint(msgspec.Struct, frozen=True):
    """An error's body (`basic-error`, `validation-error`)."""

    message: str = ""
