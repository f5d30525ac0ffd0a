"""HTTP in: Build State's dashboards."""

from typing import Any, Final

from litestar import Router, get
from litestar.params import FromPath

from libs.common.http.documentation import documented
from libs.common.http.etags import POLLED
from libs.common.http.guards import Caller, requires
from libs.common.http.paging import DEFAULT_SIZE, Limit, Offset, Window
from services.builds.schemas.reports import (
    DASHBOARD_BUILD_EXAMPLE,
    DashboardBuild,
    PlatformBuilds,
    RecentBuilds,
    StatusCounts,
    Summary,
)
from services.builds.service.dashboard import Dashboard, Shown

_SUMMARY_EXAMPLE: Final = {
    "total_builds": 1,
    "status_counts": {"completed": 0, "failed": 0, "in_progress": 1},
    "recent_builds": [DASHBOARD_BUILD_EXAMPLE],
}
_PLATFORM_EXAMPLE: Final = {
    "platform": "aws",
    "builds": [DASHBOARD_BUILD_EXAMPLE],
    "total": 1,
    "limit": 20,
    "offset": 0,
    "next_offset": None,
}


def router(dashboard: Dashboard) -> Router:
    """The dashboards: what the caller may see, whoever ran it."""

    @get(
        "/dashboard/summary",
        guards=[requires("builds:read")],
        **documented("Count builds and show the newest ones", example=_SUMMARY_EXAMPLE, opt=POLLED),
    )
    async def read_summary(principal: Caller) -> Summary:
        counts = StatusCounts(**await dashboard.counts(principal))
        total = counts.completed + counts.failed + counts.in_progress
        return Summary(total, counts, _rows(await dashboard.recent(principal)))

    @get(
        "/dashboard/recent",
        guards=[requires("builds:read")],
        **documented("Show the newest builds", example={"recent_builds": [DASHBOARD_BUILD_EXAMPLE]}, opt=POLLED),
    )
    async def read_recent(principal: Caller) -> RecentBuilds:
        return RecentBuilds(_rows(await dashboard.recent(principal)))

    @get(
        "/dashboard/platform/{platform:str}",
        guards=[requires("builds:read")],
        **documented("Show the builds of one platform, newest first", example=_PLATFORM_EXAMPLE, opt=POLLED),
    )
    async def read_platform(
        principal: Caller, platform: FromPath[str], limit: Limit = DEFAULT_SIZE, offset: Offset = 0
    ) -> PlatformBuilds:
        """A platform that nobody named has none."""
        found, total = await dashboard.of_platform(principal, platform, limit=limit, offset=offset)
        following = Window(limit, offset).next_offset(total)
        return PlatformBuilds(platform, _rows(found), total, limit, offset, following)

    return Router("/", route_handlers=[read_summary, read_recent, read_platform], tags=["Dashboards"])


def _rows(shown: Shown) -> list[DashboardBuild]:
    def axis_id(axis: str, row: Any) -> int | None:
        return shown.axis_ids.get((axis, getattr(row, axis)))

    return [
        DashboardBuild(
            id=row.uid,
            build_id=row.build_id or row.uid,
            platform_id=axis_id("platform", row),
            os_version_id=axis_id("os_version", row),
            image_type_id=axis_id("image_type", row),
            state_code=row.state_code,
            created_at=row.created_at,
        )
        for row in shown.rows
    ]
