"""HTTP in, by resource: what forges send to, repositories, deliveries, runs."""

from litestar import Router

from libs.common.jobs.service import Jobs
from services.builds.routes import repositories, repository_secrets, webhooks
from services.builds.service import Builds
from services.builds.service.repositories import Repositories


def routers(
    builds: Builds,
    kept: Repositories,
    jobs: Jobs,
    *,
    accept_unsigned: bool,
    public_url: str | None,
    allow_file: bool,
) -> list[Router]:
    """The routes of the builds slice.

    `accept_unsigned` takes deliveries where no secret is set (development). `public_url` is where forges reach Slipway,
    None: where a request came to. `allow_file` lets repositories be cloned from folders of the workers' machine.
    """
    return [
        webhooks.router(builds, jobs, accept_unsigned=accept_unsigned),
        repositories.router(kept, public_url=public_url, allow_file=allow_file),
        repository_secrets.router(kept),
    ]
