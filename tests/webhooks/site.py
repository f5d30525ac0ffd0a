"""The whole gateway on a real socket, a real database and a real Redis, as forges and operators see it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import func, insert, select

from libs.common.crypto import Sealer
from libs.common.database import Base, Database, utcnow
from libs.common.jobs.models import Job
from libs.common.settings import CoreSettings, ListenSettings, Loaded, Secret
from services.builds.models import Build, BuildState, Delivery, Repository
from services.builds.service.lookup import new_repository
from services.builds.service.sealed import Vault, WebhookSecret
from services.builds.settings import GitHubSettings, WebhookSettings
from services.gateway.app import GROUPS, create_app
from tests.builds.forges.payloads import SignedRequest
from tests.gateway.serving import KEY, SECRET_KEY, served, settings, with_driver
from tests.world import QUICK

SECRETS = {forge: f"the-secret-of-{forge}" for forge in ("gitea", "forgejo", "github", "gitlab")}
# Builds are accepted for it; nobody here dispatches them.
GITHUB = GitHubSettings(token=Secret("ghp_of-nobody"), repository="acme/images")
TABLES = (Delivery, Repository, Build, BuildState, Job)


@dataclass
class Site:
    """A running gateway: `client` sends without credentials, as forges do; `database` is for looking."""

    client: httpx.AsyncClient
    database: Database

    async def post(self, forge: str, request: SignedRequest, *, address: str = "") -> httpx.Response:
        """Send a delivery to the forge's address, or to that of the repository with this uid."""
        path = f"/webhook/{forge}/{address}" if address else f"/webhook/{forge}"
        return await self.client.post(path, content=request.body, headers=request.headers)

    async def read(self, path: str, **parameters: Any) -> httpx.Response:
        """Get something as JSON with a pipeline's API key."""
        headers = {"X-API-Key": KEY, "Accept": "application/json"}
        return await self.client.get(path, params=parameters, headers=headers)

    async def rows(self, table: type[Base]) -> Sequence[Any]:
        """Read a whole table, oldest rows first."""
        async with self.database.reading() as tx:
            return (await tx.execute(select(table.__table__).order_by(table.__table__.c.id))).all()

    async def counts(self) -> dict[str, int]:
        """Count the rows of all tables that an accepted delivery writes to."""
        async with self.database.reading() as tx:
            queries = {table.__tablename__: select(func.count()).select_from(table) for table in TABLES}
            return {name: (await tx.execute(query)).scalar_one() for name, query in queries.items()}

    async def register(self, forge: str, *webhook_secrets: str, full_name: str = "acme/app") -> str:
        """Make a shared repository with these webhook secrets, newest first; answers its uid."""
        values = new_repository(forge, full_name, f"https://git.example/{full_name}.git", executor="local")
        uid: str = values["uid"]
        known = [
            WebhookSecret(id=f"{number}", secret=secret, created_at=utcnow())
            for number, secret in enumerate(webhook_secrets)
        ]
        values["sealed_webhook_secrets"] = Vault(Sealer([SECRET_KEY])).seal(uid, "sealed_webhook_secrets", known)
        async with self.database.transaction() as tx:
            await tx.execute(insert(Repository).values(values))
        return uid


def webhook_settings(**changed: Any) -> WebhookSettings:
    """Settings with a secret for every forge."""
    return WebhookSettings(**{**{forge: Secret(secret) for forge, secret in SECRETS.items()}, **changed})


@asynccontextmanager
async def open_site(
    database_url: str,
    redis_url: str,
    *,
    webhooks: WebhookSettings | None = None,
    listening: ListenSettings | None = None,
    github: GitHubSettings = GITHUB,
    env: str = "test",
    looking_at: str | None = None,
) -> AsyncIterator[Site]:
    """Run a gateway for the length of the block; `looking_at` is the database that tests look at, if it is another."""
    chosen = Loaded(
        [
            *(group() for group in GROUPS),
            *settings(database_url, redis_url),
            QUICK,
            webhooks or webhook_settings(),
            listening or ListenSettings(),
            github,
            CoreSettings(env=env),  # type: ignore[arg-type] # a literal
        ]
    )
    closing = asyncio.Event()
    database = Database(with_driver(looking_at or database_url))
    try:
        async with served(create_app(chosen, closing=closing), closing=closing) as client:
            yield Site(client, database)
    finally:
        await database.close()
