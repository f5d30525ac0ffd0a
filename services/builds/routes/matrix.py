"""HTTP in: the matrix of images, the values of its axes, and statistics of builds."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

from litestar import Response, Router, get
from litestar.params import QueryParameter

from libs.common.database import utcnow
from libs.common.http.documentation import documented
from libs.common.http.etags import POLLED, weak_tag
from libs.common.http.guards import Caller, requires
from libs.common.http.paging import DEFAULT_SIZE, Limit, Offset, Window
from services.builds.routes.builds import PATH, Branch, Executor, ImageType, OSVersion, Platform, Repository
from services.builds.schemas.builds import (
    AXIS_EXAMPLE,
    MATRIX_EXAMPLE,
    STATISTICS_EXAMPLE,
    AxisValuePage,
    AxisValueView,
    FailingStage,
    GoodBuild,
    LatestBuild,
    MatrixCell,
    MatrixView,
    StageStatistics,
    StatisticsView,
)
from services.builds.service.catalogue import BuildFilter
from services.builds.service.channels import CHANNELS
from services.builds.service.matrix import Axis, Cell, Matrix
from services.builds.service.statistics import Figures, Stage, Statistics
from services.builds.stages import stage_of

# A year of builds is what retention keeps at most, unless it keeps all of them.
_DAYS_MAX: Final = 366
_DAYS: Final = 30


def router(matrix: Matrix, statistics: Statistics) -> Router:
    """The routes of the matrix, its axes and the statistics."""

    @get(
        f"{PATH}/matrix",
        guards=[requires("builds:read")],
        **documented("Show the latest and the good build of every image", example=MATRIX_EXAMPLE, opt=POLLED),
    )
    async def read_matrix(
        principal: Caller, platform: Platform = None, os_version: OSVersion = None, image_type: ImageType = None
    ) -> Response[MatrixView]:
        """One cell for each platform, OS version and image type that some build was for; at most 1,000 of them."""
        cells = await matrix.cells(principal, platform=platform, os_version=os_version, image_type=image_type)
        tag = weak_tag([_shown(cell, None) for cell in cells])  # ages grow, and mean no change
        return Response(_matrix(cells, utcnow()), headers={"ETag": tag})

    @get(
        f"{PATH}/statistics",
        guards=[requires("builds:read")],
        **documented("Show how builds end, and how long their stages take", example=STATISTICS_EXAMPLE, opt=POLLED),
    )
    async def read_statistics(
        principal: Caller,
        days: Annotated[int, QueryParameter(ge=1, le=_DAYS_MAX, description="Builds made in so many days")] = _DAYS,
        executor: Executor = None,
        repository: Repository = None,
        branch: Branch = None,
        platform: Platform = None,
        os_version: OSVersion = None,
        image_type: ImageType = None,
    ) -> StatisticsView:
        """A stage's time is what a build spent in it in all, without what it waited or stood failed there."""
        wanted = BuildFilter(
            executor=executor,
            repository=repository,
            branch=branch,
            platform=platform,
            os_version=os_version,
            image_type=image_type,
        )
        return _statistics(await statistics.of(principal, wanted, days=days), days)

    async def page(axis: Axis, limit: int, offset: int) -> AxisValuePage:
        rows, total = await matrix.axis(axis, limit=limit, offset=offset)
        values = [AxisValueView(row.id, row.name, row.created_at) for row in rows]
        return AxisValuePage(values, total, limit, offset, Window(limit, offset).next_offset(total))

    @get(
        "/api/v1/platforms",
        guards=[requires("builds:read")],
        **documented("List the platforms that builds were made for, by name", example=AXIS_EXAMPLE, opt=POLLED),
    )
    async def list_platforms(limit: Limit = DEFAULT_SIZE, offset: Offset = 0) -> AxisValuePage:
        return await page("platform", limit, offset)

    @get(
        "/api/v1/os-versions",
        guards=[requires("builds:read")],
        **documented("List the OS versions that builds were made for, by name", example=AXIS_EXAMPLE, opt=POLLED),
    )
    async def list_os_versions(limit: Limit = DEFAULT_SIZE, offset: Offset = 0) -> AxisValuePage:
        return await page("os_version", limit, offset)

    @get(
        "/api/v1/image-types",
        guards=[requires("builds:read")],
        **documented("List the image types that builds were made for, by name", example=AXIS_EXAMPLE, opt=POLLED),
    )
    async def list_image_types(limit: Limit = DEFAULT_SIZE, offset: Offset = 0) -> AxisValuePage:
        return await page("image_type", limit, offset)

    handlers = [read_matrix, read_statistics, list_platforms, list_os_versions, list_image_types]
    return Router("/", route_handlers=handlers, tags=["Images"])


def _matrix(cells: Sequence[Cell], now: datetime) -> MatrixView:
    return MatrixView(
        platforms=sorted({cell.platform for cell in cells}),
        os_versions=sorted({cell.os_version for cell in cells}),
        image_types=sorted({cell.image_type for cell in cells}),
        cells=[_shown(cell, now) for cell in cells],
    )


def _shown(cell: Cell, now: datetime | None) -> MatrixCell:
    """A cell as clients see it; without `now` its age is 0."""
    latest = cell.latest
    return MatrixCell(
        platform=cell.platform,
        os_version=cell.os_version,
        image_type=cell.image_type,
        latest=LatestBuild(latest.uid, latest.build_id, latest.status, latest.state_code, latest.created_at),
        good=None if cell.good is None else _good(cell.good, now),
        channels={name: cell.channels.get(name) for name in CHANNELS},
    )


def _good(row: Any, now: datetime | None) -> GoodBuild:
    finished_at = row.finished_at or row.created_at
    age_s = 0 if now is None else max(0, int((now - finished_at).total_seconds()))
    return GoodBuild(row.uid, row.build_id, finished_at, age_s)


def _statistics(figures: Figures, days: int) -> StatisticsView:
    worst = figures.most_failing
    return StatisticsView(
        days=days,
        builds=figures.builds,
        succeeded=figures.succeeded,
        failed=figures.failed,
        measured=figures.measured,
        stages=[_stage(stage) for stage in figures.stages],
        most_failing=None
        if worst is None
        else FailingStage(worst.state_code, stage_of(worst.state_code), worst.failures),
    )


def _stage(stage: Stage) -> StageStatistics:
    return StageStatistics(
        state_code=stage.state_code,
        name=stage_of(stage.state_code),
        count=stage.count,
        average_s=_rounded(stage.average_s),
        p95_s=_rounded(stage.p95_s),
        failures=stage.failures,
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
