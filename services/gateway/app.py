"""The composition root: the one place that knows all slices.

`create_app` makes the parts in the order in which they need each other, gives them to the routes, and opens and closes
what runs beside the requests. Nothing is connected before the app starts, so a database or Redis that is down does not
keep a gateway from starting: it answers 503 or does without, and works as soon as they are there.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import structlog
from litestar import Litestar
from sqlalchemy.exc import SQLAlchemyError

from libs.common.auth.hashing import Passwords
from libs.common.auth.keys import StaticKeys
from libs.common.auth.secret_key import secret_keys
from libs.common.auth.tokens import Tokens
from libs.common.crypto import Sealer
from libs.common.database import Database
from libs.common.http.idempotency import Idempotency
from libs.common.http.limits import Limits
from libs.common.jobs.joblog.reader import LogReader
from libs.common.jobs.live import Live
from libs.common.jobs.publisher import Publisher
from libs.common.jobs.repairer import Repairer
from libs.common.jobs.service import Jobs
from libs.common.redis import connect
from libs.common.settings import (
    CoreSettings,
    DatabaseSettings,
    KeySettings,
    ListenSettings,
    Loaded,
    RedisSettings,
    RuntimeSettings,
    Settings,
)
from libs.common.tasks import end, supervise
from services.builds import routes as builds_routes
from services.builds import service as builds_service
from services.builds.settings import GitHubSettings, LocalRunnerSettings, WebhookSettings
from services.gateway import metrics
from services.gateway.accounts import routes as accounts_routes
from services.gateway.accounts.authentication import Authenticator
from services.gateway.accounts.cookies import Cookies
from services.gateway.accounts.service.api_keys import ApiKeys
from services.gateway.accounts.service.logins import Logins, SessionLife
from services.gateway.accounts.service.users import Users
from services.gateway.accounts.service.uses import Uses
from services.gateway.audit import routes as audit_routes
from services.gateway.frame import Gateway, make_gateway
from services.gateway.health import routes as health_routes
from services.gateway.health.checks import DOMAINS, AskCheck, Health, local_provider
from services.gateway.health.github import GitHubCheck
from services.gateway.jobs import routes as jobs_routes
from services.gateway.jobs.ends import Ends
from services.gateway.jobs.hub import Hub
from services.gateway.queue import routes as queue_routes
from services.gateway.retention import Retention
from services.gateway.settings import GatewaySettings, LimitSettings, OlderSettings, RetentionSettings
from services.gateway.ui import routes as ui_routes

log = structlog.get_logger()

GROUPS: Final[tuple[type[Settings], ...]] = (
    CoreSettings,
    KeySettings,
    ListenSettings,
    DatabaseSettings,
    RedisSettings,
    RuntimeSettings,
    GatewaySettings,
    LimitSettings,
    RetentionSettings,
    OlderSettings,
    WebhookSettings,
    LocalRunnerSettings,
    GitHubSettings,
)
_RETRY_S: Final = 2.0
# With the database there it takes 30 ms; with the database away the gateway starts without.
_FIRST_ADMIN_S: Final = 2.0


def create_app(loaded: Loaded, *, closing: asyncio.Event | None = None) -> Gateway:
    """Make the gateway from its settings (`GROUPS`).

    `closing` is set by whoever stops the process, so that open event streams end; None: nobody does, they are cut.
    Raises SettingsError for a SECRET_KEY that is not secret.
    """
    core, chosen, runtime = loaded[CoreSettings], loaded[GatewaySettings], loaded[RuntimeSettings]
    secrets = secret_keys(core, loaded[KeySettings])
    closing = closing or asyncio.Event()

    database = Database(loaded[DatabaseSettings].url.reveal(), pool_size=loaded[DatabaseSettings].pool_size)
    redis_url = loaded[RedisSettings].url.reveal()
    redis = connect(redis_url)
    live = Live(redis)
    jobs = Jobs(database, live, builds_service.RULES, runtime)
    hub = Hub(redis_url, database, closing)

    passwords = Passwords()
    users = Users(database, passwords)
    tokens = Tokens(secrets, lifetime_s=chosen.access_token_minutes * 60)
    life = SessionLife(idle=timedelta(minutes=chosen.session_idle_minutes), whole=timedelta(hours=chosen.session_hours))
    logins, uses = Logins(database, passwords, tokens, life), Uses(database)
    authenticator = Authenticator(database, StaticKeys(chosen.static_keys(core)), tokens, life, uses)
    listen = loaded[ListenSettings]
    cookies = Cookies(
        life,
        always_secure=core.env == "production" and not listen.is_loopback,
        proxy_hops=chosen.trusted_proxies,
    )
    signups = listen.is_loopback if chosen.allow_signups is None else chosen.allow_signups
    limit = loaded[LimitSettings]
    limits = Limits(
        redis,
        per_key=limit.per_key,
        per_address=limit.per_address,
        per_login=limit.per_login,
        patience_s=limit.patience_ms / 1000,
    )
    idempotency = Idempotency(database, secrets)
    further: dict[str, AskCheck] = {"local_provider": local_provider(loaded[LocalRunnerSettings])}
    github = GitHubCheck(loaded[GitHubSettings])
    if loaded[GitHubSettings].configured:
        further["github"] = github
    health = Health(database, redis, env=core.env, further=further)

    parts = [Publisher(domain, database, live, runtime).run for domain in DOMAINS]
    parts += [Repairer(database, live, runtime).run, hub.run, uses.run]
    kept = loaded[RetentionSettings]
    retention = Retention(
        database, audit_days=kept.audit_days, delivery_days=kept.delivery_days, build_days=kept.build_days
    )
    parts += [retention.run]

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        first_admin = asyncio.create_task(_make_first_admin(users, chosen))
        await asyncio.wait({first_admin}, timeout=_FIRST_ADMIN_S)
        tasks = [asyncio.create_task(supervise(part)) for part in parts]
        try:
            yield
        finally:
            await end(first_admin, *tasks)
            await jobs.marker.close()
            await idempotency.close()
            passwords.close()
            await github.close()
            await redis.aclose()
            await database.close()

    return make_gateway(
        [
            health_routes.router(health),
            metrics.router(database),
            accounts_routes.router(users, logins, ApiKeys(database), cookies, signups=signups),
            jobs_routes.router(jobs, hub, LogReader(database, redis)),
            queue_routes.router(jobs.queue),
            *builds_routes.routers(
                database,
                Sealer(secrets),
                jobs,
                loaded[WebhookSettings],
                loaded[GitHubSettings],
                accept_unsigned=core.env == "development",
                public_url=loaded[ListenSettings].public_url,
                allow_file=loaded[LocalRunnerSettings].allow_insecure_clone,
            ),
            audit_routes.router(database),
            ui_routes.router(),
        ],
        authenticate=authenticator,
        idempotency=idempotency,
        limits=limits,
        await_end=Ends(hub, jobs),
        cors_origins=chosen.cors_origins,
        proxy_hops=chosen.trusted_proxies,
        lifespan=[lifespan],
    )


async def _make_first_admin(users: Users, chosen: GatewaySettings) -> None:
    """Make the bootstrap administrator as soon as the database is there."""
    email, password = chosen.bootstrap_admin_email, chosen.bootstrap_admin_password
    if email is None or password is None:
        return
    while True:
        try:
            await users.ensure_first_admin(email, password.reveal())
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("first_admin_waits", reason=repr(error))
            await asyncio.sleep(_RETRY_S)
        else:
            return
