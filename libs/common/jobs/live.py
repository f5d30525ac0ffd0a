"""Write a job's live picture to Redis: hash, its log stream and the event stream, together and in order.

One script does it, so that a reader sees all three or none, and so that the same entry id stands in `log:<id>` and in
`ev`: one global order, in which any SSE id is valid for a job's stream and for a multiplexed one. What carries an
older version or an older lease_no than the hash is dropped: a zombie cannot overwrite its successor.

Callers treat Redis as a mirror: they have committed already. A RedisError from here is never a job's failure;
the repairer writes again what was missed.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import NoScriptError

from libs.common import keys
from libs.common.jobs.view import LiveJob, to_hash

# KEYS: hash, log stream, event stream [, jobs stream, epoch]
# ARGV: type, fence (version or lease_no), ttl_s, owner, subject, job id, data, first line, line count, trim id,
#       events max length, number of hash pairs, pairs..., window, fields of the jobs stream entry...
# Answers {entry id, or "" when it was dropped as stale; 1 when the job was put into its stream; with a jobs stream the
# name of the data set, or "" when it has none yet}.
_SCRIPT = """
local kind, fence, ttl = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local known = redis.call('HGET', KEYS[1], kind == 'log' and 'lease_no' or 'version')
local stale = known and ((kind == 'log' and tonumber(known) > fence) or (kind ~= 'log' and tonumber(known) >= fence))

local pairs_end = 12 + 2 * tonumber(ARGV[12])

local enqueued = 0
local epoch = KEYS[5] and (redis.call('GET', KEYS[5]) or '')
if KEYS[4] and redis.call('XLEN', KEYS[4]) < tonumber(ARGV[pairs_end + 1]) then
  local entry = {}
  for i = pairs_end + 2, #ARGV do entry[#entry + 1] = ARGV[i] end
  redis.call('XADD', KEYS[4], '*', unpack(entry))
  enqueued = 1
end
if stale then
  redis.call('EXPIRE', KEYS[1], ttl)
  return {'', enqueued, epoch}
end

local now = redis.call('TIME')
local ms, seq = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000), 0
for i = 2, 3 do
  local last = redis.call('XREVRANGE', KEYS[i], '+', '-', 'COUNT', 1)[1]
  if last then
    local last_ms, last_seq = string.match(last[1], '(%d+)-(%d+)')
    last_ms, last_seq = tonumber(last_ms), tonumber(last_seq)
    if last_ms > ms or (last_ms == ms and last_seq >= seq) then ms, seq = last_ms, last_seq + 1 end
  end
end
local id = string.format('%.0f-%.0f', ms, seq)

if kind ~= 'log' then
  redis.call('DEL', KEYS[1])
  local fields = {}
  for i = 13, pairs_end do fields[#fields + 1] = ARGV[i] end
  redis.call('HSET', KEYS[1], unpack(fields))
end
redis.call('XADD', KEYS[2], id, 't', kind, 'n', ARGV[8], 'c', ARGV[9], 'd', ARGV[7])
if ARGV[10] ~= '' then redis.call('XTRIM', KEYS[2], 'MINID', ARGV[10]) end
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[11], id,
  't', kind, 'o', ARGV[4], 's', ARGV[5], 'j', ARGV[6], 'n', ARGV[8], 'c', ARGV[9], 'd', ARGV[7])
redis.call('EXPIRE', KEYS[2], ttl)
redis.call('EXPIRE', KEYS[1], ttl)
return {id, enqueued, epoch}
"""


class Happening(NamedTuple):
    """Something that happened to a thing by no job of ours, for the event stream alone.

    `type` is the event's name, `subject` the thing as "type:id", `data` one line of JSON.
    """

    type: str
    owner: int | None
    subject: str
    data: bytes


class Live:
    """The writer of live pictures; one per process, safe to share between tasks.

    `redis` answers bytes (decode_responses off) and has a socket time-out.
    """

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._sha: str | None = None

    async def publish(self, jobs: Sequence[LiveJob]) -> None:
        """Show each job's current state; a hash that knows this version already stays as it is. Raises RedisError."""
        if jobs:
            await self._run([_status_call(job) for job in jobs])

    async def enqueue(self, jobs: Sequence[LiveJob], *, window: int) -> tuple[list[LiveJob], str]:
        """Show each job and hand it to its stream in the same step, while the stream holds fewer than `window`.

        Answers the jobs that were handed out (the others wait for the publisher) and the name of the data set that
        took the first of them, "" when it had none yet. Raises RedisError.
        """
        if not jobs:
            return [], ""
        answers = await self._run([_status_call(job, window=window) for job in jobs])
        done = [job for job, (_, enqueued, _) in zip(jobs, answers, strict=True) if enqueued]
        return done, answers[0][2].decode()

    async def log(
        self,
        *,
        job_id: UUID,
        lease_no: int,
        owner: int | None,
        subject: str,
        lines: bytes,
        first_n: int,
        count: int,
        trim_before: str | None = None,
    ) -> str | None:
        """Append one batch of log lines (`lines`: a JSON array, encoded once for all readers).

        Answers the entry id, or None when a newer claim owns the job. `trim_before` cuts the job's stream to ids from
        there on. Raises RedisError.
        """
        head = (
            "log",
            lease_no,
            keys.LIVE_TTL_S,
            _owner(owner),
            subject,
            str(job_id),
            lines,
            first_n,
            count,
            trim_before or "",
        )
        [(entry_id, *_)] = await self._run([(_keys(job_id), [*head, keys.EVENTS_MAX_LEN, 0])])
        return entry_id.decode() or None

    async def tell(self, happenings: Sequence[Happening]) -> None:
        """Append events that are about no job, in one round trip. Raises RedisError."""
        pipe: Pipeline = self.redis.pipeline(transaction=False)
        for one in happenings:
            fields: dict[Any, Any] = {"t": one.type, "o": _owner(one.owner), "s": one.subject, "d": one.data}
            fields |= {"j": "", "n": 0, "c": 0}
            pipe.xadd(keys.EVENTS, fields, maxlen=keys.EVENTS_MAX_LEN)  # approximate
        await pipe.execute()

    async def _run(self, calls: Sequence[tuple[list[str], list[Any]]]) -> list[Any]:
        if self._sha is None:
            self._sha = await self.redis.script_load(_SCRIPT)
        try:
            return await self._pipeline(calls)
        except NoScriptError:  # Redis was restarted or flushed; nothing of this pipeline ran
            self._sha = await self.redis.script_load(_SCRIPT)
            return await self._pipeline(calls)

    async def _pipeline(self, calls: Sequence[tuple[list[str], list[Any]]]) -> list[Any]:
        pipe: Pipeline = self.redis.pipeline(transaction=False)
        for key_names, arguments in calls:
            pipe.execute_command("EVALSHA", self._sha, len(key_names), *key_names, *arguments)
        return list(await pipe.execute())


def status_event(job: LiveJob) -> bytes:
    """Encode the data of a `status` or `end` event: the whole public picture of the job."""
    return msgspec.json.encode(job.view)


def _status_call(job: LiveJob, *, window: int | None = None) -> tuple[list[str], list[Any]]:
    view = job.view
    kind, ttl_s = ("end", keys.DONE_TTL_S) if job.is_terminal else ("status", keys.LIVE_TTL_S)
    pairs = [part for pair in to_hash(job).items() for part in pair]
    subject = f"{view.subject.type}:{view.subject.id}"
    head = (kind, view.version, ttl_s, _owner(job.owner), subject, str(view.id), status_event(job), 0, 0, "")
    arguments: list[Any] = [*head, keys.EVENTS_MAX_LEN, len(pairs) // 2, *pairs]
    key_names = _keys(view.id)
    if window is not None:
        key_names += [keys.jobs_stream(view.domain, job.job_class), keys.EPOCH]
        arguments += [
            window,
            "id",
            str(view.id),
            "kind",
            view.kind,
            "subject",
            subject,
            "request_id",
            job.request_id or "",
        ]
    return key_names, arguments


def _keys(job_id: UUID) -> list[str]:
    return [keys.job_hash(job_id), keys.job_log(job_id), keys.EVENTS]


def _owner(owner: int | None) -> str:
    return "" if owner is None else str(owner)
