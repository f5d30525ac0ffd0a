"""GitLab's payloads: project, group and system hooks.

Source: docs.gitlab.com "Webhook events" and "System hooks".
"""

from collections.abc import Mapping

from services.builds.forges.commits import changed_files, commit_with_id
from services.builds.forges.errors import BadPayload
from services.builds.forges.event import EventKind, ForgeEvent, asks_to_skip
from services.builds.forges.fields import (
    MESSAGE_MAX_CHARS,
    at,
    first_text,
    identity,
    is_text,
    items,
    number,
    required,
    sha,
    text,
    url,
)

_BUILDING_ACTIONS = frozenset({"open", "reopen"})  # and an `update` that moved the source branch


def parse(event_name: str, body: Mapping[str, object]) -> ForgeEvent:
    """Turn a decoded body into an event; `event_name` is X-Gitlab-Event. Raises BadPayload.

    System hooks all come as `System Hook`; what they are then stands in the body's `object_kind`.
    """
    word = event_name if event_name != "System Hook" else text(body.get("object_kind"))
    match word:
        # The ref tells branches from tags: the test button for tags sends a branch's body, and nothing else differs.
        case "Push Hook" | "Tag Push Hook" | "push" | "tag_push":
            return _push(event_name, body)
        case "Merge Request Hook" | "merge_request":
            return _merge_request(event_name, body)
        case "Release Hook" | "release":
            return _release(event_name, body)
        case _:
            return _other(event_name, body)


def _push(event_name: str, body: Mapping[str, object]) -> ForgeEvent:
    ref = required(identity(body.get("ref"), "ref"), "ref")
    if not ref.startswith(("refs/heads/", "refs/tags/")):
        return _other(event_name, body)
    is_tag = ref.startswith("refs/tags/")
    name = required(ref.removeprefix("refs/tags/" if is_tag else "refs/heads/") or None, "ref")
    if not is_text(body.get("after")):
        raise BadPayload("The payload's after: is missing", code="INVALID_PAYLOAD")
    before, after = sha(body.get("before"), "before"), sha(body.get("after"), "after")
    # The `after` of an annotated tag is the tag's own object, `checkout_sha` its commit.
    commit = sha(body.get("checkout_sha"), "checkout_sha") or after
    head = commit_with_id(body.get("commits"), commit)
    message = at(head, "message")
    return ForgeEvent(
        forge="gitlab",
        kind=EventKind.TAG if is_tag else EventKind.PUSH,
        name=event_name,
        starts_build=after is not None,
        repository=_required_repository(body),
        clone_url=_clone_url(body),
        html_url=_html_url(body),
        branch=None if is_tag else name,
        tag=name if is_tag else None,
        sha=None if after is None else commit,
        before=before,
        author=first_text(at(head, "author", "name"), body.get("user_username"), body.get("user_name")),
        sender=first_text(body.get("user_username"), body.get("user_name")),
        message=text(message, MESSAGE_MAX_CHARS),
        skip_requested=asks_to_skip(message),
        changed_files=_changed_files(body) if before and after and not is_tag else None,
        deleted=after is None,
    )


def _merge_request(event_name: str, body: Mapping[str, object]) -> ForgeEvent:
    request = body.get("object_attributes")
    action = text(at(request, "action"))
    moved = action == "update" and is_text(at(request, "oldrev"))
    title, message = at(request, "title"), at(request, "last_commit", "message")
    target = identity(at(request, "target_branch"), "object_attributes.target_branch")
    return ForgeEvent(
        forge="gitlab",
        kind=EventKind.PULL_REQUEST,
        name=event_name,
        action=action,
        starts_build=action in _BUILDING_ACTIONS or moved,
        repository=_required_repository(body),
        clone_url=_clone_url(body),
        html_url=_html_url(body),
        branch=identity(at(request, "source_branch"), "object_attributes.source_branch"),
        target_branch=required(target, "object_attributes.target_branch"),
        sha=required(
            sha(at(request, "last_commit", "id"), "object_attributes.last_commit.id"),
            "object_attributes.last_commit.id",
        ),
        before=sha(at(request, "oldrev"), "object_attributes.oldrev"),
        number=number(at(request, "iid")),
        author=text(at(request, "last_commit", "author", "name")),
        sender=first_text(at(body, "user", "username"), at(body, "user", "name")),
        message=text(message, MESSAGE_MAX_CHARS),
        title=text(title),
        skip_requested=asks_to_skip(title, message),
        is_fork=_is_fork(request),
    )


def _release(event_name: str, body: Mapping[str, object]) -> ForgeEvent:
    action = text(body.get("action"))
    message = at(body, "commit", "message")
    return ForgeEvent(
        forge="gitlab",
        kind=EventKind.RELEASE,
        name=event_name,
        action=action,
        starts_build=action == "create",
        repository=_required_repository(body),
        clone_url=_clone_url(body),
        html_url=_html_url(body),
        tag=required(identity(body.get("tag"), "tag"), "tag"),
        sha=sha(at(body, "commit", "id"), "commit.id"),
        author=text(at(body, "commit", "author", "name")),
        message=text(message, MESSAGE_MAX_CHARS),
        title=text(body.get("name")),
        skip_requested=asks_to_skip(body.get("name"), message),
    )


def _other(event_name: str, body: Mapping[str, object]) -> ForgeEvent:
    return ForgeEvent(
        forge="gitlab",
        kind=EventKind.OTHER,
        name=event_name,
        action=first_text(at(body, "object_attributes", "action"), body.get("event_name")),
        repository=_repository(body),
        html_url=_html_url(body),
        sender=first_text(body.get("user_username"), at(body, "user", "username")),
    )


def _repository(body: Mapping[str, object]) -> str | None:
    return identity(at(body, "project", "path_with_namespace"), "project.path_with_namespace")


def _required_repository(body: Mapping[str, object]) -> str:
    return required(_repository(body), "project.path_with_namespace")


def _clone_url(body: Mapping[str, object]) -> str | None:
    return url(at(body, "project", "git_http_url"), "project.git_http_url")


def _html_url(body: Mapping[str, object]) -> str | None:
    return url(at(body, "project", "web_url"), "project.web_url")


def _changed_files(body: Mapping[str, object]) -> tuple[str, ...] | None:
    """GitLab lists the newest 20 commits; `total_commits_count` tells how many it were."""
    commits = items(body.get("commits"))
    if not commits or number(body.get("total_commits_count")) != len(commits):
        return None
    return changed_files(commits)


def _is_fork(request: object) -> bool:
    """What cannot be told counts as a fork."""
    source, target = number(at(request, "source_project_id")), number(at(request, "target_project_id"))
    return source is None or source != target
