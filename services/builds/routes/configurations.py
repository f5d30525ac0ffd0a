"""HTTP in: configurations and their versions."""

from typing import Annotated, Any, Final

from litestar import Response, Router, delete, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from libs.common.http.documentation import documented
from libs.common.http.etags import POLLED
from libs.common.http.guards import Acting, Caller, requires
from libs.common.http.idempotency import IDEMPOTENT
from libs.common.http.paging import DEFAULT_SIZE, Page, PageSize, Window
from libs.common.http.preconditions import IfMatch, read_if_match, version_tag
from services.builds.schemas.configurations import (
    CONFIGURATION_EXAMPLE,
    CONFIGURATION_PAGE_EXAMPLE,
    DIFFERENCE_EXAMPLE,
    NEW_CONFIGURATION_EXAMPLE,
    VERSION_PAGE_EXAMPLE,
    WHOLE_VERSION_EXAMPLE,
    ConfigurationPage,
    ConfigurationView,
    Difference,
    NewConfiguration,
    VersionPage,
    VersionView,
    WholeVersion,
)
from services.builds.service.configurations import Configurations

PATH: Final = "/api/config"
_ONE: Final = f"{PATH}/{{config_id:int}}"
_NO_SUCH: Final = "There is no such configuration, or it is somebody else's (CONFIGURATION_NOT_FOUND)"
_NO_SUCH_VERSION: Final = f"{_NO_SUCH}, or it has no such version (VERSION_NOT_FOUND)"
_SHARED: Final = "The scope is missing, or the configuration is shared (SUPERUSER_NEEDED)"
_WRONG: Final = "The recipe is not valid; the details list its problems (INVALID_CONFIGURATION)"
_TAKEN: Final = "The owner has a configuration of this name (CONFIGURATION_EXISTS)"
_CHANGED: Final = "It is no longer what If-Match names; the details tell its version (PRECONDITION_FAILED)"


def router(configurations: Configurations) -> Router:
    """The routes of configurations."""

    @get(
        PATH,
        guards=[requires("builds:read")],
        **documented(
            "List one's own and shared configurations, the last saved first",
            example=CONFIGURATION_PAGE_EXAMPLE,
            opt=POLLED,
        ),
    )
    async def list_configurations(
        principal: Caller, page: Page = 1, page_size: PageSize = DEFAULT_SIZE
    ) -> ConfigurationPage:
        """A page whose recipes are longer than 4 MB together is refused: ask for fewer."""
        window = Window.of_page(page, page_size)
        rows, total = await configurations.find(principal, limit=window.limit, offset=window.offset)
        return ConfigurationPage([ConfigurationView(**_fields(row)) for row in rows], total, page, page_size)

    @post(
        PATH,
        status_code=HTTP_201_CREATED,
        guards=[requires("builds:write")],
        **documented(
            "Save a recipe under a new name",
            example=CONFIGURATION_EXAMPLE,
            body_example=NEW_CONFIGURATION_EXAMPLE,
            errors={400: _WRONG, 409: _TAKEN},
            opt=IDEMPOTENT,
        ),
    )
    async def create_configuration(
        principal: Caller, actor: Acting, data: JSONBody[NewConfiguration]
    ) -> Response[ConfigurationView]:
        row = await configurations.create(principal, actor, data)
        return _answer(row, status=HTTP_201_CREATED, location=f"{PATH}/{row.id}")

    @post(
        f"{PATH}/upsert",
        status_code=HTTP_200_OK,
        guards=[requires("builds:write")],
        **documented(
            "Save a recipe under a name of one's own, new or not",
            example=CONFIGURATION_EXAMPLE,
            body_example=NEW_CONFIGURATION_EXAMPLE,
            errors={400: _WRONG},
        ),
    )
    async def upsert_configuration(
        principal: Caller, actor: Acting, data: JSONBody[NewConfiguration]
    ) -> Response[ConfigurationView]:
        """It keeps its id. The same content again changes nothing."""
        return _answer(await configurations.upsert(principal, actor, data))

    @get(
        _ONE,
        guards=[requires("builds:read")],
        **documented("Read a configuration", example=CONFIGURATION_EXAMPLE, errors={404: _NO_SUCH}, opt=POLLED),
    )
    async def read_configuration(principal: Caller, config_id: FromPath[int]) -> Response[ConfigurationView]:
        return _answer(await configurations.get(principal, config_id))

    @put(
        _ONE,
        guards=[requires("builds:write")],
        **documented(
            "Save a configuration anew, whole",
            example=CONFIGURATION_EXAMPLE,
            body_example=NEW_CONFIGURATION_EXAMPLE,
            errors={400: _WRONG, 403: _SHARED, 404: _NO_SUCH, 409: _TAKEN, 412: _CHANGED},
        ),
    )
    async def replace_configuration(
        principal: Caller,
        actor: Acting,
        config_id: FromPath[int],
        data: JSONBody[NewConfiguration],
        if_match: IfMatch = None,
    ) -> Response[ConfigurationView]:
        """What is absent gets its default. The version before is kept; the same content again makes none."""
        return _answer(await configurations.replace(principal, actor, config_id, data, read_if_match(if_match)))

    @delete(
        _ONE,
        guards=[requires("builds:write")],
        **documented(
            "Delete a configuration with all its versions", errors={403: _SHARED, 404: _NO_SUCH, 412: _CHANGED}
        ),
    )
    async def delete_configuration(
        principal: Caller, actor: Acting, config_id: FromPath[int], if_match: IfMatch = None
    ) -> None:
        """Builds that were made of it stay."""
        await configurations.remove(principal, actor, config_id, read_if_match(if_match))

    @get(
        f"{_ONE}/versions",
        guards=[requires("builds:read")],
        **documented(
            "List a configuration's versions, newest first",
            example=VERSION_PAGE_EXAMPLE,
            errors={404: _NO_SUCH},
            opt=POLLED,
        ),
    )
    async def list_versions(
        principal: Caller, config_id: FromPath[int], page: Page = 1, page_size: PageSize = DEFAULT_SIZE
    ) -> VersionPage:
        window = Window.of_page(page, page_size)
        rows, total = await configurations.versions(principal, config_id, limit=window.limit, offset=window.offset)
        return VersionPage([VersionView(**row._mapping) for row in rows], total, page, page_size)

    @get(
        f"{_ONE}/versions/{{version:int}}",
        guards=[requires("builds:read")],
        **documented(
            "Read a version of a configuration", example=WHOLE_VERSION_EXAMPLE, errors={404: _NO_SUCH_VERSION}
        ),
    )
    async def read_version(principal: Caller, config_id: FromPath[int], version: FromPath[int]) -> WholeVersion:
        row, old = await configurations.version(principal, config_id, version)
        then = {"version": old.version, "updated_at": old.created_at}
        then |= {"actor": old.actor, "rolled_back_to": old.rolled_back_to}
        return WholeVersion(**_fields(row) | _fields(old, of=NewConfiguration) | then)

    @get(
        f"{_ONE}/diff",
        guards=[requires("builds:read")],
        **documented("Compare two versions", example=DIFFERENCE_EXAMPLE, errors={404: _NO_SUCH_VERSION}),
    )
    async def compare_versions(
        principal: Caller,
        config_id: FromPath[int],
        before: Annotated[int | None, QueryParameter(name="from", description="Absent: the one before `to`")] = None,
        after: Annotated[int | None, QueryParameter(name="to", description="Absent: the newest")] = None,
    ) -> Difference:
        return await configurations.compare(principal, config_id, before, after)

    @post(
        f"{_ONE}/rollback/{{version:int}}",
        status_code=HTTP_200_OK,
        guards=[requires("builds:write")],
        **documented(
            "Save an earlier version again",
            example=CONFIGURATION_EXAMPLE,
            errors={403: _SHARED, 404: _NO_SUCH_VERSION, 409: _TAKEN, 412: _CHANGED},
        ),
    )
    async def roll_back(
        principal: Caller,
        actor: Acting,
        config_id: FromPath[int],
        version: FromPath[int],
        if_match: IfMatch = None,
    ) -> Response[ConfigurationView]:
        """It becomes a new version, name and all; nothing is lost. What is so already stays as it is."""
        return _answer(await configurations.roll_back(principal, actor, config_id, version, read_if_match(if_match)))

    handlers = [list_configurations, create_configuration, upsert_configuration, read_configuration]
    handlers += [replace_configuration, delete_configuration, list_versions, read_version, compare_versions, roll_back]
    return Router("/", route_handlers=handlers, tags=["Configurations"])


def _answer(row: Any, *, status: int = HTTP_200_OK, location: str | None = None) -> Response[ConfigurationView]:
    headers = {"ETag": version_tag(row.version)} | ({} if location is None else {"Location": location})
    return Response(ConfigurationView(**_fields(row)), status_code=status, headers=headers)


def _fields(row: Any, *, of: type[ConfigurationView | NewConfiguration] = ConfigurationView) -> dict[str, Any]:
    """A row's values for the fields that a struct has too."""
    return {name: getattr(row, name) for name in of.__struct_fields__}
