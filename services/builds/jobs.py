"""The messages of the builds slice."""

from typing import Final, Literal

from libs.common.jobs.kinds import Message, Policy

# Pipelines run up to 6 h (spec); ten minutes more let the runner's own time-out end them with a readable log.
_LONGEST_RUN_S: Final = 6 * 3600 + 600.0


class RunBuild(Message, frozen=True):
    """Run the pipeline of a build with the build's provider; `build_id` is its row's id."""

    kind = "builds.run_build"
    # Three tries: a clone that fails twice within half a minute is an outage that a person should hear of.
    policy = Policy(timeout_s=_LONGEST_RUN_S, max_tries=3, job_class="heavy", cancel_timeout_s=30.0)

    build_id: int


class RunWorkflow(Message, frozen=True):
    """Run a build as a workflow on GitHub Actions and follow it to its end, one short step after the other.

    `rerun` runs the workflow run that the build has once more: all of it, or its failed jobs; None: a new run.
    `workflow_file` None: the repository's, else the setting's.
    """

    kind = "builds.run_workflow"
    # A step is some requests, at the end the download of a log: ten minutes are for a slow one. Tries are for our own
    # errors; what GitHub refuses for the moment is waited out by Again. A run may take half a minute to stop, and as
    # long again when it has to be forced.
    policy = Policy(timeout_s=600.0, max_tries=5, job_class="light", cancel_timeout_s=60.0)

    build_id: int
    rerun: Literal["all", "failed"] | None = None
    workflow_file: str | None = None


class ReportStatus(Message, frozen=True):
    """Tell the forge how a build of one of its commits is at that moment; `build_id` is the build's row's id."""

    kind = "builds.report_status"
    # A step is one request. Twelve tries with at most ten minutes between them are more than an hour: an outage that
    # lasts longer ends with a person looking at the forge anyway.
    policy = Policy(timeout_s=120.0, max_tries=12, backoff_max_s=600.0, job_class="light")

    build_id: int
