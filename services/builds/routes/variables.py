"""HTTP in: values that pipelines keep with their builds."""

from typing import Any, Final

from litestar import Router, delete, get, put
from litestar.params import FromPath, JSONBody

from libs.common.http.documentation import documented
from libs.common.http.guards import Acting, Caller, requires
from services.builds.schemas.reports import (
    NEW_VARIABLE_EXAMPLE,
    VARIABLE_EXAMPLE,
    NewVariable,
    VariablePage,
    VariableView,
)
from services.builds.service.variables import Variables, shown_value

_PATH: Final = "/builds/{ref:str}/variables"
_NO_SUCH_BUILD: Final = "There is no such build, or it is somebody else's (BUILD_NOT_FOUND)"
_SHARED: Final = "The scope is missing, or the build is shared and not the caller's to change (SUPERUSER_NEEDED)"


def router(variables: Variables) -> Router:
    """The routes of variables; `ref` as in reported_builds.py."""

    @get(
        _PATH,
        guards=[requires("builds:read")],
        **documented(
            "List a build's variables by their keys",
            example={"variables": [VARIABLE_EXAMPLE], "total": 1},
            errors={404: _NO_SUCH_BUILD},
        ),
    )
    async def list_variables(principal: Caller, ref: FromPath[str]) -> VariablePage:
        """Values of sensitive ones are masked."""
        found = [_view(row) for row in await variables.find(principal, ref)]
        return VariablePage(found, len(found))

    @get(
        f"{_PATH}/dict",
        guards=[requires("builds:read")],
        **documented(
            "Read a build's variables as one object",
            example={"AMI_ID": "ami-0abc", "TOKEN": "********"},
            errors={404: _NO_SUCH_BUILD},
        ),
    )
    async def read_variables(principal: Caller, ref: FromPath[str]) -> dict[str, str]:
        """Values of sensitive ones are masked."""
        return {row.key: shown_value(row) for row in await variables.find(principal, ref)}

    @put(
        _PATH,
        guards=[requires("builds:write")],
        **documented(
            "Set a variable of a build, whether or not it has one of this key",
            example=VARIABLE_EXAMPLE,
            body_example=NEW_VARIABLE_EXAMPLE,
            errors={
                403: _SHARED,
                404: _NO_SUCH_BUILD,
                409: "The build has as many variables as it may (TOO_MANY_VARIABLES)",
            },
        ),
    )
    async def set_variable(
        principal: Caller, actor: Acting, ref: FromPath[str], data: JSONBody[NewVariable]
    ) -> VariableView:
        """A sensitive value is sealed and never answered."""
        return _view(await variables.set(principal, actor, ref, data))

    @delete(
        f"{_PATH}/{{key:str}}",
        guards=[requires("builds:write")],
        **documented(
            "Forget a variable of a build",
            errors={403: _SHARED, 404: f"{_NO_SUCH_BUILD}, or it has no such variable (VARIABLE_NOT_FOUND)"},
        ),
    )
    async def delete_variable(principal: Caller, actor: Acting, ref: FromPath[str], key: FromPath[str]) -> None:
        await variables.remove(principal, actor, ref, key)

    handlers = [list_variables, read_variables, set_variable, delete_variable]
    return Router("/", route_handlers=handlers, tags=["Reported builds"])


def _view(row: Any) -> VariableView:
    return VariableView(row.key, shown_value(row), row.value is None, row.state_code, row.updated_at)
