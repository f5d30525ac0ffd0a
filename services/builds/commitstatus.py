"""What a forge is told of a build of one of its commits."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

DESCRIPTION_MAX_CHARS: Final = 140
"""GitHub refuses longer ones; the page that is linked to says the rest."""


class State(StrEnum):
    """The words that GitHub, Gitea and Forgejo share."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    """The build failed."""
    ERROR = "error"
    """It was cancelled, which says nothing about the commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitStatus:
    """One status of one commit. `forge` and `repository` (owner/name) say where.

    `api` is the base address of the forge's API; None: GITHUB_API_URL. `token` None: the operator's own, of GitHub.
    `context` names what the status is about: a later one of the same context takes its place. `target_url` None: no
    link.
    """

    forge: str
    repository: str
    sha: str
    api: str | None
    token: str | None
    state: State
    context: str
    description: str
    target_url: str | None
