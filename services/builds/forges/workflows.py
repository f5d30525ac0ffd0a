"""GitHub's news of workflow runs: `workflow_run` and `workflow_job`, which say that a run or one of its jobs moved on.

Source: docs.github.com "Webhook events and payloads"; recorded examples are in tests/data/webhooks. They start no
build: whoever waits for the run reads from GitHub how it stands.
"""

from collections.abc import Mapping
from typing import Final

from services.builds.forges.errors import BadPayload
from services.builds.forges.event import EventKind, ForgeEvent
from services.builds.forges.fields import at, first_text, identity, number, required, sha, text, url

_RUN_ID: Final = {"workflow_run": "id", "workflow_job": "run_id"}
"""Each event with the field of its main object that holds the run's number."""

EVENTS: Final = frozenset(_RUN_ID)


def parse(event_name: str, body: Mapping[str, object]) -> ForgeEvent:
    """Turn a decoded body into an event with its `run_id`; BadPayload when repository or run are missing."""
    about, field = body.get(event_name), _RUN_ID[event_name]
    run_id = number(at(about, field))
    if run_id is None:
        raise BadPayload(f"The payload's {event_name}.{field}: a number was expected", code="INVALID_PAYLOAD")
    repository = identity(at(body, "repository", "full_name"), "repository.full_name")
    return ForgeEvent(
        forge="github",
        kind=EventKind.WORKFLOW,
        name=event_name,
        action=text(body.get("action")),
        repository=required(repository, "repository.full_name"),
        html_url=url(at(body, "repository", "html_url"), "repository.html_url"),
        branch=identity(at(about, "head_branch"), f"{event_name}.head_branch"),
        sha=sha(at(about, "head_sha"), f"{event_name}.head_sha"),
        run_id=run_id,
        sender=first_text(at(body, "sender", "login")),
        title=first_text(at(about, "display_title"), at(about, "name")),
    )
