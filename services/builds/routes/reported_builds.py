"""HTTP in: builds that pipelines make and report on, by Build State's documented paths."""

from typing import Any, Final

from litestar import Response, Router, get, post
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from libs.common.http.documentation import documented
from libs.common.http.etags import POLLED
from libs.common.http.guards import Acting, Caller, requires
from libs.common.http.idempotency import IDEMPOTENT
from libs.common.http.paging import DEFAULT_SIZE, Limit, Offset, Window
from services.builds.routes.artifacts import artifact_view
from services.builds.schemas.reports import (
    FAILURE_PAGE_EXAMPLE,
    NEW_BUILD_EXAMPLE,
    NEW_FAILURE_EXAMPLE,
    REPORTED_EXAMPLE,
    RESUME_EXAMPLE,
    UID_EXAMPLE,
    CreatedBuild,
    CurrentState,
    FailurePage,
    FailureTaken,
    FailureView,
    NewBuild,
    NewFailure,
    NewState,
    ReportedBuild,
    ResetDone,
    ResumableState,
    ResumeContext,
    StateTaken,
)
from services.builds.service.reports import Reports, ResumeFacts
from services.builds.service.state_posts import StatePost, StatePosts
from services.builds.stages import auto_retries, stage_of

PATH: Final = "/builds"
NO_SUCH_BUILD: Final = "There is no such build, or it is somebody else's (BUILD_NOT_FOUND)"
SHARED_BUILD: Final = (
    "The scope is missing, or the build is shared, which keys of nobody and superusers change (SUPERUSER_NEEDED)"
)
CHANGE_ERRORS: Final = {403: SHARED_BUILD, 404: NO_SUCH_BUILD}
_ENDED: Final = "The build is complete (BUILD_COMPLETED) or was cancelled (BUILD_CANCELLED)"


def router(reports: Reports, states: StatePosts) -> Router:
    """The routes of reported builds. `ref` is a build's id (its uid), else the caller's own build_id, else a shared
    one.
    """
    handlers = [_create(reports), *_changes(reports, states), *_reads(reports)]
    return Router("/", route_handlers=handlers, tags=["Reported builds"])


def _create(reports: Reports) -> Any:
    @post(
        PATH,
        status_code=HTTP_201_CREATED,
        guards=[requires("builds:write")],
        **documented(
            "Make a build to report on",
            example={"id": UID_EXAMPLE, "build_id": NEW_BUILD_EXAMPLE["build_id"], "status": "created"},
            body_example=NEW_BUILD_EXAMPLE,
            answers={200: (CreatedBuild, "There is a build of this build_id with this content: this one")},
            errors={409: "The caller has a build of this build_id with another content (BUILD_EXISTS)"},
            opt=IDEMPOTENT,
        ),
    )
    async def create_build(principal: Caller, actor: Acting, data: JSONBody[NewBuild]) -> Response[CreatedBuild]:
        """It belongs to the caller; a static key's is shared. Platform, OS version and image type need no
        registration.
        """
        row, is_new = await reports.create(principal, actor, data)
        return Response(
            CreatedBuild(row.uid, row.build_id, "created" if is_new else "exists"),
            status_code=HTTP_201_CREATED if is_new else HTTP_200_OK,
            headers={"Location": f"{PATH}/{row.uid}"},
        )

    return create_build


def _changes(reports: Reports, states: StatePosts) -> list[Any]:
    @post(
        f"{PATH}/{{ref:str}}/state",
        status_code=HTTP_200_OK,
        guards=[requires("builds:write")],
        **documented(
            "Report the state that a build has reached",
            example={"status": "updated", "build_id": UID_EXAMPLE, "new_state": 25},
            body_example={"state_code": 25, "message": "Hardening"},
            errors={
                **CHANGE_ERRORS,
                400: "The state code is no multiple of five (INVALID_STATE_CODE), or the body is no JSON",
                409: f"The build failed and was not reset (BUILD_FAILED). {_ENDED}",
            },
        ),
    )
    async def post_state(principal: Caller, ref: FromPath[str], data: JSONBody[NewState]) -> StateTaken:
        """0 to 100 in steps of five, in any order; 100 completes a build that nothing but its pipeline runs. Saying the
        same once more changes nothing.
        """
        build = await states.take(StatePost(principal, ref, data.state_code, data.message))
        return StateTaken("updated", build.uid, data.state_code)

    @post(
        f"{PATH}/{{ref:str}}/failure",
        status_code=HTTP_200_OK,
        guards=[requires("builds:write")],
        **documented(
            "Report that a build failed in the state where it is",
            example={"status": "recorded", "build_id": UID_EXAMPLE},
            body_example=NEW_FAILURE_EXAMPLE,
            errors={
                **CHANGE_ERRORS,
                409: f"{_ENDED}, or it stands failed for as many reasons as it may (TOO_MANY_FAILURES)",
            },
        ),
    )
    async def post_failure(
        principal: Caller, actor: Acting, ref: FromPath[str], data: JSONBody[NewFailure]
    ) -> FailureTaken:
        """It takes no states from then on, until it is reset."""
        row = await reports.fail(principal, actor, ref, data)
        return FailureTaken("recorded", row.uid)

    @post(
        f"{PATH}/{{ref:str}}/reset",
        status_code=HTTP_200_OK,
        guards=[requires("builds:write")],
        **documented(
            "Let a failed build go on in the state where it failed",
            example={"status": "reset", "build_id": UID_EXAMPLE, "state_code": 25},
            errors={
                **CHANGE_ERRORS,
                409: "The build does not stand failed (BUILD_NOT_FAILED), or its job is to be retried instead "
                "(BUILD_ENDED_WITH_JOB)",
            },
        ),
    )
    async def reset_build(principal: Caller, actor: Acting, ref: FromPath[str]) -> ResetDone:
        """Its failures are retired and stay in its history."""
        row = await reports.reset(principal, actor, ref)
        return ResetDone("reset", row.uid, row.state_code)

    return [post_state, post_failure, reset_build]


def _reads(reports: Reports) -> list[Any]:
    @get(
        f"{PATH}/{{ref:str}}",
        guards=[requires("builds:read")],
        **documented(
            "Read a build as its pipeline sees it",
            example=REPORTED_EXAMPLE,
            errors={404: NO_SUCH_BUILD},
            opt=POLLED,
        ),
    )
    async def read_reported_build(principal: Caller, ref: FromPath[str]) -> ReportedBuild:
        return _view(await reports.get(principal, ref))

    @get(
        f"{PATH}/{{ref:str}}/state",
        guards=[requires("builds:read")],
        **documented(
            "Read where a build stands and what was said last",
            example={
                "build_id": UID_EXAMPLE,
                "current_state": 25,
                "message": "Hardening",
                "transitioned_at": "2026-11-20T18:07:12Z",
            },
            errors={404: NO_SUCH_BUILD},
            opt=POLLED,
        ),
    )
    async def read_state(principal: Caller, ref: FromPath[str]) -> CurrentState:
        build, newest = await reports.newest_state(principal, ref)
        return CurrentState(build.uid, build.state_code, newest.message, newest.created_at)

    @get(
        f"{PATH}/{{ref:str}}/failures",
        guards=[requires("builds:read")],
        **documented(
            "List a build's failures, newest first, retired ones too",
            example=FAILURE_PAGE_EXAMPLE,
            errors={404: NO_SUCH_BUILD},
        ),
    )
    async def list_failures(
        principal: Caller, ref: FromPath[str], limit: Limit = DEFAULT_SIZE, offset: Offset = 0
    ) -> FailurePage:
        rows, total = await reports.failures(principal, ref, limit=limit, offset=offset)
        items = [FailureView(**{name: getattr(row, name) for name in FailureView.__struct_fields__}) for row in rows]
        return FailurePage(items, total, limit, offset, Window(limit, offset).next_offset(total))

    @get(
        f"{PATH}/{{ref:str}}/resume-context",
        guards=[requires("builds:read")],
        **documented(
            "Read from where a build goes on, and with what",
            example=RESUME_EXAMPLE,
            errors={404: NO_SUCH_BUILD},
        ),
    )
    async def read_resume_context(principal: Caller, ref: FromPath[str]) -> ResumeContext:
        """A retry enters the failed state again. Values of sensitive variables are masked."""
        return _context(await reports.resume_facts(principal, ref))

    return [read_reported_build, read_state, list_failures, read_resume_context]


def _view(row: Any) -> ReportedBuild:
    return ReportedBuild(
        id=row.uid,
        build_id=row.build_id,
        platform=row.platform,
        os_version=row.os_version,
        image_type=row.image_type,
        pipeline_url=row.pipeline_url,
        commit_hash=row.commit_sha,
        executor=row.executor,
        status=row.status,
        current_state=row.state_code,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _context(facts: ResumeFacts) -> ResumeContext:
    code = facts.point.resume_from
    stage = None if code is None else ResumableState(code, stage_of(code), auto_retries(code), facts.failures)
    return ResumeContext(
        current_state=facts.state_code,
        last_successful_state=facts.point.last_successful,
        failed_state=facts.point.failed,
        resume_from_state=code,
        artifacts=[artifact_view(row) for row in facts.artifacts],
        variables=facts.variables,
        resumable_state_config=stage,
    )
