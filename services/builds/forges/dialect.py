"""The payloads of GitHub, and of Gitea and Forgejo, which speak GitHub's language with an accent.

Only what a build needs is required: repository, ref and sha of a push; repository, head and base of a pull request;
repository and tag of a release. The rest may be missing, as it is in old versions, or be of any type.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from services.builds.forges.commits import commit_with_id
from services.builds.forges.errors import BadPayload
from services.builds.forges.event import EventKind, ForgeEvent, asks_to_skip
from services.builds.forges.fields import (
    MESSAGE_MAX_CHARS,
    at,
    first_text,
    identity,
    is_text,
    number,
    required,
    sha,
    text,
    url,
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """Where the three differ."""

    forge: str
    pull_request_actions: frozenset[str]
    """Those that bring new commits to build."""
    release_actions: frozenset[str]
    """The one that each published release sends exactly once."""
    changed_files: Callable[[Mapping[str, object]], tuple[str, ...] | None]
    """The files of a push whose two ends are both known; None when its list of commits may be incomplete."""


def parse(dialect: Dialect, event_name: str, body: Mapping[str, object]) -> ForgeEvent:
    """Turn a decoded body into an event; BadPayload when something that a build needs is missing or unfit."""
    match event_name:
        case "push":
            return _push(dialect, body)
        case "pull_request":
            return _pull_request(dialect, body)
        case "release":
            return _release(dialect, body)
        case _:
            return _other(dialect, event_name, body)


def _push(dialect: Dialect, body: Mapping[str, object]) -> ForgeEvent:
    ref = required(identity(body.get("ref"), "ref"), "ref")
    branch, tag = _branch_and_tag(ref)
    if branch is None and tag is None:  # notes, replaced refs: nothing that a build could be of
        return _other(dialect, "push", body)
    before, after = sha(body.get("before"), "before"), sha(body.get("after"), "after")
    if body.get("deleted") is True:
        after = None
    elif not is_text(body.get("after")):
        raise BadPayload("The payload's after: is missing", code="INVALID_PAYLOAD")
    head = body.get("head_commit")
    if not isinstance(head, Mapping):
        head = commit_with_id(body.get("commits"), after)
    message = at(head, "message")
    return ForgeEvent(
        forge=dialect.forge,
        kind=EventKind.PUSH if tag is None else EventKind.TAG,
        name="push",
        starts_build=after is not None,
        repository=_required_repository(body),
        clone_url=url(at(body, "repository", "clone_url"), "repository.clone_url"),
        html_url=url(at(body, "repository", "html_url"), "repository.html_url"),
        branch=branch,
        tag=tag,
        # The `after` of an annotated tag is the tag's own object; the commit is what people look for.
        sha=after if tag is None or after is None else sha(at(head, "id"), "head_commit.id") or after,
        before=before,
        author=first_text(at(head, "author", "username"), at(head, "author", "name"), *_pusher(body)),
        sender=first_text(at(body, "sender", "login"), at(body, "sender", "username"), *_pusher(body)),
        message=text(message, MESSAGE_MAX_CHARS),
        skip_requested=asks_to_skip(message),
        changed_files=dialect.changed_files(body) if branch and before and after else None,
        deleted=after is None,
    )


def _pull_request(dialect: Dialect, body: Mapping[str, object]) -> ForgeEvent:
    pull = body.get("pull_request")
    action = text(body.get("action"))
    title = at(pull, "title")
    target = required(identity(at(pull, "base", "ref"), "pull_request.base.ref"), "pull_request.base.ref")
    return ForgeEvent(
        forge=dialect.forge,
        kind=EventKind.PULL_REQUEST,
        name="pull_request",
        action=action,
        starts_build=action in dialect.pull_request_actions,
        repository=_required_repository(body),
        clone_url=url(at(body, "repository", "clone_url"), "repository.clone_url"),
        html_url=url(at(body, "repository", "html_url"), "repository.html_url"),
        branch=_branch_name(identity(at(pull, "head", "ref"), "pull_request.head.ref")),
        target_branch=_branch_name(target),
        sha=required(sha(at(pull, "head", "sha"), "pull_request.head.sha"), "pull_request.head.sha"),
        number=number(body.get("number")) or number(at(pull, "number")),
        author=first_text(at(pull, "user", "login"), at(pull, "user", "username")),
        sender=first_text(at(body, "sender", "login"), at(body, "sender", "username")),
        title=text(title),
        skip_requested=asks_to_skip(title),
        is_fork=_is_fork(body),
    )


def _release(dialect: Dialect, body: Mapping[str, object]) -> ForgeEvent:
    release = body.get("release")
    action = text(body.get("action"))
    title = at(release, "name")
    return ForgeEvent(
        forge=dialect.forge,
        kind=EventKind.RELEASE,
        name="release",
        action=action,
        starts_build=action in dialect.release_actions and at(release, "draft") is not True,
        repository=_required_repository(body),
        clone_url=url(at(body, "repository", "clone_url"), "repository.clone_url"),
        html_url=url(at(body, "repository", "html_url"), "repository.html_url"),
        tag=required(identity(at(release, "tag_name"), "release.tag_name"), "release.tag_name"),
        author=first_text(at(release, "author", "login"), at(release, "author", "username")),
        sender=first_text(at(body, "sender", "login"), at(body, "sender", "username")),
        title=text(title),
        skip_requested=asks_to_skip(title),
    )


def _other(dialect: Dialect, event_name: str, body: Mapping[str, object]) -> ForgeEvent:
    return ForgeEvent(
        forge=dialect.forge,
        kind=EventKind.PING if event_name == "ping" else EventKind.OTHER,
        name=event_name,
        action=text(body.get("action")),
        repository=_repository(body),
        html_url=url(at(body, "repository", "html_url"), "repository.html_url"),
        sender=first_text(at(body, "sender", "login"), at(body, "sender", "username")),
    )


def _repository(body: Mapping[str, object]) -> str | None:
    return identity(at(body, "repository", "full_name"), "repository.full_name")


def _required_repository(body: Mapping[str, object]) -> str:
    return required(_repository(body), "repository.full_name")


def _branch_and_tag(ref: str) -> tuple[str | None, str | None]:
    if ref.startswith("refs/heads/"):
        return required(ref.removeprefix("refs/heads/") or None, "ref"), None
    if ref.startswith("refs/tags/"):
        return None, required(ref.removeprefix("refs/tags/") or None, "ref")
    return None, None


def _branch_name(ref: str | None) -> str | None:
    """Pull requests name branches bare; Gitea gives `refs/pull/1/head` once the branch is gone, which is no branch."""
    if ref is None:
        return None
    return None if ref.startswith("refs/pull/") else ref.removeprefix("refs/heads/") or None


def _pusher(body: Mapping[str, object]) -> tuple[object, ...]:
    return tuple(at(body, "pusher", key) for key in ("login", "username", "name"))


def _is_fork(body: Mapping[str, object]) -> bool:
    """Compare the source's repository with the one that the delivery is about; what cannot be told counts as a fork.

    `head.repo` is null when the fork was deleted, and old versions of Gitea send only `repo_id`.
    """
    head = at(body, "pull_request", "head")
    ours = number(at(body, "repository", "id"))
    theirs = number(at(head, "repo", "id")) or number(at(head, "repo_id"))
    if ours is not None and theirs is not None:
        return ours != theirs
    name = at(head, "repo", "full_name")
    return not is_text(name) or name != at(body, "repository", "full_name")
