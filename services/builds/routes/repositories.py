"""HTTP in: repositories, what proves their deliveries, and what their builds get."""

import re
from typing import Annotated, Final

from litestar import Response, Router, delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_201_CREATED

from libs.common.http.documentation import documented
from libs.common.http.errors import Detail, invalid
from libs.common.http.etags import POLLED
from libs.common.http.guards import Acting, Caller, requires
from libs.common.http.idempotency import IDEMPOTENT
from libs.common.http.paging import DEFAULT_SIZE, Limit, Offset, Window
from libs.common.http.requests import AnyRequest
from services.builds.schemas.repositories import (
    NEW_REPOSITORY_EXAMPLE,
    REPOSITORY_EXAMPLE,
    REPOSITORY_PAGE_EXAMPLE,
    Concurrency,
    FilterChoice,
    Forge,
    NewRepository,
    RepositoryChange,
    RepositoryPage,
    RepositoryView,
    WebhookSecretView,
    WebhookView,
    wrong_fields,
)
from services.builds.service.repositories import Kept, Repositories

PATH: Final = "/api/v1/repositories"
NO_SUCH_REPOSITORY: Final = "There is no such repository, or it is somebody else's (REPOSITORY_NOT_FOUND)"
_SHARED: Final = "The scope is missing, or the repository is shared (SUPERUSER_NEEDED)"
_TAKEN: Final = "The owner has a repository of this name on this forge (REPOSITORY_EXISTS)"
_LOCAL: Final = "The scope is missing, or a superuser has to allow local builds first (LOCAL_NOT_ALLOWED)"
CHANGE_ERRORS: Final = {403: _SHARED, 404: NO_SUCH_REPOSITORY}
# A host and a port, as clients send them; anything else in the header is not worth showing to anybody.
_HOST: Final = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


def router(repositories: Repositories, *, public_url: str | None, allow_file: bool) -> Router:
    """The routes of repositories.

    `public_url` is where forges reach Slipway, None: where the request came to. `allow_file` lets repositories be
    cloned from folders of this machine.
    """

    def shown(request: AnyRequest, kept: Kept) -> RepositoryView:
        return _view(kept, public_url or _base_of(request))

    def check(body: NewRepository | RepositoryChange) -> None:
        found = wrong_fields(body, allow_file=allow_file)
        if details := [Detail(["body", field], problem, "value_error") for field, problem in found]:
            raise invalid(details)

    @get(
        PATH,
        guards=[requires("builds:read")],
        **documented(
            "List one's own and shared repositories, newest first", example=REPOSITORY_PAGE_EXAMPLE, opt=POLLED
        ),
    )
    async def list_repositories(
        request: AnyRequest,
        principal: Caller,
        forge: Annotated[Forge | None, QueryParameter(description="Only of this forge")] = None,
        full_name: Annotated[str | None, QueryParameter(description="Only of this name, as ada/engine")] = None,
        limit: Limit = DEFAULT_SIZE,
        offset: Offset = 0,
    ) -> RepositoryPage:
        found, total = await repositories.find(principal, forge=forge, full_name=full_name, limit=limit, offset=offset)
        following = Window(limit, offset).next_offset(total)
        return RepositoryPage([shown(request, kept) for kept in found], total, limit, offset, following)

    @post(
        PATH,
        status_code=HTTP_201_CREATED,
        guards=[requires("builds:write")],
        **documented(
            "Register a repository",
            example=REPOSITORY_EXAMPLE,
            body_example=NEW_REPOSITORY_EXAMPLE,
            errors={403: _LOCAL, 409: _TAKEN},
            opt=IDEMPOTENT,
        ),
    )
    async def register_repository(
        request: AnyRequest, principal: Caller, actor: Acting, data: JSONBody[NewRepository]
    ) -> Response[RepositoryView]:
        """Then give its address a secret, and paste both into the forge."""
        check(data)
        made = await repositories.register(principal, actor, data)
        return Response(
            shown(request, made), status_code=HTTP_201_CREATED, headers={"Location": f"{PATH}/{made.row.uid}"}
        )

    @get(
        f"{PATH}/{{uid:str}}",
        guards=[requires("builds:read")],
        **documented("Read a repository", example=REPOSITORY_EXAMPLE, errors={404: NO_SUCH_REPOSITORY}),
    )
    async def read_repository(request: AnyRequest, principal: Caller, uid: FromPath[str]) -> RepositoryView:
        return shown(request, await repositories.get(principal, uid))

    @patch(
        f"{PATH}/{{uid:str}}",
        guards=[requires("builds:write")],
        **documented(
            "Change a repository",
            example=REPOSITORY_EXAMPLE,
            body_example={"active": False},
            errors={403: f"{_SHARED}, or {_LOCAL}", 404: NO_SUCH_REPOSITORY, 409: _TAKEN},
        ),
    )
    async def change_repository(
        request: AnyRequest, principal: Caller, actor: Acting, uid: FromPath[str], data: JSONBody[RepositoryChange]
    ) -> RepositoryView:
        """What is absent stays. Builds that run go on as they began; the next ones see the change."""
        check(data)
        return shown(request, await repositories.change(principal, actor, uid, data))

    @delete(
        f"{PATH}/{{uid:str}}",
        guards=[requires("builds:write")],
        **documented("Delete a repository, cancelling its builds", errors=CHANGE_ERRORS),
    )
    async def delete_repository(principal: Caller, actor: Acting, uid: FromPath[str]) -> None:
        """Its builds, jobs and logs stay readable; its address, secrets and settings are gone."""
        await repositories.remove(principal, actor, uid)

    handlers = [list_repositories, register_repository, read_repository, change_repository, delete_repository]
    return Router("/", route_handlers=handlers, tags=["Repositories"])


def _view(kept: Kept, base_url: str) -> RepositoryView:
    row = kept.row
    return RepositoryView(
        uid=row.uid,
        forge=row.forge,
        full_name=row.full_name,
        clone_url=row.clone_url,
        html_url=row.html_url,
        executor=row.executor,
        pipeline_path=row.pipeline_path,
        workflow_file=row.workflow_file,
        filters=FilterChoice(**(row.filters or {})),
        env=row.env or {},
        owner=row.owner,
        auto_registered=row.auto_registered,
        active=row.active,
        webhook=WebhookView(
            url=f"{base_url}/webhook/{row.forge}/{row.uid}",
            secrets=[WebhookSecretView(one.id, one.created_at, one.expires_at) for one in kept.webhook_secrets],
        ),
        secrets=list(kept.secret_names),
        credentials=kept.credentials,
        uses_operator_token=row.uses_operator_token,
        has_api_token=row.sealed_api_token is not None,
        report_status=row.report_status,
        concurrency=Concurrency(row.lane_limit, row.newest_wins),
        problem=kept.problem,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _base_of(request: AnyRequest) -> str:
    """The address that this request came to, as its client wrote it."""
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        name, port = request.scope.get("server") or ("localhost", None)
        host = f"{name}:{port}" if port else name
    return f"{request.scope['scheme']}://{host}"
