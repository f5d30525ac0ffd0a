"""Verdicts: what builds, what does not, and the reason that is given."""

import pytest

from services.builds.forges import FORGES, Build, EventKind, Filters, ForgeEvent, Ignore, fingerprint, judge
from tests.builds.forges.payloads import (
    NO_COMMIT,
    SHA,
    Payload,
    create_payload,
    pull_request_payload,
    push_payload,
    release_payload,
)

EVERYTHING = Filters(events=tuple(EventKind))


def verdict(forge: str, name: str, payload: Payload, filters: Filters = EVERYTHING) -> str:
    """Parse and judge; `BUILD` or the reason's code."""
    judged = judge(FORGES[forge].parse(name, payload), filters)
    assert isinstance(judged, Build) or judged.message
    return judged.code if isinstance(judged, Ignore) else "BUILD"


def push(forge: str, **changed: str) -> Payload:
    return push_payload(forge, **changed)


RULES = [
    # forge, event, payload, verdict
    ("github", "push", push("github"), "BUILD"),
    ("github", "push", push("github", ref="refs/tags/v1"), "BUILD"),
    ("github", "push", push("github", sha=NO_COMMIT), "REF_DELETED"),
    ("github", "push", push("github", ref="refs/tags/v1", sha=NO_COMMIT), "REF_DELETED"),
    ("github", "push", push("github", before=NO_COMMIT), "BUILD"),
    ("github", "push", push("github", ref="refs/notes/commits"), "EVENT_IGNORED"),
    ("github", "push", push("github", message="wip [skip ci]"), "SKIP_REQUESTED"),
    ("github", "push", push("github", message="wip [CI  Skip]\n\nmore"), "SKIP_REQUESTED"),
    ("github", "push", push("github", message="x\n\n[ skip ci ]"), "SKIP_REQUESTED"),
    ("github", "push", push("github", message="y" * 100_000 + "[skip ci]"), "SKIP_REQUESTED"),
    ("github", "push", push("github", message="skip ci, [skipci] and [skip-ci]"), "BUILD"),
    ("github", "ping", {"zen": "Keep it logically awesome.", "hook_id": 1, "hook": {}}, "PING"),
    ("github", "create", create_payload(), "ANNOUNCED_TWICE"),
    ("github", "workflow_run", {"workflow_run": {"id": 7}, "repository": {"full_name": "a/b"}}, "WORKFLOW_NEWS"),
    ("github", "issues", {"action": "opened"}, "EVENT_IGNORED"),
    ("github", "pull_request", pull_request_payload("github", "opened"), "BUILD"),
    ("github", "pull_request", pull_request_payload("github", "synchronize"), "BUILD"),
    ("github", "pull_request", pull_request_payload("github", "reopened"), "BUILD"),
    ("github", "pull_request", pull_request_payload("github", "closed"), "ACTION_IGNORED"),
    ("github", "pull_request", pull_request_payload("github", "labeled"), "ACTION_IGNORED"),
    ("github", "pull_request", pull_request_payload("github", "opened", source_id=16), "FORK"),
    ("github", "pull_request", pull_request_payload("github", "opened", source_id=None), "FORK"),
    ("github", "pull_request", pull_request_payload("github", "opened", title="WIP [ci skip]"), "SKIP_REQUESTED"),
    ("github", "release", release_payload("github", "released"), "BUILD"),
    ("github", "release", release_payload("github", "published"), "ACTION_IGNORED"),
    ("github", "release", release_payload("github", "created"), "ACTION_IGNORED"),
    ("gitea", "push", push("gitea"), "BUILD"),
    ("gitea", "push", push("gitea", ref="refs/tags/v1.0.0", before=NO_COMMIT), "BUILD"),
    ("gitea", "push", push("gitea", sha=NO_COMMIT), "REF_DELETED"),
    ("gitea", "create", create_payload(), "ANNOUNCED_TWICE"),
    ("gitea", "create", create_payload("topic", "branch"), "ANNOUNCED_TWICE"),
    ("gitea", "delete", create_payload(), "EVENT_IGNORED"),
    ("gitea", "pull_request", pull_request_payload("gitea", "synchronized"), "BUILD"),
    ("gitea", "pull_request", pull_request_payload("gitea", "label_updated"), "ACTION_IGNORED"),
    ("gitea", "pull_request", pull_request_payload("gitea", "label_cleared"), "ACTION_IGNORED"),
    ("gitea", "pull_request", pull_request_payload("gitea", "opened", source_id=99), "FORK"),
    ("gitea", "release", release_payload("gitea", "published"), "BUILD"),
    ("gitea", "release", release_payload("gitea", "published", draft=True), "ACTION_IGNORED"),
    ("gitea", "release", release_payload("gitea", "updated"), "ACTION_IGNORED"),
    ("forgejo", "push", push("forgejo"), "BUILD"),
    ("forgejo", "create", create_payload(), "ANNOUNCED_TWICE"),
    ("gitlab", "Push Hook", push("gitlab"), "BUILD"),
    ("gitlab", "Push Hook", push("gitlab", sha=NO_COMMIT), "REF_DELETED"),
    ("gitlab", "Push Hook", push("gitlab", message="[skip ci]"), "SKIP_REQUESTED"),
    ("gitlab", "Tag Push Hook", push("gitlab", ref="refs/tags/v1"), "BUILD"),
    ("gitlab", "System Hook", push("gitlab"), "BUILD"),
    ("gitlab", "System Hook", {"event_name": "project_create"}, "EVENT_IGNORED"),
    ("gitlab", "Merge Request Hook", pull_request_payload("gitlab", "open"), "BUILD"),
    ("gitlab", "Merge Request Hook", pull_request_payload("gitlab", "reopen"), "BUILD"),
    ("gitlab", "Merge Request Hook", pull_request_payload("gitlab", "update"), "ACTION_IGNORED"),
    ("gitlab", "Merge Request Hook", pull_request_payload("gitlab", "merge"), "ACTION_IGNORED"),
    ("gitlab", "Merge Request Hook", pull_request_payload("gitlab", "open", source_id=16), "FORK"),
    ("gitlab", "Merge Request Hook", pull_request_payload("gitlab", "open", source_id=None), "FORK"),
    ("gitlab", "Release Hook", release_payload("gitlab", "create"), "BUILD"),
    ("gitlab", "Release Hook", release_payload("gitlab", "delete"), "ACTION_IGNORED"),
    ("gitlab", "Pipeline Hook", {"object_kind": "pipeline"}, "EVENT_IGNORED"),
]


@pytest.mark.parametrize(("forge", "name", "payload", "expected"), RULES)
def test_an_event_builds_or_says_why_not(forge: str, name: str, payload: Payload, expected: str) -> None:
    """With all kinds allowed, exactly the events that bring code of our own to build do so."""
    assert verdict(forge, name, payload) == expected


def test_a_merge_request_builds_again_when_its_branch_moved() -> None:
    """GitLab's `update` covers titles and labels too; only one with the old revision has new commits."""
    payload = pull_request_payload("gitlab", "update")
    payload["object_attributes"]["oldrev"] = SHA
    assert verdict("gitlab", "Merge Request Hook", payload) == "BUILD"


MAIN_AND_RELEASES = Filters(branches=("main", "release/*"))
OPENED = pull_request_payload("github", "opened")  # from topic to main

FILTERS = [
    (Filters(), "push", push("github"), "BUILD"),
    (Filters(), "push", push("github", ref="refs/tags/v1"), "BUILD"),
    (Filters(), "pull_request", OPENED, "EVENT_FILTERED"),
    (Filters(), "release", release_payload("github", "released"), "EVENT_FILTERED"),
    (Filters(events=("tag",)), "push", push("github"), "EVENT_FILTERED"),
    (Filters(events=()), "push", push("github"), "EVENT_FILTERED"),
    (MAIN_AND_RELEASES, "push", push("github"), "BUILD"),
    (MAIN_AND_RELEASES, "push", push("github", ref="refs/heads/release/2"), "BUILD"),
    (MAIN_AND_RELEASES, "push", push("github", ref="refs/heads/release/2/x"), "BRANCH_FILTERED"),
    (MAIN_AND_RELEASES, "push", push("github", ref="refs/tags/v1"), "BUILD"),
    (Filters(branches=("!main",)), "push", push("github"), "BRANCH_FILTERED"),
    (Filters(events=("pull_request",), branches=("main",)), "pull_request", OPENED, "BUILD"),
    (Filters(events=("pull_request",), branches=("topic",)), "pull_request", OPENED, "BRANCH_FILTERED"),
]


@pytest.mark.parametrize(("filters", "name", "payload", "expected"), FILTERS)
def test_a_repositorys_filters_decide(filters: Filters, name: str, payload: Payload, expected: str) -> None:
    """Kinds and branches are filtered; a pull request goes by its target, tags and releases have no branch."""
    assert verdict("github", name, payload, filters) == expected


def test_giteas_new_tag_builds_once() -> None:
    """Of the two deliveries for one tag, in either order, exactly one builds."""
    both = [("create", create_payload()), ("push", push("gitea", ref="refs/tags/v1.0.0", before=NO_COMMIT))]
    assert sorted(verdict("gitea", name, payload) for name, payload in both) == ["ANNOUNCED_TWICE", "BUILD"]


def test_a_fingerprint_names_what_is_said() -> None:
    """The same event and body have one fingerprint; another repository, event, sha, forge or body another."""
    event = FORGES["github"].parse("push", push("github"))
    others = [
        (FORGES["gitea"].parse("push", push("gitea")), b"{}"),
        (FORGES["github"].parse("push", push_payload("github", repository="acme/other")), b"{}"),
        (FORGES["github"].parse("push", push("github", sha="1" * 40)), b"{}"),
        (ForgeEvent(forge="github", kind=EventKind.OTHER, name="\ud800"), b"{}"),
        (event, b"{ }"),
    ]
    prints = {fingerprint(event, b"{}"), *(fingerprint(other, raw) for other, raw in others)}
    assert len(prints) == 1 + len(others)
    assert fingerprint(event, b"{}") == fingerprint(FORGES["github"].parse("push", push("github")), b"{}")
