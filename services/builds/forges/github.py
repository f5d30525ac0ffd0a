"""GitHub's payloads, github.com and Enterprise Server.

Source: docs.github.com "Webhook events and payloads"; recorded examples are in tests/data/webhooks.
"""

from collections.abc import Mapping

from services.builds.forges import workflows
from services.builds.forges.commits import changed_files
from services.builds.forges.dialect import Dialect
from services.builds.forges.dialect import parse as parse_dialect
from services.builds.forges.event import ForgeEvent
from services.builds.forges.fields import items

COMMITS_MAX = 2048  # a push lists at most this many commits and does not say that it left some out
FILES_PER_COMMIT_MAX = 3000  # the same for the files of one commit


def _changed_files(body: Mapping[str, object]) -> tuple[str, ...] | None:
    """Unknown for a forced push too: the files of the commits that it threw away are not listed."""
    commits = items(body.get("commits"))
    if not commits or len(commits) >= COMMITS_MAX or body.get("forced") is not False:
        return None
    return changed_files(commits, per_commit_max=FILES_PER_COMMIT_MAX)


_GITHUB = Dialect(
    forge="github",
    pull_request_actions=frozenset({"opened", "synchronize", "reopened"}),
    # A release sends created, published and released at once; a pre-release only the first two.
    release_actions=frozenset({"released"}),
    changed_files=_changed_files,
)


def parse(event_name: str, body: Mapping[str, object]) -> ForgeEvent:
    """Turn a decoded body into an event; `event_name` is X-GitHub-Event. Raises BadPayload."""
    if event_name in workflows.EVENTS:
        return workflows.parse(event_name, body)
    return parse_dialect(_GITHUB, event_name, body)
