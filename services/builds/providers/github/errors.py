"""What GitHub makes of a request; the type says how the job goes on.

GitHubError
├── Waits                 not now: come again in `after_s`, and say what is waited for
│   ├── RateLimited           a primary or secondary rate limit; nothing was done
│   └── Unreachable           no answer, or one of a broken server; `sent` tells whether it may have acted
├── Renamed               the repository has another name now; ask again under it
└── Refused               asking again cannot help: code and hint for a person
    └── Missing               there is no such thing, or this account may not see it
"""

from datetime import datetime


class GitHubError(Exception):
    """Base of what this package raises."""


class Waits(GitHubError):
    """Not now. `what` completes the sentence "waits for ..."."""

    def __init__(self, what: str, after_s: float) -> None:
        super().__init__(what)
        self.what = what
        self.after_s = after_s


class RateLimited(Waits):
    """GitHub counts too many requests of this account until a moment that it named."""

    def __init__(self, until: datetime, after_s: float) -> None:
        super().__init__(f"GitHub's rate limit until {until:%H:%M:%S} UTC", after_s)
        self.until = until


class Unreachable(Waits):
    """No answer, or a 5xx. `sent` False: the request certainly did not reach GitHub."""

    def __init__(self, why: str, after_s: float, *, sent: bool) -> None:
        super().__init__(f"GitHub to answer again ({why})", after_s)
        self.sent = sent


class Renamed(GitHubError):
    """The repository moved; `full_name` is what it is called now."""

    def __init__(self, full_name: str) -> None:
        super().__init__(f"The repository is called {full_name} now")
        self.full_name = full_name


class Refused(GitHubError):
    """A refusal that stays one. `said` is GitHub's own message, `status` the HTTP status (0: there was none)."""

    def __init__(self, code: str, message: str, *, status: int = 0, said: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.said = said


class Missing(Refused):
    """404 or 410."""
