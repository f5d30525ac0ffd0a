"""The page's document for every address below /ui/, and the files it loads."""

from pathlib import Path
from typing import Any, Final

from litestar import Request, Response, Router, get
from litestar.datastructures import State
from litestar.params import FromPath

from libs.common.errors import NotFound
from libs.common.http.guards import OPEN
from libs.common.http.limits import UNLIMITED
from services.gateway.ui.assets import BASE, Assets

_STATIC: Final = Path(__file__).parent / "static"
_YEAR_S: Final = 365 * 24 * 3600
# Our files and nobody else's, no inline script or style, and no place where text could become markup or code: with
# trusted types required and none defined, even a mistake like `innerHTML = text` throws instead of running it.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


def router() -> Router:
    """Make the routes; all are open, because signing in happens on the page itself."""
    assets = Assets.read(_STATIC)
    tag = f'"{assets.version}"'
    kept = {"ETag": tag, "Cache-Control": f"public, max-age={_YEAR_S}, immutable"}
    # Another gateway, of a version before or after ours, made the document that asks: our file serves it better than
    # none while a new version is rolled out, but nobody may keep it under that address.
    borrowed = {"Cache-Control": "no-store"}
    document = {"ETag": tag, "Cache-Control": "no-cache", "Content-Security-Policy": _POLICY}

    @get(["/ui", "/ui/{view:path}"], include_in_schema=False, opt=OPEN | UNLIMITED)
    async def page(request: Request[Any, Any, State]) -> Response[bytes]:
        """Every address below /ui/ is the same document; its script shows the view that the address names."""
        if tag in request.headers.get("if-none-match", ""):
            return Response(b"", status_code=304, headers=document)
        return Response(assets.index, media_type="text/html", headers=document)

    @get(f"{BASE}/{{version:str}}/{{name:path}}", include_in_schema=False, opt=OPEN | UNLIMITED)
    async def asset(version: FromPath[str], name: FromPath[str]) -> Response[bytes]:
        found = assets.files.get(str(name).lstrip("/"))
        if found is None:
            raise NotFound("There is nothing at this path")
        headers = kept if version == assets.version else borrowed
        return Response(found.content, media_type=found.media_type, headers=headers)

    return Router("/", route_handlers=[page, asset])
