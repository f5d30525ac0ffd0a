"""HTTP in: what is sealed with a repository: webhook secrets, pipeline secrets, credentials for cloning."""

from typing import Annotated, Final

from litestar import Response, Router, delete, post, put
from litestar.params import FromPath, JSONBody, PathParameter
from litestar.status_codes import HTTP_201_CREATED, HTTP_204_NO_CONTENT

from libs.common.http.documentation import documented
from libs.common.http.guards import Acting, Caller, requires
from libs.common.http.idempotency import IDEMPOTENT_SECRET
from services.builds.routes.repositories import CHANGE_ERRORS, NO_SUCH_REPOSITORY, PATH
from services.builds.schemas.repositories import CloneCredentials, MadeWebhookSecret, NewWebhookSecret, SecretValue
from services.builds.service.repositories import Repositories
from services.builds.service.sealed import Credentials

_SECRET_EXAMPLE: Final = {"id": "5f0c21aa", "secret": "9d1e6c0b5f3a47c8", "expires_at": None}
_NO_SUCH_SECRET: Final = {**CHANGE_ERRORS, 404: f"{NO_SUCH_REPOSITORY}, or it has no such secret (SECRET_NOT_FOUND)"}
_FULL: Final = {**CHANGE_ERRORS, 409: "The repository has as many secrets as it may (TOO_MANY_SECRETS)"}

SecretName = Annotated[
    str, PathParameter(pattern="^[A-Za-z_][A-Za-z0-9_]*$", max_length=255, description="As pipelines name it")
]


def router(repositories: Repositories) -> Router:
    """The routes of a repository's secrets: values go in and never come out again."""

    @post(
        f"{PATH}/{{uid:str}}/webhook-secrets",
        status_code=HTTP_201_CREATED,
        guards=[requires("builds:write")],
        **documented(
            "Give the webhook address a further secret, shown once",
            example=_SECRET_EXAMPLE,
            body_example={"overlap_s": 3600},
            errors=_FULL,
            opt=IDEMPOTENT_SECRET,
        ),
    )
    async def add_webhook_secret(
        principal: Caller, actor: Acting, uid: FromPath[str], data: JSONBody[NewWebhookSecret]
    ) -> Response[MadeWebhookSecret]:
        """All secrets that are valid prove a delivery, so one is replaced without losing any."""
        made = await repositories.add_webhook_secret(principal, actor, uid, data.secret, data.overlap_s)
        return Response(
            MadeWebhookSecret(made.id, made.secret, made.expires_at),
            status_code=HTTP_201_CREATED,
            headers={"Location": f"{PATH}/{uid}", "Cache-Control": "no-store"},
        )

    @delete(
        f"{PATH}/{{uid:str}}/webhook-secrets/{{secret_id:str}}",
        guards=[requires("builds:write")],
        **documented("End a webhook secret at once", errors=_NO_SUCH_SECRET),
    )
    async def delete_webhook_secret(
        principal: Caller, actor: Acting, uid: FromPath[str], secret_id: FromPath[str]
    ) -> None:
        await repositories.remove_webhook_secret(principal, actor, uid, secret_id)

    @put(
        f"{PATH}/{{uid:str}}/secrets/{{name:str}}",
        status_code=HTTP_204_NO_CONTENT,
        guards=[requires("builds:write")],
        **documented(
            "Set a secret that pipelines may name",
            body_example={"value": "s3cr3t"},
            errors=_FULL,
        ),
    )
    async def set_secret(
        principal: Caller, actor: Acting, uid: FromPath[str], name: SecretName, data: JSONBody[SecretValue]
    ) -> None:
        """Its value is sealed and never answered."""
        await repositories.set_secret(principal, actor, uid, name, data.value)

    @delete(
        f"{PATH}/{{uid:str}}/secrets/{{name:str}}",
        guards=[requires("builds:write")],
        **documented("Delete a pipeline secret", errors=_NO_SUCH_SECRET),
    )
    async def delete_secret(principal: Caller, actor: Acting, uid: FromPath[str], name: SecretName) -> None:
        await repositories.remove_secret(principal, actor, uid, name)

    @put(
        f"{PATH}/{{uid:str}}/credentials",
        status_code=HTTP_204_NO_CONTENT,
        guards=[requires("builds:write")],
        **documented(
            "Store what a private repository is cloned with",
            body_example={"username": "ci", "password": "a token"},
            errors=CHANGE_ERRORS,
        ),
    )
    async def set_credentials(
        principal: Caller, actor: Acting, uid: FromPath[str], data: JSONBody[CloneCredentials]
    ) -> None:
        """They are sealed and never answered."""
        given = Credentials(data.username, data.password, data.ssh_key, data.ssh_known_hosts)
        await repositories.set_credentials(principal, actor, uid, given)

    @delete(
        f"{PATH}/{{uid:str}}/credentials",
        guards=[requires("builds:write")],
        **documented("Forget the credentials for cloning", errors=CHANGE_ERRORS),
    )
    async def delete_credentials(principal: Caller, actor: Acting, uid: FromPath[str]) -> None:
        await repositories.set_credentials(principal, actor, uid, None)

    handlers = [add_webhook_secret, delete_webhook_secret]
    handlers += [set_secret, delete_secret, set_credentials, delete_credentials]
    return Router("/", route_handlers=handlers, tags=["Repositories"])
