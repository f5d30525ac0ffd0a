"""News of workflow runs, read from GitHub's own recorded payloads."""

from typing import Any

import pytest

from services.builds.forges import FORGES, BadPayload, EventKind
from tests.builds.forges.payloads import octokit_examples

GITHUB = FORGES["github"]
EVENTS = ("workflow_run", "workflow_job")
NEWS = {
    "action": "completed",
    "workflow_run": {"id": 16_000_000_001, "head_branch": "main", "head_sha": "a" * 40, "display_title": "Build 7"},
    "workflow_job": {"id": 5, "run_id": 16_000_000_001, "name": "build"},
    "repository": {"full_name": "Acme/images", "html_url": "https://github.com/Acme/images"},
    "sender": {"login": "ada"},
}


def test_every_example_names_its_run() -> None:
    """The run's number is that of the run and of a job's run alike, with repository, commit and what happened."""
    found = 0
    for name, event_name, payload in octokit_examples():
        if event_name in EVENTS:
            event = GITHUB.parse(event_name, payload)
            about: dict[str, Any] = payload[event_name]
            assert event.kind is EventKind.WORKFLOW, name
            assert event.run_id == (about["id"] if event_name == "workflow_run" else about["run_id"])
            assert (event.repository, event.action) == (payload["repository"]["full_name"], payload["action"])
            assert event.sha == about["head_sha"]
            assert not event.starts_build
            found += 1
    assert found == 21


def test_a_run_is_told_from_its_job() -> None:
    """Both events lead to the same run; the title is the run's or the job's."""
    run, job = (GITHUB.parse(event_name, NEWS) for event_name in EVENTS)
    assert run.run_id == job.run_id == 16_000_000_001
    assert (run.title, job.title) == ("Build 7", "build")
    assert (run.branch, run.sender) == ("main", "ada")


@pytest.mark.parametrize("event_name", EVENTS)
@pytest.mark.parametrize(
    "changed",
    [
        {"workflow_run": None, "workflow_job": None},
        {"workflow_run": {"id": "7"}, "workflow_job": {"run_id": "7"}},
        {"workflow_run": {"id": True}, "workflow_job": {"run_id": 2**63}},
        {"workflow_run": {"id": 1, "head_sha": "no"}, "workflow_job": {"run_id": 1, "head_sha": 7}},
        {"repository": {}},
        {"repository": None},
    ],
)
def test_what_names_no_run_is_refused(event_name: str, changed: dict[str, Any]) -> None:
    """Without a repository and a run's number there is nobody to wake, and the sender is told so."""
    with pytest.raises(BadPayload):
        GITHUB.parse(event_name, NEWS | changed)


@pytest.mark.parametrize("forge", ["gitea", "forgejo"])
def test_other_forges_news_are_their_own(forge: str) -> None:
    """Gitea's Actions send the same names; no build of ours runs there."""
    assert FORGES[forge].parse("workflow_run", NEWS).kind is EventKind.OTHER
