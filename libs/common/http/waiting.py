"""`Prefer: wait=N`: a request that starts or changes a job may wait for what becomes of it (RFC 7240, 4.3).

    @post("/jobs", status_code=202, **documented("Start a run", opt=WAITS))
    async def start(request: AnyRequest, ...) -> Response[JobView]:
        job, applied = await waited(request, await service.start(...))
        return Response(shown(job), status_code=202, headers={"Location": ..., **applied})

The work is committed before the wait begins, so nothing depends on the client's patience. The status stays what it is
without a wait: how the job stands says its `status`.
"""

import re
from collections.abc import Iterable
from typing import Any, Final, Protocol

from litestar import Request
from litestar.datastructures import State

from libs.common.jobs.view import LiveJob

# `opt` of a route that understands the preference, for its documentation.
WAITS: Final[dict[str, Any]] = {"waits": True}

# Proxies give up after 60 s of silence; half of that leaves the answer its time.
WAIT_MAX_S: Final = 30
# A token among others, by commas; its value may stand in quotes and be followed by parameters.
_WAIT: Final = re.compile(r'(?:^|,)\s*wait\s*=\s*"?([0-9]{1,9})[0-9]*"?\s*(?=[,;]|$)', re.IGNORECASE)


class AwaitEnd(Protocol):
    """Waits for a job's end; the gateway puts one into `app.state.await_end`."""

    async def __call__(self, job: LiveJob, timeout_s: float) -> LiveJob:
        """Answer the job as it is when it has ended, the time is over, or this process is about to end."""
        ...


async def waited(
    request: Request[Any, Any, State], job: LiveJob, *, unasked_s: int = 0
) -> tuple[LiveJob, dict[str, str]]:
    """Wait as long as the client prefers; the job as it is then, and the headers that say what was applied.

    Without the preference it waits `unasked_s` seconds, and the headers are empty; where nobody can wait, the job comes
    back at once. Call it outside of any transaction, after the commit.
    """
    wait_s = preferred_wait_s(request.headers.getall("prefer", []))
    await_end: AwaitEnd | None = request.app.state.get("await_end")
    if await_end is None or (wait_s is None and not unasked_s):
        return job, {}
    if wait_s is None:
        return await await_end(job, unasked_s), {}
    return await await_end(job, wait_s), {"Preference-Applied": f"wait={wait_s}"}


def preferred_wait_s(prefer: Iterable[str]) -> int | None:
    """Read the wait from the values of `Prefer` headers, at most WAIT_MAX_S; None: there is none that can be read.

    The first counts; a preference that cannot be read is passed over (RFC 7240, 2).
    """
    match = _WAIT.search(",".join(prefer))
    return min(int(match[1]), WAIT_MAX_S) if match else None
