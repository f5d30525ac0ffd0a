"""One worker process of one domain: everything tied together, with signals, heartbeat and metrics.

`libs.common.worker.main` makes one from settings and calls `serve`.
"""

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.common import keys, metrics
from libs.common.children import Children
from libs.common.database import Database, utcnow
from libs.common.jobs import claims, heartbeats
from libs.common.jobs.claims import Claimed, Lease
from libs.common.jobs.heartbeats import Heartbeat, RunningJob
from libs.common.jobs.kinds import JobClass, JobRules
from libs.common.jobs.live import Live
from libs.common.jobs.models import sharer
from libs.common.jobs.publisher import CLASSES, Publisher
from libs.common.jobs.repairer import Repairer
from libs.common.jobs.service import Jobs
from libs.common.jobs.turns import Turn, take_turn
from libs.common.jobs.view import LiveJob
from libs.common.outage import Outage
from libs.common.redis import connect, connect_blocking
from libs.common.settings import RuntimeSettings
from libs.common.tasks import end, supervise
from libs.common.version import VERSION
from libs.common.worker.context import Handler
from libs.common.worker.engine import Engine, make_pool
from libs.common.worker.intake import Intake
from libs.common.worker.leases import Interrupt, Leases, clock_s
from libs.common.worker.runtime import Runtime
from libs.common.worker.slots import Slots
from libs.common.worker.throughput import Throughput

log = structlog.get_logger()


class WorkerService:
    """A worker of `domain`; `run()` works until `stop()` and then gives everything back."""

    def __init__(
        self,
        domain: str,
        handlers: Sequence[Handler],
        *,
        database: Database,
        redis_url: str,
        children: Children,
        settings: RuntimeSettings,
    ) -> None:
        self.domain = domain
        # Never reused: a restarted process must not look like the holder of its predecessor's leases.
        self.name = f"{domain}-{socket.gethostname()}-{secrets.token_hex(4)}"
        self._database = database
        self._settings = settings
        self._redis_url = redis_url
        self._redis: Redis = connect(redis_url)
        live = Live(self._redis)
        rules = [JobRules(handler.message, handler.on_end) for handler in handlers]
        self._jobs = Jobs(database, live, rules, settings)
        self._slots = Slots({"light": settings.slots_light, "heavy": settings.slots_heavy})
        self._children = children
        self._runtime = Runtime(
            handlers=handlers, jobs=self._jobs, children=self._children, slots=self._slots, settings=settings
        )
        self._leases = Leases(
            self.name, database, settings, interrupt=self._runtime.interrupt, renewed=self._after_renewal
        )
        self._runtime.leases = self._leases
        self._engine = Engine(
            domain,
            make_pool(redis_url),
            slots=self._slots,
            settings=settings,
            claim=self._claim,
            run_step=self._runtime.run,
            give_back=self._give_back,
        )
        self._publisher = Publisher(domain, database, live, settings)
        self._repairer = Repairer(database, live, settings)
        self._served = dict.fromkeys(CLASSES, "")  # the sharer whose turn was last
        self._started = Throughput()
        self._stop = asyncio.Event()
        self._background: set[asyncio.Task[None]] = set()
        self._started_at = datetime.now(UTC)

    def stop(self) -> None:
        """Begin to stop; `run` returns when everything is given back."""
        self._stop.set()

    async def run(self) -> None:
        log.info("worker_started", worker=self.name, domain=self.domain)
        keep_alive = [self._leases.run, self._beat]
        take_work = [self._engine.main, self._listen_cancels, self._publisher.run, self._repairer.run]
        take_work += [self._intake(job_class).run for job_class in CLASSES]
        async with _running(keep_alive):
            async with _running(take_work):
                await self._stop.wait()
                self._slots.close()
            await self._drain()
        await self._close()
        log.info("worker_stopped", worker=self.name)

    # --- claims -----------------------------------------------------------------------------------------------------

    async def _claim(self, job_ids: Sequence[uuid.UUID]) -> list[Claimed]:
        """Claim those of the jobs that may run now."""
        sent_at_s = clock_s()
        async with self._database.transaction() as tx:
            claimed, turned_away = await claims.claim(tx, job_ids, self.name, self._settings.lease_s)
        return self._taken(claimed, turned_away, sent_at_s)

    async def _claim_read(
        self, job_class: JobClass, read: Sequence[uuid.UUID], *, scarce: bool
    ) -> tuple[list[Claimed], Sequence[uuid.UUID]]:
        """Claim for entries that were read from a stream, in turn when slots are scarce; see intake.Claim."""
        sent_at_s = clock_s()
        turn = Turn(read)
        async with self._database.transaction() as tx:
            if scarce:
                turn = await take_turn(tx, self.domain, job_class, read, self._served[job_class])
            claimed, turned_away = await claims.claim(tx, turn.chosen, self.name, self._settings.lease_s)
        if claimed:
            last = claimed[-1].job
            self._served[job_class] = turn.served or sharer(last.owner, last.view.repo)
        return self._taken(claimed, turned_away, sent_at_s), turn.passed_over

    def _taken(self, claimed: list[Claimed], turned_away: Sequence[LiveJob], sent_at_s: float) -> list[Claimed]:
        self._started.add(sum(one.lease.number == 1 for one in claimed))
        for one in claimed:
            self._leases.add(one.lease, sent_at_s)
            metrics.JOB_WAIT.labels(self.domain).observe(one.waited_s)
        self._show_later([*(one.job for one in claimed), *turned_away])
        return claimed

    def _show_later(self, jobs: Sequence[LiveJob]) -> None:
        """Show "running" beside the start of the handlers instead of before it."""

        async def show() -> None:
            try:
                await self._jobs.live.publish(jobs)
            except (RedisError, OSError) as error:
                log.warning("claims_not_shown", reason=repr(error))

        self._background.add(task := asyncio.create_task(show()))
        task.add_done_callback(self._background.discard)

    async def _give_back(self, claimed: Claimed) -> None:
        """Return a claim whose step never began."""
        self._leases.remove(claimed.lease)
        try:
            async with self._database.transaction() as tx:
                job = await claims.again(tx, claimed.lease, after_s=1, waiting_for=None, clean=False)
            await self._jobs.live.publish([job])
        except Exception as error:  # noqa: BLE001 - the lease lapses by itself
            log.warning("claim_not_given_back", job_id=str(claimed.lease.job_id), reason=repr(error))

    async def _after_renewal(self, leases: list[Lease]) -> None:
        self._children.beat({str(lease.job_id) for lease in leases})
        await self._engine.refresh(leases)

    def _intake(self, job_class: JobClass) -> Intake:
        return Intake(
            self.domain,
            job_class,
            self._redis_url,
            consumer=self.name,
            slots=self._slots,
            claim=partial(self._claim_read, job_class),
            start=self._engine.start,
        )

    # --- side tasks -------------------------------------------------------------------------------------------------

    async def _listen_cancels(self) -> None:
        """Look at the leases at once when somebody asks for a cancel; a lost message costs one renewal interval."""
        outage = Outage("cancel_channel")
        while True:
            redis = connect_blocking(self._redis_url, block_s=30)
            try:
                async with redis.pubsub() as channel:
                    await channel.subscribe(keys.CANCEL_CHANNEL)
                    outage.over()
                    while True:
                        message = await channel.get_message(ignore_subscribe_messages=True, timeout=30)
                        if message and uuid.UUID(message["data"].decode()) in self._runtime.running:
                            self._leases.look_now()
            except (RedisError, OSError, TimeoutError, ValueError) as error:
                outage.failed(error)
                await asyncio.sleep(1)
            finally:
                await redis.aclose()

    async def _beat(self) -> None:
        """Tell that this worker lives, and what it does."""
        outage = Outage("heartbeat")
        while True:
            try:
                await self._write_heartbeat()
            except (RedisError, OSError, TimeoutError) as error:
                outage.failed(error)
            else:
                outage.over()
            await asyncio.sleep(self._settings.heartbeat_every_s)

    async def _write_heartbeat(self) -> None:
        running = [
            RunningJob(job.view.id, job.view.kind, job.view.subject, job.view.started_at, job.owner)
            for job in self._runtime.running_jobs
        ]
        heartbeat = Heartbeat(
            domain=self.domain,
            name=self.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=VERSION,
            started_at=self._started_at,
            seen_at=utcnow(),
            slots=self._slots.use(),
            jobs=running,
            started=self._started.total(),
            ended=self._runtime.ended.total(),
        )
        await heartbeats.beat(self._redis, heartbeat)

    # --- the end ----------------------------------------------------------------------------------------------------

    async def _drain(self) -> None:
        """Let short jobs end, interrupt the others; leases are renewed meanwhile.

        Heavy work is interrupted at once: it will not end within the grace, and somebody else can begin again.
        """
        for arq_id in list(self._engine.tasks):
            job_class, _, job_id = arq_id.partition(":")
            if job_class == "heavy":
                self._runtime.interrupt(uuid.UUID(job_id), Interrupt.SHUTDOWN)
        try:
            async with asyncio.timeout(self._settings.shutdown_grace_s):
                await self._slots.wait_idle()
        except TimeoutError:
            for running in self._runtime.running:
                self._runtime.interrupt(running, Interrupt.SHUTDOWN)
            try:
                async with asyncio.timeout(self._settings.cancel_grace_s):
                    await self._slots.wait_idle()
            except TimeoutError:
                log.warning("handlers_do_not_stop", jobs=[str(job_id) for job_id in self._runtime.running])

    async def _close(self) -> None:
        await self._children.close()
        await self._jobs.marker.close()
        with contextlib.suppress(RedisError, OSError):  # it expires by itself
            await heartbeats.leave(self._redis, self.domain, self.name)
        await self._engine.pool.aclose(close_connection_pool=True)
        await self._redis.aclose()
        await self._database.close()


@asynccontextmanager
async def _running(parts: Sequence[Callable[[], Coroutine[Any, Any, None]]]) -> AsyncIterator[None]:
    """Run each part as a supervised task for as long as the block lasts."""
    tasks = [asyncio.create_task(supervise(part)) for part in parts]
    try:
        yield
    finally:
        await end(*tasks)


async def serve(worker: WorkerService) -> None:
    """Run a worker until SIGTERM or SIGINT; a second signal of the same kind ends the process at once."""
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, _on_signal, worker, name)
    await worker.run()


def _on_signal(worker: WorkerService, name: signal.Signals) -> None:
    loop = asyncio.get_running_loop()
    loop.remove_signal_handler(name)  # the next one of its kind ends us the default way
    worker.stop()
