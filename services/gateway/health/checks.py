"""How the service is: for load balancers, monitors, people, and the clients that each of the five systems documented.

Liveness touches nothing. Readiness is about accepting work, so only the database can make it fail: without Redis work
is accepted and begins later.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.common.database import Database
from libs.common.jobs import heartbeats
from libs.common.jobs.heartbeats import Heartbeat
from services.builds.settings import LocalRunnerSettings

log = structlog.get_logger()

DOMAINS: Final = ("builds", "vms", "deployer")
# Probes come every second or two from several sides; a dependency is asked at most this often.
_REMEMBERED_S: Final = 1.0
# A probe's own time-out is seldom under 5 s; a dependency that takes longer than this is down for our purpose.
_PATIENCE_S: Final = 2.0


class Check(msgspec.Struct, frozen=True):
    """The state of one dependency; `message` is for people and says what to mend."""

    healthy: bool
    message: str
    response_ms: float | None = None


AskCheck = Callable[[], Awaitable[Check]]


def local_provider(settings: LocalRunnerSettings) -> AskCheck:
    """Make the check that tells operators whether pushed code runs on their own machine."""
    on = "on: pipelines run on the workers' machines, isolated by user id and limits only; for trusted repositories"
    off = "off: builds of repositories with this provider fail; LOCAL_PROVIDER=true turns it on"
    check = Check(healthy=True, message=on if settings.enabled else off)

    async def ask() -> Check:
        return check

    return ask


class Health:
    """Asks the dependencies. `further` are checks that are shown but decide nothing (a local provider)."""

    def __init__(
        self, database: Database, redis: Redis, *, env: str, further: Mapping[str, AskCheck] | None = None
    ) -> None:
        self._database = database
        self._redis = redis
        self.env = env
        self._started_s = time.monotonic()
        self._asks: dict[str, AskCheck] = {"database": self._ask_database, "redis": self._ask_redis, **(further or {})}
        self._asked: dict[str, tuple[float, asyncio.Task[Check]]] = {}

    @property
    def names(self) -> Collection[str]:
        """The dependencies that can be asked about."""
        return self._asks.keys()

    @property
    def uptime_s(self) -> float:
        return round(time.monotonic() - self._started_s, 1)

    async def check(self, name: str) -> Check:
        """Ask one dependency, or share an answer that is younger than a second; never raises."""
        now = time.monotonic()
        asked = self._asked.get(name)
        if asked is None or now - asked[0] > _REMEMBERED_S:
            asked = self._asked[name] = (now, asyncio.create_task(_timed(self._asks[name])))
        return await asyncio.shield(asked[1])

    async def checks(self) -> dict[str, Check]:
        """Ask everything at once."""
        answers = await asyncio.gather(*map(self.check, self._asks))
        return dict(zip(self._asks, answers, strict=True))

    async def workers(self) -> Sequence[Heartbeat]:
        """The workers that told of themselves lately, by domain and name; none when Redis does not answer."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await heartbeats.read_all(self._redis)
        except (RedisError, OSError, TimeoutError):
            return []

    async def _ask_database(self) -> Check:
        await self._database.ping(_PATIENCE_S)
        return Check(healthy=True, message="answers")

    async def _ask_redis(self) -> Check:
        warnings = await redis_warnings(self._redis)
        return Check(healthy=True, message="; ".join(warnings) or "answers")


async def redis_warnings(redis: Redis) -> list[str]:
    """Name the ways in which this server's configuration may lose jobs' live state; empty when it is sound.

    What a managed service does not tell is not warned about. Raises RedisError.
    """
    info: dict[str, Any] = await redis.info("persistence") | await redis.info("memory")
    warnings = []
    if info.get("aof_enabled") == 0:
        warnings.append("append-only file is off: a restart loses what is waiting, it comes back from SQL in seconds")
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        warnings.append(f"maxmemory-policy is {policy}: keys may vanish at any time, set it to noeviction")
    return warnings


async def _timed(ask: AskCheck) -> Check:
    started = time.perf_counter()
    try:
        async with asyncio.timeout(_PATIENCE_S):
            answer = await ask()
    except Exception as error:  # noqa: BLE001 - whatever a driver raises, the answer is: down
        log.debug("dependency_down", reason=repr(error))  # the answer says so; the publishers warn
        return Check(healthy=False, message=f"does not answer ({type(error).__name__})")
    return msgspec.structs.replace(answer, response_ms=round((time.perf_counter() - started) * 1000, 2))
