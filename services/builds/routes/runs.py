"""HTTP in: pipeline runs that a person or a script asks for."""

from typing import Final

from litestar import Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from litestar.status_codes import HTTP_202_ACCEPTED

from libs.common.http.documentation import documented
from libs.common.http.guards import Acting, Caller, requires
from libs.common.http.idempotency import IDEMPOTENT
from libs.common.http.requests import AnyRequest
from libs.common.http.waiting import WAITS, waited
from libs.common.jobs.queue import Queue
from libs.common.jobs.view import JobView
from services.builds.schemas.deliveries import RUN_EXAMPLE, RUN_JOB_EXAMPLE, NewRun
from services.builds.service.runs import Runs

_ERRORS: Final = {
    403: "The scope is missing, or a superuser has to allow local builds first (LOCAL_NOT_ALLOWED)",
    404: "There is no such repository, or it is somebody else's (REPOSITORY_NOT_FOUND)",
    409: "The repository is switched off, filters this branch out, or its name is not clear "
    "(REPOSITORY_INACTIVE, RUN_FILTERED, AMBIGUOUS_REPOSITORY)",
}


def start(runs: Runs, queue: Queue) -> HTTPRouteHandler:
    """The route that starts runs; jobs are read where all jobs are.

    It shares its path with the list of jobs. The framework merges a handler into the routes of a router that was
    registered before it, and refuses a second router with the same path.
    """

    @post(
        "/jobs",
        status_code=HTTP_202_ACCEPTED,
        tags=["Jobs"],
        guards=[requires("builds:write")],
        **documented(
            "Run a registered repository's pipeline",
            example=RUN_JOB_EXAMPLE,
            body_example=RUN_EXAMPLE,
            errors=_ERRORS,
            opt={**IDEMPOTENT, **WAITS},
        ),
    )
    async def start_run(
        request: AnyRequest, principal: Caller, actor: Acting, data: JSONBody[NewRun]
    ) -> Response[JobView]:
        """Its event is `manual`. A branch or tag is built as it stands when the run begins."""
        job, applied = await waited(request, await runs.start(principal, actor, data.repository, data.ref))
        [job] = await queue.placed([job])
        headers = {"Location": f"/jobs/{job.view.id}", **applied}
        return Response(job.view, status_code=HTTP_202_ACCEPTED, headers=headers)

    return start_run
