"""HTTP in: builds of every executor, their histories, and the channels that offer their images."""

from typing import Annotated, Any, Final

from litestar import Router, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK

from libs.common.http.documentation import documented
from libs.common.http.etags import POLLED
from libs.common.http.guards import Acting, Caller, requires
from libs.common.http.moments import Since, Until, read_moment
from libs.common.http.paging import DEFAULT_SIZE, Limit, Offset, Window
from libs.common.http.requests import BIGINT_MAX
from services.builds.schemas.builds import (
    BUILD_EXAMPLE,
    BUILD_PAGE_EXAMPLE,
    STATE_PAGE_EXAMPLE,
    BuildError,
    BuildPage,
    BuildRepository,
    BuildView,
    ChannelChoice,
    ExecutorName,
    StatePage,
    StateView,
    StatusName,
)
from services.builds.service.catalogue import BuildFilter, Catalogue, Found
from services.builds.service.promotions import Promotions

PATH: Final = "/api/v1/builds"
NO_SUCH_BUILD: Final = "There is no such build, or it is somebody else's (BUILD_NOT_FOUND)"
_SHARED: Final = "The scope is missing, or the build is shared (SUPERUSER_NEEDED)"
_NOT_GOOD: Final = "The build was not successful, or makes no image (NOT_PROMOTABLE)"
_NOT_IN_IT: Final = "The build is not in this channel (NOT_PROMOTED)"
_CHANNEL: Final = {"channel": "stable"}

# Filters that several routes share.
Executor = Annotated[ExecutorName | None, QueryParameter(description="Who runs them")]
Status = Annotated[StatusName | None, QueryParameter(description="How they stand")]
Repository = Annotated[str | None, QueryParameter(description="A uid or a full name, as ada/engine")]
Branch = Annotated[str | None, QueryParameter(description="A branch's name")]
Platform = Annotated[str | None, QueryParameter(description="As in /api/v1/platforms")]
OSVersion = Annotated[str | None, QueryParameter(description="As in /api/v1/os-versions")]
ImageType = Annotated[str | None, QueryParameter(description="As in /api/v1/image-types")]
ConfigId = Annotated[int | None, QueryParameter(ge=1, le=BIGINT_MAX, description="Of this saved configuration")]


def router(catalogue: Catalogue, promotions: Promotions) -> Router:
    """The routes of builds."""

    @get(
        PATH,
        guards=[requires("builds:read")],
        **documented("List one's own and shared builds, newest first", example=BUILD_PAGE_EXAMPLE, opt=POLLED),
    )
    async def list_builds(
        principal: Caller,
        executor: Executor = None,
        status: Status = None,
        repository: Repository = None,
        branch: Branch = None,
        platform: Platform = None,
        os_version: OSVersion = None,
        image_type: ImageType = None,
        config_id: ConfigId = None,
        since: Since = None,
        until: Until = None,
        limit: Limit = DEFAULT_SIZE,
        offset: Offset = 0,
    ) -> BuildPage:
        wanted = BuildFilter(
            executor=executor,
            status=status,
            repository=repository,
            branch=branch,
            platform=platform,
            os_version=os_version,
            image_type=image_type,
            config_id=config_id,
            since=read_moment(since, "since"),
            until=read_moment(until, "until"),
        )
        found, total = await catalogue.find(principal, wanted, limit=limit, offset=offset)
        following = Window(limit, offset).next_offset(total)
        return BuildPage([view(one) for one in found], total, limit, offset, following)

    @get(
        f"{PATH}/{{ref:str}}",
        guards=[requires("builds:read")],
        **documented("Read a build", example=BUILD_EXAMPLE, errors={404: NO_SUCH_BUILD}, opt=POLLED),
    )
    async def read_build(principal: Caller, ref: FromPath[str]) -> BuildView:
        """`ref` is its uid, or the caller's own name for it, or the name of a shared one, in this order."""
        return view(await catalogue.get(principal, ref))

    @get(
        f"{PATH}/{{ref:str}}/states",
        guards=[requires("builds:read")],
        **documented(
            "Read a build's history, oldest first", example=STATE_PAGE_EXAMPLE, errors={404: NO_SUCH_BUILD}, opt=POLLED
        ),
    )
    async def list_states(
        principal: Caller, ref: FromPath[str], limit: Limit = DEFAULT_SIZE, offset: Offset = 0
    ) -> StatePage:
        rows, total = await catalogue.states(principal, ref, limit=limit, offset=offset)
        following = Window(limit, offset).next_offset(total)
        return StatePage([_state(row) for row in rows], total, limit, offset, following)

    @post(
        f"{PATH}/{{ref:str}}/promote",
        status_code=HTTP_200_OK,
        guards=[requires("builds:write")],
        **documented(
            "Let a channel offer a good build for its platform, OS version and image type",
            example=BUILD_EXAMPLE,
            body_example=_CHANNEL,
            errors={403: _SHARED, 404: NO_SUCH_BUILD, 409: _NOT_GOOD},
        ),
    )
    async def promote_build(
        principal: Caller, actor: Acting, ref: FromPath[str], data: JSONBody[ChannelChoice]
    ) -> BuildView:
        """The newest promotion wins; the one before is kept for a revocation."""
        return view(await promotions.promote(principal, actor, ref, data.channel))

    @post(
        f"{PATH}/{{ref:str}}/revoke",
        status_code=HTTP_200_OK,
        guards=[requires("builds:write")],
        **documented(
            "Take a build out of a channel, which falls back to the one before",
            example={**BUILD_EXAMPLE, "channels": []},
            body_example=_CHANNEL,
            errors={403: _SHARED, 404: NO_SUCH_BUILD, 409: _NOT_IN_IT},
        ),
    )
    async def revoke_build(
        principal: Caller, actor: Acting, ref: FromPath[str], data: JSONBody[ChannelChoice]
    ) -> BuildView:
        return view(await promotions.revoke(principal, actor, ref, data.channel))

    handlers = [list_builds, read_build, list_states, promote_build, revoke_build]
    return Router("/", route_handlers=handlers, tags=["Builds"])


def view(found: Found) -> BuildView:
    """A build as clients see it."""
    row = found.row
    known = row.repository_uid is not None
    return BuildView(
        id=row.id,
        uid=row.uid,
        build_id=row.build_id,
        executor=row.executor,
        status=row.status,
        state_code=row.state_code,
        stage=row.stage,
        repository=BuildRepository(row.repository_uid, row.repository_name) if known else None,
        event=row.event,
        branch=row.branch,
        tag=row.tag,
        commit_sha=row.commit_sha,
        message=row.message,
        author=row.author,
        platform=row.platform,
        os_version=row.os_version,
        image_type=row.image_type,
        config_id=row.config_id,
        ref=row.ref,
        run_id=row.run_id,
        run_url=row.run_url,
        pipeline_url=row.pipeline_url,
        error=BuildError(row.error["code"], row.error["message"]) if row.error else None,
        exit_code=row.exit_code,
        job_id=row.job_id,
        channels=found.channels,
        owner=row.owner,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        updated_at=row.updated_at,
    )


def _state(row: Any) -> StateView:
    left_at = row.left_at
    return StateView(
        id=row.id,
        status=row.status,
        state_code=row.state_code,
        stage=row.stage,
        message=row.message,
        actor=row.actor,
        job_id=row.job_id,
        created_at=row.created_at,
        duration_s=None if left_at is None else round((left_at - row.created_at).total_seconds(), 3),
    )
