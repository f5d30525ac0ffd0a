"""HTTP in, by resource: what forges send to, repositories and their secrets, deliveries, runs, builds, recipes."""

from litestar.types import ControllerRouterHandler

from libs.common.crypto import Sealer
from libs.common.database import Database
from libs.common.jobs.service import Jobs
from services.builds.routes import (
    artifacts,
    badges,
    builds,
    configurations,
    dashboard,
    deliveries,
    image_builds,
    matrix,
    recipes,
    reported_builds,
    repositories,
    repository_secrets,
    runs,
    variables,
    webhooks,
)
from services.builds.service import Builds
from services.builds.service.artifacts import Artifacts
from services.builds.service.badges import Badges
from services.builds.service.catalogue import Catalogue
from services.builds.service.configurations import Configurations
from services.builds.service.dashboard import Dashboard
from services.builds.service.delivery_log import DeliveryLog
from services.builds.service.matrix import Matrix
from services.builds.service.promotions import Promotions
from services.builds.service.recipes import Recipes
from services.builds.service.reports import Reports
from services.builds.service.repositories import Repositories
from services.builds.service.runs import Runs
from services.builds.service.sealed import Vault
from services.builds.service.signatures import Signatures
from services.builds.service.state_posts import StatePosts
from services.builds.service.statistics import Statistics
from services.builds.service.triggers import ImageBuilds
from services.builds.service.variables import Variables
from services.builds.service.workflows import Workflows
from services.builds.settings import GitHubSettings, WebhookSettings


def routers(
    database: Database,
    sealer: Sealer,
    jobs: Jobs,
    settings: WebhookSettings,
    github: GitHubSettings,
    *,
    accept_unsigned: bool,
    public_url: str | None,
    allow_file: bool,
) -> list[ControllerRouterHandler]:
    """The routes of the builds slice; to be registered after those of the jobs (see runs.py).

    `accept_unsigned` takes deliveries where no secret is set (development). `public_url` is where forges reach Slipway,
    None: where a request came to. `allow_file` lets repositories be cloned from folders of the workers' machine.
    """
    vault = Vault(sealer)
    registered = Repositories(database, vault, jobs)
    started = Runs(database, jobs, settings)
    reading = Recipes()
    saved = Configurations(database, reading)
    catalogue = Catalogue(database)
    made = ImageBuilds(database, jobs, catalogue, saved, reading, Workflows(database, jobs), github)
    return [
        webhooks.router(Builds(database, sealer, settings), jobs, accept_unsigned=accept_unsigned),
        repositories.router(registered, public_url=public_url, allow_file=allow_file),
        repository_secrets.router(registered),
        deliveries.router(DeliveryLog(database), started, Signatures(database, vault, settings)),
        runs.start(started, jobs.queue),
        reported_builds.router(Reports(database, jobs), StatePosts(database, jobs)),
        artifacts.router(Artifacts(database)),
        variables.router(Variables(database, sealer)),
        dashboard.router(Dashboard(database)),
        builds.router(catalogue, Promotions(database)),
        image_builds.router(made, catalogue),
        matrix.router(Matrix(database), Statistics(database)),
        badges.router(Badges(database)),
        recipes.router(reading),
        configurations.router(saved),
    ]
