"""HTTP in: what stages of builds left behind, for a later run to go on from."""

from typing import Any, Final

from litestar import Response, Router, delete, get, post
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_201_CREATED

from libs.common.http.documentation import documented
from libs.common.http.guards import Acting, Caller, requires
from libs.common.http.idempotency import IDEMPOTENT
from services.builds.schemas.reports import (
    ARTIFACT_EXAMPLE,
    NEW_ARTIFACT_EXAMPLE,
    ArtifactPage,
    ArtifactView,
    NewArtifact,
)
from services.builds.service.artifacts import Artifacts

_PATH: Final = "/builds/{ref:str}/artifacts"
_NO_SUCH_BUILD: Final = "There is no such build, or it is somebody else's (BUILD_NOT_FOUND)"
_SHARED: Final = "The scope is missing, or the build is shared and not the caller's to change (SUPERUSER_NEEDED)"


def router(artifacts: Artifacts) -> Router:
    """The routes of artifacts; `ref` as in reported_builds.py."""

    @get(
        _PATH,
        guards=[requires("builds:read")],
        **documented(
            "List a build's artifacts, newest first",
            example={"artifacts": [ARTIFACT_EXAMPLE], "total": 1},
            errors={404: _NO_SUCH_BUILD},
        ),
    )
    async def list_artifacts(principal: Caller, ref: FromPath[str]) -> ArtifactPage:
        """Expired ones too; a resumed build is not offered those."""
        found = [artifact_view(row) for row in await artifacts.find(principal, ref)]
        return ArtifactPage(found, len(found))

    @post(
        _PATH,
        status_code=HTTP_201_CREATED,
        guards=[requires("builds:write")],
        **documented(
            "Note an artifact of a build",
            example=ARTIFACT_EXAMPLE,
            body_example=NEW_ARTIFACT_EXAMPLE,
            errors={
                403: _SHARED,
                404: _NO_SUCH_BUILD,
                409: "The build has as many artifacts as it may (TOO_MANY_ARTIFACTS)",
            },
            opt=IDEMPOTENT,
        ),
    )
    async def add_artifact(
        principal: Caller, actor: Acting, ref: FromPath[str], data: JSONBody[NewArtifact]
    ) -> Response[ArtifactView]:
        """Slipway keeps where it is; the thing itself stays in the pipeline's store."""
        build, row = await artifacts.add(principal, actor, ref, data)
        location = {"Location": f"/builds/{build.uid}/artifacts"}
        return Response(artifact_view(row), status_code=HTTP_201_CREATED, headers=location)

    @delete(
        f"{_PATH}/{{artifact_id:int}}",
        guards=[requires("builds:write")],
        **documented(
            "Do not offer an artifact any more",
            errors={403: _SHARED, 404: f"{_NO_SUCH_BUILD}, or it has no such artifact (ARTIFACT_NOT_FOUND)"},
        ),
    )
    async def delete_artifact(principal: Caller, actor: Acting, ref: FromPath[str], artifact_id: FromPath[int]) -> None:
        """What it names is not touched."""
        await artifacts.remove(principal, actor, ref, artifact_id)

    return Router("/", route_handlers=[list_artifacts, add_artifact, delete_artifact], tags=["Reported builds"])


def artifact_view(row: Any) -> ArtifactView:
    return ArtifactView(
        id=row.id,
        artifact_name=row.name,
        type=row.type,
        path=row.path,
        storage_backend=row.storage_backend,
        state_code=row.state_code,
        checksum=row.checksum,
        size_bytes=row.size_bytes,
        is_resumable=row.is_resumable,
        is_final=row.is_final,
        expires_at=row.expires_at,
        created_at=row.created_at,
    )
