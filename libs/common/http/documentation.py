"""How a route describes itself to the OpenAPI document.

    @get("/jobs/{job_id:str}", **documented("Read a job", example=EXAMPLE, errors={404: "No such job"}))

What the frame answers by itself (401, 403, 413, 415, 422, ...) is added to every route by the gateway's openapi.py.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from litestar.openapi.datastructures import ResponseSpec

from libs.common.http.errors import ErrorEnvelope


def documented(
    summary: str,
    *,
    example: Any = None,
    body_example: Any = None,
    errors: Mapping[int, str] | None = None,
    answers: Mapping[int, tuple[type | None, str]] | None = None,
    raw_body: Mapping[str, Mapping[str, Any]] | None = None,
    further_media: Sequence[str] = (),
    opt: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Make the keyword arguments of a route decorator.

    `summary` is an imperative phrase. `example` is the body of a success, `body_example` that of a request, both as
    plain JSON values. `errors` has the statuses that the route answers itself, with the reason in a few words;
    `answers` those whose body is another one: its type (None: no body) and the reason. `raw_body` describes a body that
    the handler reads by itself: content type -> OpenAPI media type object (`schema`, `example`). `further_media`
    are content types in which a success may come besides the route's own. `opt` holds further options of the route
    (guards.OPEN, requests.ANY_CONTENT_TYPE).
    """
    bodies: dict[int, tuple[type | None, str]] = dict(answers or {})
    bodies |= {status: (ErrorEnvelope, reason) for status, reason in (errors or {}).items()}
    return {
        "summary": summary,
        "responses": {status: _response(kind, reason) for status, (kind, reason) in bodies.items()},
        "opt": {
            **(opt or {}),
            "example": example,
            "body_example": body_example,
            "raw_body": raw_body,
            "further_media": further_media,
        },
    }


def _response(kind: type | None, reason: str) -> ResponseSpec:
    return ResponseSpec(data_container=kind, description=reason, generate_examples=False)
