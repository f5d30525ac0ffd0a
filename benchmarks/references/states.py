"""The route that takes states, with nothing behind it: `python -m benchmarks.references.states`.

Frame, authentication by a constant, checks of the body and answer are the product's own.
"""

import asyncio
import os
from datetime import UTC, datetime

import uvloop
from litestar import get

from libs.common import logging
from libs.common.database import Database
from libs.common.http.guards import OPEN
from libs.common.http.principal import SCOPES, Principal
from libs.common.jobs.live import Live
from libs.common.jobs.service import Jobs
from libs.common.redis import connect
from libs.common.settings import RuntimeSettings
from services.builds.routes import reported_builds
from services.builds.service.reports import Reports
from services.builds.service.state_posts import Standing, StatePost, StatePosts
from services.builds.states import BuildStatus
from services.gateway.frame import make_gateway
from services.gateway.server import Server, listen

_NOW = datetime(2026, 11, 20, tzinfo=UTC)
_SOMEBODY = Principal(user_id=None, name="pipeline", scopes=SCOPES)


class Forgetful(StatePosts):
    """Answers at once."""

    async def take(self, post: StatePost) -> Standing:
        return Standing(
            id=1,
            uid=post.ref,
            owner=None,
            executor="external",
            status=BuildStatus.IN_PROGRESS,
            state_code=post.state_code,
            stage=None,
            has_error=False,
            started_at=_NOW,
            finished_at=None,
            updated_at=_NOW,
        )


@get("/livez", opt=OPEN)
async def livez() -> dict[str, str]:
    return {"status": "alive"}


async def _somebody(credential: str) -> Principal:
    del credential
    return _SOMEBODY


async def main() -> None:
    database = Database(os.environ["DATABASE_URL"])
    jobs = Jobs(database, Live(connect(os.environ["REDIS_URL"])), [], RuntimeSettings())
    routes = reported_builds.router(Reports(database, jobs), Forgetful(database, jobs))
    app = make_gateway([livez, routes], authenticate=_somebody)
    with listen("127.0.0.1", int(os.environ["API_PORT"])) as listening:
        await Server(app, asyncio.Event()).serve(sockets=[listening])


if __name__ == "__main__":
    logging.configure("warning", service="reference")
    uvloop.run(main())
