"""`python -m tests.fakegithub`: a GitHub to try Slipway out with. Runs advance by themselves, a step at each tick."""

import argparse
import contextlib
import sys
import time
from pathlib import Path

from tests.fakegithub.actions import BUILD_WORKFLOW
from tests.fakegithub.forge import TOKEN, FakeGitHub
from tests.fakegithub.webhooks import Webhooks


class _Loud(FakeGitHub):
    """Says at once what GitHub's OpenAPI does not allow."""

    def complain(self, problem: str) -> None:
        sys.stderr.write(f"{problem}\n")


def main() -> None:
    read = argparse.ArgumentParser(prog="python -m tests.fakegithub", description=__doc__)
    read.add_argument("--port", type=int, default=8099, help="port on 127.0.0.1 (default: %(default)s)")
    read.add_argument("--repository", default="acme/images", help="owner/name (default: %(default)s)")
    read.add_argument("--workflow", type=Path, help="the workflow's file (default: one with three steps)")
    read.add_argument("--pace", type=float, default=2.0, help="seconds between steps (default: %(default)s)")
    read.add_argument("--fail", action="store_true", help="let every run fail in its last step")
    read.add_argument("--webhook", help="where to send workflow_run and workflow_job, http://.../webhook/github")
    read.add_argument("--secret", default="", help="the webhook's secret")
    asked = read.parse_args()

    github = _Loud()
    github.start(asked.port)
    github.web = github.origin
    text = asked.workflow.read_text() if asked.workflow else BUILD_WORKFLOW
    github.add_repository(asked.repository, workflow="").add_workflow(text, "build.yml")
    sys.stdout.write(
        f"GITHUB_API_URL={github.url}\nGITHUB_TOKEN={TOKEN}\nGITHUB_REPO={asked.repository}\nGITHUB_WORKFLOW_FILE=build.yml\n"
    )
    sys.stdout.flush()
    with contextlib.ExitStack() as stack, contextlib.suppress(KeyboardInterrupt):
        stack.callback(github.stop)
        if asked.webhook:
            stack.enter_context(Webhooks(github, asked.webhook, asked.secret))
        while True:
            time.sleep(asked.pace)
            _tick(github, fail=asked.fail)


def _tick(github: FakeGitHub, *, fail: bool) -> None:
    with github.lock:
        for run in (run for repository in github.repositories for run in repository.runs if not run.is_completed):
            last = [job.steps[-1].status for job in run.jobs][-1:]
            if fail and last == ["in_progress"]:
                run.finish("failure")
            else:
                run.advance()
            sys.stdout.write(f"run {run.id}: {run.conclusion or run.status}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
