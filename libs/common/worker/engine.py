"""arq as the engine inside a worker, without the defects of stock arq 0.28 that the design lists.

SQL decides who may run a job, so arq's own queue is only an alarm clock (when a waiting job is due again) and a picture
of what runs (KEDA counts it). What is changed, and why:

* new jobs come from the intake, which starts them directly: arq's polling alone gives a median wait of half its delay;
* due jobs are claimed in SQL, many at once, instead of by WATCH and an in-progress key that nobody renews;
* a running entry carries the lease's deadline as its score, so it neither blocks the head of the queue nor stays
  invisible for the longest timeout of any function after a kill;
* nothing that happens in a job, and no outage of Redis, ends the worker;
* finishing never stores a result, and never depends on Redis having room;
* no signals, no abort set, no cron: shutdown and cancel are ours.

tests/worker/test_arq_contract.py pins what this file relies on in arq's insides.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Self, cast

import msgspec
import structlog
from arq.connections import ArqRedis
from arq.constants import job_key_prefix
from arq.jobs import serialize_job
from arq.typing import WorkerCoroutine
from arq.worker import Retry, Worker, func
from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError

from libs.common import keys
from libs.common.batch import Batch
from libs.common.jobs.claims import Claimed, Lease
from libs.common.outage import Outage
from libs.common.redis import connection_options
from libs.common.settings import RuntimeSettings
from libs.common.worker.slots import Slots

log = structlog.get_logger()

STEP = "step"
# arq must never be the one that decides: its time-out and its count of tries are set out of the way.
_NEVER_S = 10 * 24 * 3600
_MANY_TRIES = 1_000_000


def make_pool(url: str) -> ArqRedis:
    """Make arq's connection pool; its own one has no socket time-out and hangs for ever on a stalled server."""
    pool = ConnectionPool.from_url(url, **connection_options(url, socket_timeout_s=5, retries=1))
    return _Redis(connection_pool=pool, job_serializer=msgspec.json.encode, job_deserializer=msgspec.json.decode)


class _Redis(ArqRedis):
    """Redis as arq sees it, except for the transaction with which `run_job` begins.

    There arq reads the call that the job is, and counts a try: five commands and a round trip for each job. The call is
    always the same step, and tries are counted in SQL, so both are answered here.
    """

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Any:  # noqa: FBT001, FBT002 - redis-py's signature
        return _Call() if transaction else super().pipeline(transaction, shard_hint)


class _Call:
    """Answers `get job key, incr tries, expire tries` with the serialized call of a step."""

    _arq_id = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def get(self, job_key: str) -> None:
        self._arq_id = job_key.removeprefix(job_key_prefix)

    def incr(self, _: str) -> None:
        pass

    def expire(self, _: str, __: int) -> None:
        pass

    async def execute(self) -> tuple[bytes, int, bool]:
        now_ms = int(time.time() * 1000)
        return serialize_job(STEP, (self._arq_id,), {}, None, now_ms, serializer=msgspec.json.encode), 1, True


class Engine(Worker):
    """One worker process's arq.

    `claim(ids)` claims due jobs in SQL; `run_step(claimed)` runs one and answers when it wants to be woken (seconds)
    or None; `give_back(claimed)` returns a claim that never started.
    """

    def __init__(
        self,
        domain: str,
        pool: ArqRedis,
        *,
        slots: Slots,
        settings: RuntimeSettings,
        claim: Callable[[Sequence[uuid.UUID]], Awaitable[list[Claimed]]],
        run_step: Callable[[Claimed], Awaitable[float | None]],
        give_back: Callable[[Claimed], Awaitable[None]],
    ) -> None:
        logging.getLogger("arq").setLevel(logging.WARNING)  # its two lines a job say less than ours
        super().__init__(
            functions=[
                func(
                    cast("WorkerCoroutine", self._step),
                    name=STEP,
                    timeout=_NEVER_S,
                    max_tries=_MANY_TRIES,
                    keep_result=0,
                )
            ],
            queue_name=keys.arq_queue(domain),
            redis_pool=pool,
            handle_signals=False,
            max_jobs=settings.slots_light + settings.slots_heavy,
            poll_delay=settings.poll_delay_s,
            health_check_interval=settings.heartbeat_every_s,
            health_check_key=f"{keys.arq_queue(domain)}:health:{uuid.uuid4().hex[:8]}",
            keep_result=0,
            job_serializer=msgspec.json.encode,
            job_deserializer=msgspec.json.decode,
            log_results=False,
        )
        self._slots = slots
        self._settings = settings
        self._claim = claim
        self._run_step = run_step
        self._give_back = give_back
        self._finishes: Batch[tuple[str, float | None], None] = Batch(self._finish_all, collect_s=0.002, most=500)
        self._outage = Outage("alarm_clock")
        self._claimed: dict[str, Claimed] = {}
        self._alarms_s: dict[str, float] = {}

    async def start(self, claimed: Sequence[Claimed]) -> None:
        """Run claimed jobs, each in its slot (taken by the caller), as arq tasks.

        When Redis cannot take arq's entries the claims are given back: the jobs run when it can.
        """
        deadline_ms = self._now_ms() + int(self._settings.lease_s * 1000)
        try:
            await self.pool.zadd(self.queue_name, {_arq_id(one): deadline_ms for one in claimed})
        except (RedisError, OSError) as error:
            log.warning("claimed_jobs_not_started", jobs=len(claimed), reason=repr(error))
            for one in claimed:
                await self._give_back(one)
                await self._slots.give_back(one.job.job_class)
            return
        for one in claimed:
            arq_id = _arq_id(one)
            before = self.tasks.get(arq_id)
            self.tasks[arq_id] = self.loop.create_task(self._run(arq_id, one, deadline_ms, before))

    async def refresh(self, leases: Sequence[Lease]) -> None:
        """Move the running entries' deadlines on; called after each renewal of the leases in SQL."""
        held = {str(lease.job_id) for lease in leases}
        running = [arq_id for arq_id in self.tasks if arq_id.partition(":")[2] in held]
        if not running:
            return
        deadline_ms = self._now_ms() + int(self._settings.lease_s * 1000)
        try:
            await self.pool.zadd(self.queue_name, dict.fromkeys(running, deadline_ms), xx=True)
        except (RedisError, OSError) as error:
            log.warning("arq_entries_not_refreshed", reason=repr(error))

    # --- arq's insides ----------------------------------------------------------------------------------------------

    async def main(self) -> None:
        """Poll for due alarms until cancelled; unlike arq's own loop it outlives every error."""
        while True:
            try:
                await self._poll_iteration()
            except (RedisError, OSError, TimeoutError) as error:
                self._outage.failed(error)
            else:
                self._outage.over()
            await asyncio.sleep(self.poll_delay_s)

    async def start_jobs(self, job_ids: list[bytes]) -> None:
        """Claim due jobs in SQL and start them; an entry that may not run now leaves the queue.

        Called by arq's poll with the ids whose score has come. Due work goes before new work: it takes its slots
        here, before the intake looks again.
        """
        due: list[tuple[str, str, uuid.UUID]] = []
        for raw in job_ids:
            arq_id = raw.decode()
            job_class, _, job_id = arq_id.partition(":")
            if arq_id not in self.tasks and self._slots.free(job_class) > 0:
                self._slots.take(job_class)
                due.append((arq_id, job_class, uuid.UUID(job_id)))
        if not due:
            return
        try:
            claimed = await self._claim([job_id for _, _, job_id in due])
        except BaseException:
            for _, job_class, _ in due:
                await self._slots.give_back(job_class)
            raise
        started = {one.lease.job_id for one in claimed}
        not_started = [(arq_id, job_class) for arq_id, job_class, job_id in due if job_id not in started]
        for _, job_class in not_started:
            await self._slots.give_back(job_class)
        if not_started:
            await self.pool.zrem(self.queue_name, *(arq_id for arq_id, _ in not_started))
        if claimed:
            await self.start(claimed)

    async def finish_job(
        self,
        job_id: str,
        finish: bool,  # noqa: FBT001 - arq's signature
        result_data: bytes | None,  # noqa: ARG002
        result_timeout_s: float | None,  # noqa: ARG002
        keep_result_forever: bool,  # noqa: ARG002, FBT001
        incr_score: int | None,  # noqa: ARG002
        keep_in_progress: float | None,  # noqa: ARG002
    ) -> None:
        """Remove a step's entry, or let it be its alarm; neither decides anything."""
        alarm_s = self._alarms_s.pop(job_id, None)
        await self._finishes.do((job_id, None if finish else alarm_s))

    async def _finish_all(self, finished: Sequence[tuple[str, float | None]]) -> list[Exception | None]:
        alarms = {job_id: self._now_ms() + int(after_s * 1000) for job_id, after_s in finished if after_s is not None}
        over = [job_id for job_id, after_s in finished if after_s is None]
        if alarms:
            await self.pool.zadd(self.queue_name, alarms)
        if over:
            await self.pool.zrem(self.queue_name, *over)
        return [None] * len(finished)

    async def _step(self, ctx: dict[Any, Any], arq_id: str) -> None:  # noqa: ARG002 - arq's signature
        claimed = self._claimed.pop(arq_id, None)
        if claimed is None:
            return  # an entry of a process that died; SQL knows whether the job still has to run
        alarm_s = await self._run_step(claimed)
        if alarm_s is not None:
            self._alarms_s[arq_id] = alarm_s
            raise Retry(defer=alarm_s)

    async def _run(self, arq_id: str, claimed: Claimed, score: int, before: asyncio.Task[Any] | None) -> None:
        """Run arq's `run_job` so that nothing in it can reach the worker, and free the slot.

        `before` is the job's step before, when that is still saying its last words: it has committed and given the
        lease back, so a cancel or a wake let this worker claim the job again at once. What both keep under the job's
        name belongs to one of them at a time.
        """
        is_waiting = True
        try:
            if before is not None:
                await asyncio.wait({before})
            self._claimed[arq_id], is_waiting = claimed, False
            await self.run_job(arq_id, score)
        except (RedisError, OSError) as error:
            log.warning("arq_could_not_keep_its_books", job_id=arq_id, reason=repr(error))
        except Exception:
            log.exception("arq_task_failed", job_id=arq_id)
        finally:
            if is_waiting or self._claimed.pop(arq_id, None) is not None:  # ended before our step began
                await self._give_back(claimed)
            self._alarms_s.pop(arq_id, None)
            if self.tasks.get(arq_id) is asyncio.current_task():
                del self.tasks[arq_id]
            await self._slots.give_back(claimed.job.job_class)

    @staticmethod
    def _now_ms() -> int:
        return int(time.time() * 1000)


def _arq_id(claimed: Claimed) -> str:
    """arq's name for a job carries its class, so that a due one is claimed only when its slot is free."""
    return f"{claimed.job.job_class}:{claimed.lease.job_id}"
