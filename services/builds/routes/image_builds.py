"""HTTP in: image builds in the paths and names that Exousia documented."""

from typing import Annotated, Any, Final

from litestar import Response, Router, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED

from libs.common.http.documentation import documented
from libs.common.http.etags import POLLED
from libs.common.http.guards import Acting, Caller, requires
from libs.common.http.idempotency import IDEMPOTENT
from libs.common.http.paging import DEFAULT_SIZE, Page, PageSize, Window
from libs.common.http.requests import AnyRequest
from libs.common.http.waiting import WAITS, waited
from services.builds.routes.builds import NO_SUCH_BUILD, ConfigId
from services.builds.routes.builds import PATH as BUILDS
from services.builds.schemas.builds import StatusName
from services.builds.schemas.image_builds import (
    IMAGE_BUILD_EXAMPLE,
    IMAGE_BUILD_PAGE_EXAMPLE,
    IMAGE_BUILD_STATUS_EXAMPLE,
    NEW_IMAGE_BUILD_EXAMPLE,
    RERUN_EXAMPLE,
    ImageBuild,
    ImageBuildPage,
    ImageBuildStatus,
    NewImageBuild,
    Rerun,
)
from services.builds.service.catalogue import BuildFilter, Catalogue
from services.builds.service.triggers import ImageBuilds
from services.builds.states import ENDED, BuildStatus

PATH: Final = "/api/build"
# A worker hears of a cancel within a second, and GitHub stops a run within some more. Documented clients read
# "cancelled" in the answer; whoever wants to wait longer, or not at all, says so with Prefer.
_CANCEL_WAIT_S: Final = 5

_TRIGGER_ERRORS: Final = {
    400: "Nothing says what to build, or the recipe or definition cannot be used "
    "(NOTHING_TO_BUILD, NO_DEFINITION_FITS, INVALID_RECIPE, INVALID_FILENAME, INPUTS_TOO_LARGE)",
    404: "There is no such configuration or definition (CONFIGURATION_NOT_FOUND, DEFINITION_NOT_FOUND)",
    503: "GitHub is not configured, or something that Slipway needs does not answer (GITHUB_NOT_CONFIGURED)",
}
_CANCEL_ERRORS: Final = {
    400: "The build has ended (BUILD_ENDED)",
    403: "The scope is missing, or the build is shared and only its pipeline reports it (SUPERUSER_NEEDED)",
    404: NO_SUCH_BUILD,
}
_RERUN_ERRORS: Final = {
    404: NO_SUCH_BUILD,
    409: "The build has not ended, or cannot be run again (BUILD_NOT_ENDED, JOB_NOT_ENDED, NOT_RERUNNABLE)",
}


def router(builds: ImageBuilds, catalogue: Catalogue) -> Router:
    """The routes under /api/build."""

    @post(
        f"{PATH}/trigger",
        status_code=HTTP_202_ACCEPTED,
        guards=[requires("builds:write")],
        **documented(
            "Build an image on GitHub Actions",
            example=IMAGE_BUILD_EXAMPLE,
            body_example=NEW_IMAGE_BUILD_EXAMPLE,
            errors=_TRIGGER_ERRORS,
            opt={**IDEMPOTENT, **WAITS},
        ),
    )
    async def trigger_build(
        request: AnyRequest, principal: Caller, actor: Acting, data: JSONBody[NewImageBuild]
    ) -> Response[ImageBuild]:
        """Accepted means that it will run: without a token for GitHub it is refused, and no build waits for one."""
        made, job = await builds.trigger(principal, actor, data)
        _, applied = await waited(request, job)
        if applied:
            made = await catalogue.numbered(principal, made.row.id)
        headers = {"Location": f"{BUILDS}/{made.row.uid}", **applied}
        return Response(_build(made.row), status_code=HTTP_202_ACCEPTED, headers=headers)

    @get(
        PATH,
        guards=[requires("builds:read")],
        **documented(
            "List one's own and shared image builds, newest first", example=IMAGE_BUILD_PAGE_EXAMPLE, opt=POLLED
        ),
    )
    async def list_image_builds(
        principal: Caller,
        page: Page = 1,
        page_size: PageSize = DEFAULT_SIZE,
        status: Annotated[StatusName | None, QueryParameter(description="How they stand")] = None,
        config_id: ConfigId = None,
    ) -> ImageBuildPage:
        """Builds that make no image are in /api/v1/builds only."""
        wanted = BuildFilter(status=status, config_id=config_id, images=True)
        window = Window.of_page(page, page_size)
        found, total = await catalogue.find(principal, wanted, limit=window.limit, offset=window.offset)
        return ImageBuildPage([_build(one.row) for one in found], total, page, page_size)

    @get(
        f"{PATH}/{{number:int}}/status",
        guards=[requires("builds:read")],
        **documented(
            "Read a build and its workflow run",
            example=IMAGE_BUILD_STATUS_EXAMPLE,
            errors={404: NO_SUCH_BUILD},
            opt=POLLED,
        ),
    )
    async def read_status(principal: Caller, number: FromPath[int]) -> ImageBuildStatus:
        """What the worker that follows the run has learned by now; nobody is asked for this answer."""
        return _status((await catalogue.numbered(principal, number)).row)

    @post(
        f"{PATH}/{{number:int}}/cancel",
        status_code=HTTP_200_OK,
        guards=[requires("builds:write")],
        **documented(
            "Cancel a build and its workflow run",
            example={**IMAGE_BUILD_EXAMPLE, "status": "cancelled"},
            errors=_CANCEL_ERRORS,
            opt=WAITS,
        ),
    )
    async def cancel_build(
        request: AnyRequest, principal: Caller, actor: Acting, number: FromPath[int]
    ) -> Response[ImageBuild]:
        """The answer waits some seconds for the run to stop. A build that is still in progress then is about to end."""
        job = await builds.cancel(principal, actor, number)
        applied: dict[str, str] = {}
        if job is not None:
            _, applied = await waited(request, job, unasked_s=_CANCEL_WAIT_S)
        return Response(_build((await catalogue.numbered(principal, number)).row), headers=applied)

    @post(
        f"{PATH}/{{number:int}}/rerun",
        status_code=HTTP_202_ACCEPTED,
        guards=[requires("builds:write")],
        **documented(
            "Run an ended build again, all of it or its failed jobs",
            example=IMAGE_BUILD_EXAMPLE,
            body_example=RERUN_EXAMPLE,
            errors=_RERUN_ERRORS,
            opt={**IDEMPOTENT, **WAITS},
        ),
    )
    async def rerun_build(
        request: AnyRequest, principal: Caller, actor: Acting, number: FromPath[int], data: JSONBody[Rerun]
    ) -> Response[ImageBuild]:
        job = await builds.rerun(principal, actor, number, failed_only=data.failed_only)
        _, applied = await waited(request, job)
        row = (await catalogue.numbered(principal, number)).row
        headers = {"Location": f"{BUILDS}/{row.uid}", **applied}
        return Response(_build(row), status_code=HTTP_202_ACCEPTED, headers=headers)

    handlers = [trigger_build, list_image_builds, read_status, cancel_build, rerun_build]
    return Router("/", route_handlers=handlers, tags=["Images"])


def _build(row: Any) -> ImageBuild:
    """A build in Exousia's names."""
    return ImageBuild(
        id=row.id,
        uid=row.uid,
        config_id=row.config_id,
        workflow_run_id=row.run_id,
        status=row.status,
        image_type=row.image_type,
        fedora_version=row.os_version,
        ref=row.ref,
        job_id=row.job_id,
        started_at=row.started_at,
        completed_at=row.finished_at,
        created_at=row.created_at,
    )


def _status(row: Any) -> ImageBuildStatus:
    return ImageBuildStatus(
        build=_build(row),
        workflow_status=None if row.run_id is None else _run_status(BuildStatus(row.status)),
        workflow_url=row.run_url,
        conclusion=row.conclusion,
        logs_url=None if row.run_url is None else f"{row.run_url}/checks",
    )


def _run_status(status: BuildStatus) -> str:
    """A run's status in GitHub's words, as it follows from the build's."""
    if status in ENDED:
        return "completed"
    return "in_progress" if status is BuildStatus.IN_PROGRESS else "queued"
