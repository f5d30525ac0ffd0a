"""HTTP in: badges for READMEs. Open, because the browser of whoever reads one has no credentials."""

from typing import Annotated, Final

from litestar import Response, Router, get
from litestar.params import FromPath, QueryParameter

from libs.common.errors import NotFound
from libs.common.http.documentation import documented
from libs.common.http.etags import POLLED
from libs.common.http.guards import OPEN
from services.builds.service.badges import Badge, Badges, drawn

PATH: Final = "/api/v1/badges"
_SVG: Final = "image/svg+xml"
_SUFFIX: Final = ".svg"
_NO_SUFFIX: Final = "The address does not end in .svg"
# Proxies of forges keep pictures for hours unless they are told to ask each time; the answer is mostly a 304.
_HEADERS: Final = {"Cache-Control": "no-cache"}
_OPT: Final = {**OPEN, **POLLED}


def router(badges: Badges) -> Router:
    """The routes of badges."""

    @get(
        f"{PATH}/repositories/{{file:str}}",
        media_type=_SVG,
        **documented("Draw how a repository's newest build ended", errors={404: _NO_SUFFIX}, opt=_OPT),
    )
    async def draw_repository(
        file: FromPath[str],
        branch: Annotated[str | None, QueryParameter(description="Of this branch; otherwise of any")] = None,
    ) -> Response[str]:
        """`file` is the repository's uid and `.svg`. What nobody knows is `unknown`, so that a page shows something."""
        return _picture(await badges.of_repository(_named(file), branch))

    @get(
        f"{PATH}/images/{{platform:str}}/{{os_version:str}}/{{file:str}}",
        media_type=_SVG,
        **documented("Draw how the newest shared build of an image ended", errors={404: _NO_SUFFIX}, opt=_OPT),
    )
    async def draw_image(platform: FromPath[str], os_version: FromPath[str], file: FromPath[str]) -> Response[str]:
        """`file` is the image type and `.svg`."""
        return _picture(await badges.of_image(platform, os_version, _named(file)))

    return Router("/", route_handlers=[draw_repository, draw_image], tags=["Images"])


def _named(file: str) -> str:
    if not file.endswith(_SUFFIX):
        raise NotFound("There is nothing at this path")
    return file.removesuffix(_SUFFIX)


def _picture(badge: Badge) -> Response[str]:
    return Response(drawn(badge), media_type=_SVG, headers=_HEADERS)
