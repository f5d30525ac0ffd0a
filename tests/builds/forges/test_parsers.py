"""Parsers: what each forge's payload becomes, and what happens to fields that are missing, odd or too much."""

from typing import Any

import pytest

from services.builds.forges import FORGES, BadPayload, EventKind, ForgeEvent
from tests.builds.forges.payloads import (
    BEFORE,
    NO_COMMIT,
    SHA,
    Payload,
    old_gitea_push_payload,
    pull_request_payload,
    push_payload,
    push_request,
    release_payload,
    sign,
)

PUSH_EVENTS = {"gitea": "push", "forgejo": "push", "github": "push", "gitlab": "Push Hook"}
forges = pytest.mark.parametrize("forge", sorted(FORGES))


def parse_push(forge: str, payload: Payload) -> ForgeEvent:
    return FORGES[forge].parse(PUSH_EVENTS[forge], payload)


@forges
def test_a_push_becomes_one_event(forge: str) -> None:
    """A push says the same in every forge's words."""
    event = parse_push(forge, push_payload(forge, ref="refs/heads/feature/x"))
    assert event == ForgeEvent(
        forge=forge,
        kind=EventKind.PUSH,
        name=PUSH_EVENTS[forge],
        starts_build=True,
        repository="acme/app",
        clone_url="https://git.example/acme/app.git",
        html_url="https://git.example/acme/app",
        branch="feature/x",
        sha=SHA,
        before=BEFORE,
        author="Ada Lovelace" if forge == "gitlab" else "ada",
        sender="ada",
        message="Mend the bridge",
        changed_files=("src/bridge.py",),
    )


@forges
def test_a_tag_becomes_one_event(forge: str) -> None:
    """A tag has a tag and no branch, and no list of files."""
    event = parse_push(forge, push_payload(forge, ref="refs/tags/v1/rc", before=NO_COMMIT))
    assert (event.kind, event.tag, event.branch, event.sha) == (EventKind.TAG, "v1/rc", None, SHA)
    assert event.before is None
    assert event.changed_files is None


def test_an_annotated_tag_is_built_at_its_commit() -> None:
    """Where `after` is the tag's own object, the commit it points to is taken from where the forge names it."""
    github = push_payload("github", ref="refs/tags/v1")
    github["after"] = "f" * 40
    assert parse_push("github", github).sha == SHA
    gitlab = push_payload("gitlab", ref="refs/tags/v1")
    gitlab["after"] = "f" * 40
    assert parse_push("gitlab", gitlab).sha == SHA
    gitea = push_payload("gitea", ref="refs/tags/v1")
    gitea |= {"after": "F" * 40, "head_commit": None, "commits": None}
    assert parse_push("gitea", gitea).sha == "f" * 40


@forges
def test_a_deletion_has_no_commit(forge: str) -> None:
    """A deleted branch is named, with what it pointed to, and starts nothing."""
    event = parse_push(forge, push_payload(forge, sha=NO_COMMIT))
    assert (event.deleted, event.starts_build, event.sha, event.before) == (True, False, None, BEFORE)
    assert event.branch == "main"


@forges
def test_a_sha256_repository_is_read(forge: str) -> None:
    """Object ids of 64 digits are as good as those of 40, and their zeros mean the same."""
    event = parse_push(forge, push_payload(forge, sha="A" * 64, before="0" * 64))
    assert (event.sha, event.before) == ("a" * 64, None)


def test_a_first_gitea_push_is_read() -> None:
    """A payload of the first Gitea versions gives its message from the list of commits; its files stay unknown."""
    event = FORGES["gitea"].parse("push", old_gitea_push_payload())
    assert (event.repository, event.branch, event.sha) == ("acme/app", "main", SHA)
    assert (event.author, event.sender, event.message) == ("ada", "ada", "Mend the bridge\n")
    assert event.changed_files is None


HUB_ACTIONS = {"gitea": "synchronized", "forgejo": "synchronized", "github": "synchronize"}


@forges
def test_a_pull_request_becomes_one_event(forge: str) -> None:
    """A pull request has a source branch, a target, a number, and builds the source's head."""
    name = "Merge Request Hook" if forge == "gitlab" else "pull_request"
    event = FORGES[forge].parse(name, pull_request_payload(forge, HUB_ACTIONS.get(forge, "open")))
    assert (event.kind, event.starts_build, event.is_fork) == (EventKind.PULL_REQUEST, True, False)
    assert (event.branch, event.target_branch, event.sha, event.number) == ("topic", "main", SHA, 3)
    assert (event.sender, event.title, event.repository) == ("ada", "A bridge", "acme/app")
    assert event.changed_files is None


def test_an_unknown_source_counts_as_a_fork() -> None:
    """Old Gitea payloads without the source's repository are compared by `repo_id`, without that they are forks."""
    payload = pull_request_payload("gitea", "opened")
    del payload["pull_request"]["head"]["repo"]
    assert FORGES["gitea"].parse("pull_request", payload).is_fork
    payload["pull_request"]["head"]["repo_id"] = 15
    assert not FORGES["gitea"].parse("pull_request", payload).is_fork
    payload["pull_request"]["head"]["repo_id"] = 16
    assert FORGES["gitea"].parse("pull_request", payload).is_fork


def test_a_pull_request_whose_branch_is_gone_has_none() -> None:
    """Gitea names the pull request's own ref once the source branch is deleted."""
    payload = pull_request_payload("gitea", "closed")
    payload["pull_request"]["head"]["ref"] = "refs/pull/3/head"
    assert FORGES["gitea"].parse("pull_request", payload).branch is None


@forges
def test_a_release_becomes_one_event(forge: str) -> None:
    """A release has its tag; only GitLab names the commit."""
    name = "Release Hook" if forge == "gitlab" else "release"
    action = {"github": "released", "gitlab": "create"}.get(forge, "published")
    event = FORGES[forge].parse(name, release_payload(forge, action))
    assert (event.kind, event.starts_build, event.tag, event.title) == (EventKind.RELEASE, True, "v1.0.0", "One")
    assert event.sha == (SHA if forge == "gitlab" else None)


def test_a_ping_needs_no_repository() -> None:
    """An organisation's hook is tried out without one."""
    event = FORGES["github"].parse("ping", {"zen": "Anything added dilutes everything else.", "hook_id": 1})
    assert (event.kind, event.repository) == (EventKind.PING, None)


def test_a_gitlab_test_delivery_goes_by_its_ref() -> None:
    """GitLab's test button for tags sends a branch's body, and system hooks name the event in the body."""
    assert FORGES["gitlab"].parse("Tag Push Hook", push_payload("gitlab")).kind is EventKind.PUSH
    assert FORGES["gitlab"].parse("System Hook", push_payload("gitlab", ref="refs/tags/v1")).kind is EventKind.TAG


UNKNOWN_FILES: list[tuple[str, dict[str, Any]]] = [
    ("github", {"forced": True}),
    ("github", {"forced": None}),
    ("github", {"commits": []}),
    ("github", {"commits": [{"added": ["a"]}] * 2048}),
    ("github", {"commits": [{"added": ["a"] * 3000}]}),
    ("github", {"commits": [{"id": SHA}]}),
    ("github", {"commits": [{"added": [str(number) * 100 for number in range(2999)]}]}),
    ("github", {"before": NO_COMMIT}),
    ("gitea", {"total_commits": 6}),
    ("gitea", {"total_commits": None}),
    ("gitea", {"commits": None}),
    ("gitea", {"before": NO_COMMIT}),
    ("gitlab", {"total_commits_count": 21}),
    ("gitlab", {"total_commits_count": True}),
    ("gitlab", {"commits": ["?"]}),
]


@pytest.mark.parametrize(("forge", "changed"), UNKNOWN_FILES)
def test_an_incomplete_list_of_files_is_unknown(forge: str, changed: dict[str, Any]) -> None:
    """A list that the forge cut short, or that cannot be told complete, is None, never a part of the truth."""
    assert parse_push(forge, push_payload(forge) | changed).changed_files is None


def test_files_are_collected_over_commits() -> None:
    """All kinds of change count, each path once, sorted; null beside a list is an empty list."""
    commits = [{"added": ["b"], "removed": None}, {"modified": ["a", "b", 5, ""], "removed": ["c"]}]
    event = parse_push("gitea", push_payload("gitea") | {"commits": commits, "total_commits": 2})
    assert event.changed_files == ("a", "b", "c")


BAD_PUSHES: list[tuple[str, object]] = [
    ("ref", None),
    ("ref", 5),
    ("ref", "refs/heads/"),
    ("ref", "refs/heads/a\x00b"),
    ("ref", "refs/heads/a b"),
    ("ref", "refs/heads/a\nb"),
    ("ref", "refs/heads/\ud800"),
    ("ref", "refs/heads/" + "a" * 512),
    ("after", None),
    ("after", ""),
    ("after", "--upload-pack=x"),
    ("after", "8d5a0e5"),
    ("after", ["x"]),
    ("before", "x"),
]


@forges
@pytest.mark.parametrize(("field", "value"), BAD_PUSHES)
def test_a_push_that_could_build_the_wrong_thing_is_refused(forge: str, field: str, value: object) -> None:
    """A ref or sha that is missing, or that cannot be used as it is, is refused by name, never mended."""
    with pytest.raises(BadPayload, match=field) as refused:
        parse_push(forge, push_payload(forge) | {field: value})
    assert refused.value.code == "INVALID_PAYLOAD"


@forges
def test_a_push_without_repository_is_refused(forge: str) -> None:
    """The repository's name is required, of whatever shape the rest is."""
    holder = "project" if forge == "gitlab" else "repository"
    shapes: list[object] = [None, [], {}, "acme/app", {"full_name": 5, "path_with_namespace": 5}]
    for broken in shapes:
        with pytest.raises(BadPayload, match=holder):
            parse_push(forge, push_payload(forge) | {holder: broken})


@forges
def test_texts_are_cut_and_cleaned(forge: str) -> None:
    """NUL and lone surrogates, which no database stores, are replaced in a message, and a long one is cut."""
    event = parse_push(forge, push_payload(forge, message="a\x00b\ud800c🎈" + "x" * 5000))
    assert event.message is not None
    assert event.message.startswith("a\ufffdb\ufffdc🎈")
    assert len(event.message) == 4096


@forges
def test_what_is_only_shown_may_be_of_any_type(forge: str) -> None:
    """A push is built although everything that it could do without is rubbish."""
    rubbish = {"commits": {"x": 1}, "head_commit": [5], "sender": "me", "pusher": 5, "compare": {}}
    rubbish |= {"user_username": 5, "user_name": [], "total_commits": "many", "checkout_sha": None}
    event = parse_push(forge, push_payload(forge) | rubbish)
    assert (event.starts_build, event.sha, event.author, event.message) == (True, SHA, None, None)


def test_event_and_delivery_are_found_in_the_forges_own_headers() -> None:
    """Each forge's own headers name event and delivery, in any case, although Gitea and Forgejo send GitHub's too."""
    for name, forge in FORGES.items():
        request = push_request(name, secret="s", delivery="d-1")
        for headers in (request.headers, {key.upper(): value for key, value in request.headers.items()}):
            assert forge.event_name(headers) == PUSH_EVENTS[name]
            assert forge.delivery_id(headers, request.body) == "d-1"
    gitea = push_request("gitea", secret="s", delivery="d-2")
    assert FORGES["forgejo"].delivery_id(gitea.headers, gitea.body) == "d-2"


@forges
@pytest.mark.parametrize("value", [None, "", "  ", "x" * 129, "a\x00", "\ud800", "ü"])
def test_an_odd_header_counts_as_missing(forge: str, value: str | None) -> None:
    """An event name that is no short word is a 400, a delivery id that is none is no id."""
    headers = {} if value is None else {"X-GitHub-Event": value, "X-Gitea-Event": value, "X-Gitlab-Event": value}
    headers |= {"X-GitHub-Delivery": value, "X-Gitea-Delivery": value, "Idempotency-Key": value} if value else {}
    with pytest.raises(BadPayload) as refused:
        FORGES[forge].event_name(headers)
    assert refused.value.code == "MISSING_EVENT"
    assert FORGES[forge].delivery_id(headers, b"{}") is None


def test_deliveries_of_one_gitlab_push_are_told_apart() -> None:
    """An older GitLab gives all deliveries of one push the same UUID: another body is another delivery."""
    main = sign("gitlab", "Push Hook", push_payload("gitlab"), secret="s")
    topic = sign("gitlab", "Push Hook", push_payload("gitlab", ref="refs/heads/topic"), secret="s")
    ids = set()
    for request in (main, topic, main):
        headers = {name: value for name, value in request.headers.items() if name != "Idempotency-Key"}
        ids.add(FORGES["gitlab"].delivery_id(headers, request.body))
    assert len(ids) == 2
    assert None not in ids
