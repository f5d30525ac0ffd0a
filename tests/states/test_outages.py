"""What pipelines are told while something that Slipway needs is down."""

import pytest

from services.builds.models import BuildState
from tests.servers import RedisServer
from tests.states.builds import failed, made, reached
from tests.webhooks.people import pipeline
from tests.webhooks.site import open_site


@pytest.mark.databases("sqlite", "postgresql")
async def test_redis_is_not_needed(database: str, redis_server: RedisServer) -> None:
    """With Redis gone, and with Redis frozen, builds are made, reported on and read; only the live events are lost."""
    async with open_site(database, redis_server.url) as site:
        concourse = pipeline(site)
        redis_server.kill()
        uid = await made(concourse)
        await reached(concourse, uid, 10)
        redis_server.start()
        redis_server.pause()
        try:
            await reached(concourse, uid, 25)
            await failed(concourse, uid)
        finally:
            redis_server.resume()
        assert (await concourse.get(f"/builds/{uid}")).json()["current_state"] == 25
        assert [one.state_code for one in await site.rows(BuildState)] == [0, 10, 25, 25]
