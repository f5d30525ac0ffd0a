"""What can be wrong with a delivery's bytes.

    ValueError
    └── BadPayload                  the body (or a header that says what it is) cannot be read: the route answers 400
        └── UnsupportedContentType  neither JSON nor a form: the route answers 415

Nothing else is raised by this package, whatever the input. Codes are stable upper-snake words:

    EMPTY_BODY        no bytes at all
    INVALID_JSON      not JSON text in UTF-8, or a JSON that parsers read differently (duplicate keys, NaN, 1e999)
    INVALID_FORM      a form without exactly one `payload` field
    PAYLOAD_TOO_DEEP  nested deeper than the interpreter's stack
    INVALID_PAYLOAD   JSON, but not what this forge sends for this event
    MISSING_EVENT     no header says which event this is
    UNSUPPORTED_MEDIA_TYPE
"""


class BadPayload(ValueError):
    """A delivery that cannot be read: a stable code, and a message fit for the person who set the webhook up."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class UnsupportedContentType(BadPayload):
    """The body is announced as something that no forge sends."""

    def __init__(self, content_type: str) -> None:
        super().__init__(
            f"Webhooks are read as application/json or application/x-www-form-urlencoded, not as {content_type!r}",
            code="UNSUPPORTED_MEDIA_TYPE",
        )
