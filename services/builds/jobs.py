"""The messages of the builds slice."""

from typing import Final

from libs.common.jobs.kinds import Message, Policy

# Pipelines run up to 6 h (spec); ten minutes more let the runner's own time-out end them with a readable log.
_LONGEST_RUN_S: Final = 6 * 3600 + 600.0


class RunBuild(Message, frozen=True):
    """Run the pipeline of a build with the build's provider; `build_id` is its row's id."""

    kind = "builds.run_build"
    # Three tries: a clone that fails twice within half a minute is an outage that a person should hear of.
    policy = Policy(timeout_s=_LONGEST_RUN_S, max_tries=3, job_class="heavy", cancel_timeout_s=30.0)

    build_id: int
