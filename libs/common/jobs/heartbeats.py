"""The workers' signs of life: each writes one every few seconds, /queue and /status read them all.

They stand in Redis only (keys.py: a hash for each worker, which expires, and one sorted set with their names), so a
heartbeat costs one round trip and reading them as many commands as there are workers, however many keys Redis holds.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.common import keys
from libs.common.database import utcnow
from libs.common.jobs.view import Subject

# Names of workers that went without a word (kill -9, power) are forgotten after an hour; their hashes are gone by then.
_FORGET_AFTER = timedelta(hours=1)


class SlotUse(msgspec.Struct, frozen=True):
    """How many slots of one class a worker has, and how many are in use."""

    used: int
    total: int


class RunningJob(msgspec.Struct, frozen=True):
    """A job whose step a worker runs now; `started_at` is the job's first start, `owner` None for a shared one."""

    id: UUID
    kind: str
    subject: Subject
    started_at: datetime | None
    owner: int | None


class Heartbeat(msgspec.Struct, frozen=True):
    """What a worker process says about itself.

    `slots` is by class of jobs. `started` and `ended` count jobs of the last five minutes, as far as this process has
    lived; a job counts as started at its first claim.
    """

    domain: str
    name: str
    host: str
    pid: int
    version: str
    started_at: datetime
    seen_at: datetime
    slots: dict[str, SlotUse]
    jobs: list[RunningJob]
    started: int
    ended: int


async def beat(redis: Redis, heartbeat: Heartbeat) -> None:
    """Write a heartbeat; it is gone WORKER_TTL_S later unless it is written again. Raises RedisError."""
    key = keys.worker_hash(heartbeat.domain, heartbeat.name)
    fields = {name: msgspec.json.encode(value) for name, value in msgspec.structs.asdict(heartbeat).items()}
    pipe = redis.pipeline(transaction=True)
    pipe.hset(key, mapping=fields)
    pipe.expire(key, keys.WORKER_TTL_S)
    pipe.zadd(keys.WORKERS, {key: heartbeat.seen_at.timestamp()})
    pipe.zremrangebyscore(keys.WORKERS, 0, (utcnow() - _FORGET_AFTER).timestamp())
    await pipe.execute()


async def leave(redis: Redis, domain: str, name: str) -> None:
    """Take back the heartbeats of a worker that stops. Raises RedisError."""
    key = keys.worker_hash(domain, name)
    pipe = redis.pipeline(transaction=True)
    pipe.delete(key)
    pipe.zrem(keys.WORKERS, key)
    await pipe.execute()


async def read_all(redis: Redis) -> Sequence[Heartbeat]:
    """The workers that live, by domain and name. Raises RedisError."""
    pipe = redis.pipeline(transaction=False)
    for name in await redis.zrange(keys.WORKERS, 0, -1):
        pipe.hgetall(name)
    beats = [_heartbeat(fields) for fields in await pipe.execute(raise_on_error=False)]
    return sorted((one for one in beats if one is not None), key=lambda one: (one.domain, one.name))


def _heartbeat(fields: dict[bytes, bytes] | RedisError) -> Heartbeat | None:
    """Read a worker's hash; None when it has expired, or is no hash, or of a version that wrote something else."""
    if isinstance(fields, RedisError):
        return None
    try:
        said = {field.decode(): msgspec.Raw(value) for field, value in fields.items()}
        return msgspec.json.decode(msgspec.json.encode(said), type=Heartbeat)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
