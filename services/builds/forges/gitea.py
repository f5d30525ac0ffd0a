"""The payloads of Gitea and of Forgejo, its fork, whose webhooks are the same.

Sources: Gitea modules/structs/hook.go, services/webhook/notifier.go; forgejo.org "Webhooks". Both have no ping (their
test button sends a push of the default branch's head) and announce a new branch or tag twice: `create` and `push`.
"""

from collections.abc import Mapping

from services.builds.forges.commits import changed_files
from services.builds.forges.dialect import Dialect
from services.builds.forges.dialect import parse as parse_dialect
from services.builds.forges.event import ForgeEvent
from services.builds.forges.fields import items, number


def _changed_files(body: Mapping[str, object]) -> tuple[str, ...] | None:
    """Both list only the newest commits (ui.FEED_MAX_COMMIT_NUM, 5 by default); `total_commits` tells how many it were.

    Without it (Gitea before 1.16) the list is not to be trusted. A forced push is not marked as such: its list holds
    the new commits, so files that only its thrown-away commits touched are missing.
    """
    commits = items(body.get("commits"))
    if not commits or number(body.get("total_commits")) != len(commits):
        return None
    return changed_files(commits)


def _dialect(forge: str) -> Dialect:
    return Dialect(
        forge=forge,
        pull_request_actions=frozenset({"opened", "synchronized", "reopened"}),
        release_actions=frozenset({"published"}),
        changed_files=_changed_files,
    )


_GITEA, _FORGEJO = _dialect("gitea"), _dialect("forgejo")


def parse_gitea(event_name: str, body: Mapping[str, object]) -> ForgeEvent:
    """Turn a decoded body into an event; `event_name` is X-Gitea-Event. Raises BadPayload."""
    return parse_dialect(_GITEA, event_name, body)


def parse_forgejo(event_name: str, body: Mapping[str, object]) -> ForgeEvent:
    """Turn a decoded body into an event; `event_name` is X-Forgejo-Event. Raises BadPayload."""
    return parse_dialect(_FORGEJO, event_name, body)
