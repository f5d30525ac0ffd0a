"""The errors that cross a module's border; the type says what happens next.

    SlipwayError
    ├── RequestError            answered to a client as it stands: status, code, message, details
    │   ├── BadRequest              400  the request cannot be read
    │   ├── Unauthenticated         401  no or no valid credentials
    │   ├── Forbidden               403  known caller, missing right
    │   ├── NotFound                404  no such thing, or somebody else's
    │   ├── Conflict                409  the thing's state does not allow it
    │   ├── PreconditionFailed      412  the thing is no longer what the client has seen
    │   ├── TooLarge                413  over a size limit
    │   ├── UnsupportedMediaType    415  a content type that is not read here
    │   ├── Invalid                 422  readable, but a value is wrong
    │   ├── TooManyRequests         429  a rate limit
    │   ├── NotImplementedHere      501  documented elsewhere, deliberately not offered
    │   └── Unavailable             503  something we need is down
    ├── JobError                raised by a job's handler
    │   ├── RetryableJobError       run again after a back-off, within the kind's budget
    │   └── PermanentJobError       the job ends as failed, with this code and hint
    ├── LeaseLost               this process no longer owns the job: stop, write nothing
    └── SettingsError           the process must not start; one line per problem

Codes are stable upper-snake words that clients may branch on; messages are for people and may change.
"""

from typing import Any, ClassVar


class SlipwayError(Exception):
    """Base of every error that Slipway raises on purpose."""


class RequestError(SlipwayError):
    """An answer to the client: HTTP status, stable code, message for a person, optional details."""

    status: ClassVar[int] = 400
    default_code: ClassVar[str] = "BAD_REQUEST"

    def __init__(
        self, message: str, *, code: str | None = None, details: Any = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.details = details
        self.headers = headers or {}


class BadRequest(RequestError):
    status = 400
    default_code = "BAD_REQUEST"


class Unauthenticated(RequestError):
    status = 401
    default_code = "UNAUTHENTICATED"


class Forbidden(RequestError):
    status = 403
    default_code = "FORBIDDEN"


class NotFound(RequestError):
    status = 404
    default_code = "NOT_FOUND"


class Conflict(RequestError):
    status = 409
    default_code = "CONFLICT"


class PreconditionFailed(RequestError):
    status = 412
    default_code = "PRECONDITION_FAILED"


class TooLarge(RequestError):
    status = 413
    default_code = "BODY_TOO_LARGE"


class UnsupportedMediaType(RequestError):
    status = 415
    default_code = "UNSUPPORTED_MEDIA_TYPE"


class Invalid(RequestError):
    status = 422
    default_code = "VALIDATION_ERROR"


class TooManyRequests(RequestError):
    status = 429
    default_code = "RATE_LIMITED"


class NotImplementedHere(RequestError):
    status = 501
    default_code = "NOT_IMPLEMENTED"


class Unavailable(RequestError):
    status = 503
    default_code = "UNAVAILABLE"


class JobError(SlipwayError):
    """What a handler raises to say how its job goes on: a stable code and a message fit for the job's log."""

    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, code: str, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.exit_code = exit_code


class RetryableJobError(JobError):
    """Something passing: the runtime tries again inside the kind's retry budget.

    `after_s` is the least wait when the other side named one (a rate limit's reset); None lets the back-off decide.
    """

    retryable = True

    def __init__(self, message: str, *, code: str, after_s: float | None = None, exit_code: int | None = None) -> None:
        super().__init__(message, code=code, exit_code=exit_code)
        self.after_s = after_s


class PermanentJobError(JobError):
    """Trying again cannot help: the job ends as failed with this code."""


class LeaseLost(SlipwayError):
    """The job belongs to another claim now (lease lapsed, job ended): nothing may be written or done any more."""


class SettingsError(SlipwayError):
    """The configuration is wrong; `problems` holds one line per wrong value, fit to print."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
