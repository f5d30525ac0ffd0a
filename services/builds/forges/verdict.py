"""Does an event start a build? The gateway's part of the answer: what the delivery and the repository's filters say.

The pipeline file's own `when:` is read by the worker, at the commit.
"""

import hashlib

import msgspec

from services.builds.forges.event import EventKind, ForgeEvent
from services.builds.globs import matches

_WHAT = {
    EventKind.PUSH: "Pushes to branches",
    EventKind.TAG: "Tags",
    EventKind.PULL_REQUEST: "Pull requests",
    EventKind.RELEASE: "Releases",
}


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """A repository's settings for what may start a build."""

    events: tuple[str, ...] = (EventKind.PUSH, EventKind.TAG)
    """Kinds that build: push, tag, pull_request, release. By default those of which every commit and version has just
    one: a pull request of the repository itself comes with the push of its branch, a release with that of its tag."""
    branches: tuple[str, ...] = ()
    """Globs (services.builds.globs) for the pushed branch or, of a pull request, the branch it would be merged into.
    Empty means all. Tags and releases have no branch and pass."""


class Build(msgspec.Struct, frozen=True):
    """Build event.sha (or event.tag where the forge gave no sha) of event.repository."""


class Ignore(msgspec.Struct, frozen=True):
    """Answer 200 and start nothing."""

    code: str
    """PING, REF_DELETED, ANNOUNCED_TWICE, WORKFLOW_NEWS, EVENT_IGNORED, ACTION_IGNORED, FORK, SKIP_REQUESTED,
    EVENT_FILTERED or BRANCH_FILTERED."""
    message: str
    """For whoever looks at the delivery and wonders."""


def judge(event: ForgeEvent, filters: Filters) -> Build | Ignore:
    """Decide about one event; the first rule that objects is the reason given."""
    return _nothing_to_build(event) or _not_wanted_here(event, filters) or Build()


def fingerprint(event: ForgeEvent, raw: bytes) -> str:
    """Name what a delivery says, apart from its id: SHA-256 in hex of forge, repository, event, sha and body.

    The same fingerprint within ten minutes is the same delivery sent again, perhaps by someone who recorded it: most
    forges sign neither id nor time. Bodies of separate events differ at least in a time stamp.
    """
    parts = (event.forge, event.repository or "", event.name, event.sha or "")
    digest = hashlib.sha256()
    for part in (*(part.encode("utf-8", "surrogatepass") for part in parts), raw):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def _nothing_to_build(event: ForgeEvent) -> Ignore | None:
    if event.kind is EventKind.PING:
        return Ignore("PING", "The webhook works: the address and the secret are right")
    if event.deleted:
        what = f"tag {event.tag}" if event.tag is not None else f"branch {event.branch}"
        return Ignore("REF_DELETED", f"The {what} was deleted: there is nothing to build")
    if event.kind is EventKind.OTHER and event.name == "create":
        return Ignore("ANNOUNCED_TWICE", "A new branch or tag is also announced by a push, which is what is built")
    if event.kind is EventKind.WORKFLOW:
        return Ignore("WORKFLOW_NEWS", "It tells how a workflow run goes, and starts no build")
    if event.kind is EventKind.OTHER:
        return Ignore("EVENT_IGNORED", f"The event {event.name!r} starts no build")
    if not event.starts_build:
        return Ignore("ACTION_IGNORED", f"The action {event.action!r} of {event.name!r} starts no build")
    return None


def _not_wanted_here(event: ForgeEvent, filters: Filters) -> Ignore | None:
    if event.is_fork:
        return Ignore("FORK", "Pull requests from forks are not built: their code would run beside our secrets")
    if event.skip_requested:
        return Ignore("SKIP_REQUESTED", "The commit message or title asks for it: [skip ci]")
    if event.kind not in filters.events:
        return Ignore("EVENT_FILTERED", f"{_WHAT[event.kind]} start no build in this repository's settings")
    branch = event.target_branch or event.branch
    if branch is not None and not matches(filters.branches, branch):
        return Ignore("BRANCH_FILTERED", f"The branch {branch} is filtered out by this repository's settings")
    return None
