"""A GitHub for tests and try-outs: real HTTP on the loopback, held to GitHub's published OpenAPI on both sides.

    with FakeGitHub() as github:
        repository = github.add_repository("acme/images")
        ...  # dispatch at github.url with TOKEN
        repository.runs[-1].advance()
        assert len(github.done("dispatch")) == 1

`github.inject(LOST_ANSWER, "actions/create-workflow-dispatch")` lets the next such request go wrong. A request or an
answer that the OpenAPI does not allow fails the test at the end of the block. `python -m tests.fakegithub` runs one by
hand.
"""

from tests.fakegithub.actions import BUILD_WORKFLOW, SHA, Job, Repository, Run, Status, Step, Workflow
from tests.fakegithub.forge import LOGIN, TOKEN, Act, App, FakeGitHub

__all__ = [
    "BUILD_WORKFLOW",
    "LOGIN",
    "SHA",
    "TOKEN",
    "Act",
    "App",
    "FakeGitHub",
    "Job",
    "Repository",
    "Run",
    "Status",
    "Step",
    "Workflow",
]
