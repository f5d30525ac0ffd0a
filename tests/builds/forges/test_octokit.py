"""Every payload that GitHub's own collection holds, of github.com and of each Enterprise Server version."""

from collections import Counter

import pytest

from services.builds.forges import FORGES, Build, EventKind, Filters, Ignore, Verified, decode, judge
from tests.builds.forges.payloads import NO_COMMIT, octokit_examples, sign

GITHUB = FORGES["github"]


def test_the_collection_is_whole() -> None:
    """The vendored file holds all sets of the package; a smaller one would weaken the tests below unseen."""
    assert Counter(name for name, _, _ in octokit_examples()) == {
        "api.github.com": 329,
        "ghes-31": 49,
        "ghes-32": 49,
        "ghes-33": 50,
        "ghes-34": 124,
        "ghes-35": 125,
    }


@pytest.mark.parametrize("form", [False, True], ids=["json", "form"])
def test_every_example_is_verified_and_read(form: bool) -> None:
    """Signed in both content types, each example is read; new refs build, deletions and all else say why not."""
    for name, event_name, payload in octokit_examples():
        request = sign("github", event_name, payload, secret="s", form=form)
        content_type = request.headers["Content-Type"]
        verified = GITHUB.verify(request.headers, request.body, content_type, ["s"], now_s=0)
        assert verified == Verified(secret_index=0), (name, event_name)
        event = GITHUB.parse(GITHUB.event_name(request.headers), decode(request.body, content_type))
        judged = judge(event, Filters())
        if event_name == "push" and payload["after"] != NO_COMMIT:
            assert judged == Build(), (name, event_name)
            assert (event.repository, event.sha) == (payload["repository"]["full_name"], payload["after"])
            assert payload["ref"] in {f"refs/heads/{event.branch}", f"refs/tags/{event.tag}"}
            assert event.message
        else:
            assert isinstance(judged, Ignore), (name, event_name)
            assert judged.message


def test_the_examples_hold_what_they_are_known_for() -> None:
    """Kinds and reasons over the whole collection: a parser that turns lenient or strict changes these numbers."""
    events = [GITHUB.parse(event_name, payload) for _, event_name, payload in octokit_examples()]
    everything = Filters(events=tuple(EventKind))
    verdicts = [judge(event, everything) for event in events]
    reasons = Counter(verdict.code if isinstance(verdict, Ignore) else "BUILD" for verdict in verdicts)
    kinds = Counter(str(event.kind) for event in events)
    assert kinds == {
        "other": 614,
        "ping": 11,
        "pull_request": 46,
        "push": 2,
        "release": 20,
        "tag": 12,
        "workflow": 21,
    }
    assert reasons == {
        "BUILD": 23,
        "EVENT_IGNORED": 602,
        "WORKFLOW_NEWS": 21,
        "ACTION_IGNORED": 51,
        "ANNOUNCED_TWICE": 12,
        "PING": 11,
        "REF_DELETED": 6,
    }
