"""The one form that every forge's delivery is turned into."""

import re
from enum import StrEnum

import msgspec

_SKIP_MARK = re.compile(r"\[[ \t]*(?:skip[ \t]+ci|ci[ \t]+skip)[ \t]*\]", re.IGNORECASE)


class EventKind(StrEnum):
    PUSH = "push"
    """Commits arrived on a branch, or the branch was made or deleted."""
    TAG = "tag"
    """A tag was made, moved or deleted."""
    PULL_REQUEST = "pull_request"
    """Something happened to a pull request (GitLab: merge request)."""
    RELEASE = "release"
    """Something happened to a release."""
    WORKFLOW = "workflow"
    """A workflow run of GitHub Actions, or one of its jobs, moved on."""
    MANUAL = "manual"
    """A person asked for a run; no forge sends this."""
    PING = "ping"
    """The forge tries the address out."""
    OTHER = "other"
    """Anything else; never starts a build."""


class ForgeEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What a delivery says, in the same words for every forge. Holds no secret and no header.

    Names (repository, branch, tag, URLs) and shas are taken as they are or refused; texts (author, sender, message,
    title) are cut, and what a database cannot store in them (NUL, lone surrogates) is replaced by U+FFFD.
    """

    forge: str
    """`gitea`, `forgejo`, `github` or `gitlab`, as in the address."""
    kind: EventKind
    name: str
    """The event in the forge's own word: `push`, `Tag Push Hook`, `issues`."""
    action: str | None = None
    """What happened to the pull request or release, in the forge's own word: `synchronize`, `closed`."""
    starts_build: bool = False
    """This kind and action is one that brings something to build. Each forge words that differently, so its parser
    decides; whether it is built here is verdict.judge's question."""

    repository: str | None = None
    """Full name, `owner/name` (GitLab: with all groups). None in pings and others that concern no repository; never
    None when starts_build."""
    clone_url: str | None = None
    """HTTP clone address as the forge names it, None when it names none."""
    html_url: str | None = None
    """The repository's page."""

    branch: str | None = None
    """Where the commit stands, without `refs/heads/`: the pushed branch, a pull request's source branch. None for tags
    and releases."""
    target_branch: str | None = None
    """Pull requests only: where it would be merged."""
    tag: str | None = None
    """Without `refs/tags/`; tags and releases only."""
    sha: str | None = None
    """What to build, 40 (SHA-256 repositories: 64) lower-case hex digits. Where a forge names only an annotated tag's
    own object, that (git resolves both). None for deletions, and for releases that name only their tag."""
    before: str | None = None
    """What the ref pointed to before; None when it is new or the forge does not say."""
    number: int | None = None
    """Pull requests only: the number in the forge's own address."""

    run_id: int | None = None
    """Workflows only: GitHub's number of the run; never None there."""

    author: str | None = None
    """Who wrote the commit: user name where the forge knows it, else the name in the commit."""
    sender: str | None = None
    """User name of who pushed, opened or published."""
    message: str | None = None
    """The head commit's message, at most MESSAGE_MAX_CHARS."""
    title: str | None = None
    """Of the pull request, release or workflow run; of a workflow's job its name."""
    skip_requested: bool = False
    """The head commit's message or the title asks for no build; looked for in the whole text, not in the cut one."""
    changed_files: tuple[str, ...] | None = None
    """Paths added, removed or modified between before and sha, sorted. None means unknown, and an unknown list matches
    every path filter: new or moved refs, a list of commits that the forge cut short, pull requests, tags."""

    is_fork: bool = False
    """Pull requests only: its commits are in another repository, or may be (a deleted source counts as one)."""
    deleted: bool = False
    """The branch or tag is gone."""


def asks_to_skip(*texts: object) -> bool:
    """Tell whether one of the texts holds `[skip ci]` or `[ci skip]`, in any case, with any spaces between."""
    return any(isinstance(text, str) and _SKIP_MARK.search(text) is not None for text in texts)
