"""Run one step of a claimed job and commit what came of it.

A step is: decide whether it may run at all (poison, deadline, unknown kind, cancel), run the handler as a task of its
own that can be interrupted for four reasons, turn its answer into a decision, and write the decision under the
lease's fence. Whatever happens in a handler, the worker goes on.
"""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from libs.common import metrics
from libs.common.batch import Batch
from libs.common.children import Children
from libs.common.database import Database
from libs.common.errors import LeaseLost
from libs.common.jobs import cancelling, claims
from libs.common.jobs.claims import Claimed, Lease
from libs.common.jobs.joblog.writer import JobLog
from libs.common.jobs.kinds import Again, Cancelled, Done, JobFailure, Message, Outcome
from libs.common.jobs.service import Jobs
from libs.common.jobs.view import LiveJob
from libs.common.settings import RuntimeSettings
from libs.common.worker import decisions
from libs.common.worker.context import Context, Handler
from libs.common.worker.decisions import Decision
from libs.common.worker.leases import Interrupt, Leases
from libs.common.worker.slots import Slots
from libs.common.worker.throughput import Throughput

log = structlog.get_logger()

# After two crashes a job runs alone in its worker; when that one dies too, the job is to blame and not its neighbours.
ALONE_AFTER_CRASHES = 2
POISON_CRASHES = 3
# An older worker in a rolling deploy meets kinds it does not know; 10 s gives a newer one the chance to take them.
UNKNOWN_KIND_WAIT_S = 10.0
# How long a job that must run alone waits for its neighbours before it gives its place back.
ALONE_WAIT_S = 60.0
# Ends and events of jobs that end together are written together: a few milliseconds that nobody sees give several
# times the throughput. 500 is one statement's worth, far below PostgreSQL's 32,767 bind parameters.
_COLLECT_S = 0.003
_MOST = 500
# arq's alarm clock serves waits up to here; longer ones are left to the publisher.
ALARM_MAX_S = 60.0


@dataclass(slots=True)
class _Running:
    job: LiveJob
    task: asyncio.Task[Done | Again | Cancelled] | None = None
    reason: Interrupt | None = None
    undoing: bool = False
    stopped: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Runtime:
    """Runs steps; one per worker process."""

    def __init__(
        self,
        *,
        handlers: Sequence[Handler],
        jobs: Jobs,
        children: Children,
        slots: Slots,
        settings: RuntimeSettings,
    ) -> None:
        self._handlers: Mapping[str, Handler] = {handler.message.kind: handler for handler in handlers}
        self._jobs = jobs
        self._database: Database = jobs.database
        self._children = children
        self._slots = slots
        self._settings = settings
        self._running: dict[uuid.UUID, _Running] = {}
        self._ends: Batch[Lease, LiveJob] = Batch(self._end_plain, collect_s=_COLLECT_S, most=_MOST)
        self._shows: Batch[LiveJob, None] = Batch(self._show_all, collect_s=_COLLECT_S, most=_MOST)
        self.ended = Throughput()
        self.leases: Leases  # set by the worker service: leases and runtime know each other

    @property
    def running(self) -> list[uuid.UUID]:
        """Ids of the jobs whose step runs now."""
        return list(self._running)

    @property
    def running_jobs(self) -> list[LiveJob]:
        """The jobs whose step runs now, as they were claimed."""
        return [running.job for running in self._running.values()]

    def interrupt(self, job_id: uuid.UUID, why: Interrupt) -> None:
        """Stop a running step; the first reason decides, except that a lost lease overrules all others."""
        running = self._running.get(job_id)
        if running is None or running.reason is Interrupt.LEASE_LOST:
            return
        if running.reason is not None and why is not Interrupt.LEASE_LOST:
            return
        if running.undoing and why is Interrupt.CANCEL:
            return
        running.reason = why
        if not running.stopped.done():
            running.stopped.set_result(None)
        if running.task is not None:
            running.task.cancel()

    async def run(self, claimed: Claimed) -> float | None:
        """Run one step under the claim's lease and commit its end.

        Answers the seconds until the job wants to run again when a short alarm is enough, else None.
        """
        job = claimed.job.view
        structlog.contextvars.bind_contextvars(job_id=str(job.id), request_id=claimed.job.request_id)
        self._running[job.id] = _Running(claimed.job)
        joblog = JobLog(claimed=claimed, live=self._jobs.live, database=self._database, settings=self._settings)
        try:
            decision = await self._decide(claimed, joblog)
            await decisions.say(joblog, decision)
            return await self._commit(claimed, joblog, decision)
        except LeaseLost:
            log.warning("lease_lost", lease_no=claimed.lease.number)
            return None
        finally:
            del self._running[job.id]
            self.leases.remove(claimed.lease)
            await joblog.close()
            structlog.contextvars.clear_contextvars()

    # --- what to do -------------------------------------------------------------------------------------------------

    async def _decide(self, claimed: Claimed, joblog: JobLog) -> Decision:
        job = claimed.job.view
        handler = self._handlers.get(job.kind)
        if handler is None:
            return decisions.NotYet(UNKNOWN_KIND_WAIT_S, waiting_for=f"a worker that knows the kind {job.kind}")
        if claimed.crashes >= POISON_CRASHES:
            return decisions.failed(
                "POISON", f"Its worker died {claimed.crashes} times while running it, the last time alone"
            )
        try:
            message = msgspec.json.decode(claimed.payload, type=handler.message)
        except msgspec.MsgspecError as error:
            return decisions.failed("BAD_MESSAGE", f"The job's message cannot be read: {error}")
        context = Context(
            claimed,
            database=self._database,
            live=self._jobs.live,
            leases=self.leases,
            children=self._children,
            joblog=joblog,
        )
        if claimed.cancel_requested:
            return await self._undo(handler, message, context, await self._cancelled(job.id))
        deadline = handler.message.policy.deadline
        if deadline is not None and claimed.age_s > deadline.total_seconds():
            failure = JobFailure("DEADLINE_EXCEEDED", f"Not finished {deadline} after it was asked for")
            return await self._undo(handler, message, context, Outcome("failed", failure))
        if claimed.crashes >= ALONE_AFTER_CRASHES:
            async with self._slots.alone(ALONE_WAIT_S) as alone:
                if not alone:
                    return decisions.NotYet(
                        30, waiting_for="a worker with nothing else to do: this job's worker died twice"
                    )
                return await self._step(handler, message, context, claimed)
        return await self._step(handler, message, context, claimed)

    async def _step(self, handler: Handler, message: Message, context: Context, claimed: Claimed) -> Decision:
        running = self._running[claimed.lease.job_id]
        policy = handler.message.policy
        task = asyncio.create_task(_call(handler, message, context))
        running.task = task
        if running.reason is not None:  # told to stop while the step was prepared
            task.cancel()
        either: set[asyncio.Future[Any]] = {task, running.stopped}
        await asyncio.wait(either, timeout=policy.timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            self.interrupt(claimed.lease.job_id, Interrupt.TIMEOUT)  # unless it was told to stop already
            await asyncio.wait({task}, timeout=policy.cancel_timeout_s)
        if not task.done():
            log.error("handler_does_not_stop", kind=handler.message.kind)
        match running.reason:
            case None:
                pass
            case Interrupt.LEASE_LOST:
                raise LeaseLost(f"job {claimed.lease.job_id}: interrupted")
            case Interrupt.SHUTDOWN:
                if not task.done() or task.cancelled():
                    return decisions.Release()
            case Interrupt.CANCEL:
                if not decisions.finished(task):
                    return await self._undo(handler, message, context, await self._cancelled(context.job.id))
            case Interrupt.TIMEOUT:
                if not decisions.finished(task):
                    failure = JobFailure("TIMEOUT", f"The step took longer than {policy.timeout_s:g} s")
                    return await self._undo(handler, message, context, Outcome("failed", failure))
        return decisions.read(task, handler, claimed)

    async def _cancelled(self, job_id: uuid.UUID) -> Outcome:
        """How a job ends whose flag is up; with the database away, for no particular reason."""
        try:
            async with self._database.reading() as tx:
                return Outcome("cancelled", await cancelling.why(tx, job_id))
        except (SQLAlchemyError, OSError, TimeoutError):
            return Outcome("cancelled", cancelling.ASKED)

    async def _undo(self, handler: Handler, message: Message, context: Context, outcome: Outcome) -> Decision:
        """Run the kind's cancel step, bounded; the job ends as `outcome` whatever comes of it."""
        running = self._running[context.job.id]
        running.undoing, running.reason = True, None
        if handler.cancel is not None:
            timeout_s = handler.message.policy.cancel_timeout_s
            try:
                async with asyncio.timeout(timeout_s):
                    await handler.cancel(message, context)
            except LeaseLost:
                raise
            except Exception as error:
                log.warning("cancel_step_failed", exc_info=True)
                await context.log.write(f"Not everything could be undone: {error!r}", level="error")
        return outcome

    # --- what came of it --------------------------------------------------------------------------------------------

    async def _commit(self, claimed: Claimed, joblog: JobLog, decision: Decision) -> float | None:
        """Write the decision; an outage of the database is waited out for as long as the lease may hold."""
        while True:
            try:
                return await self._write(claimed, joblog, decision)
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("end_of_step_not_written", reason=repr(error))
                await asyncio.sleep(0.5)  # far below the lease, far above a busy loop
                if await self._ended_after_all(claimed):
                    return None
                self.leases.check(claimed.lease)

    async def _ended_after_all(self, claimed: Claimed) -> bool:
        """A COMMIT whose reply was lost has ended the job already."""
        try:
            async with self._database.reading() as tx:
                job = await claims.read_end(tx, claimed.lease)
        except (SQLAlchemyError, OSError, TimeoutError):
            return False
        if job is not None:
            await self._ended(job)
        return job is not None

    async def _write(self, claimed: Claimed, joblog: JobLog, decision: Decision) -> float | None:
        lease = claimed.lease
        match decision:
            case Outcome():
                await self._end(claimed, joblog, decision)
                return None
            case Again():
                await joblog.flush()
                async with self._database.transaction() as tx:
                    job = await claims.again(
                        tx,
                        lease,
                        after_s=decision.after_s,
                        waiting_for=decision.waiting_for,
                        checkpoint=decision.checkpoint,
                        clean=not isinstance(decision, decisions.NotYet),
                    )
                    await joblog.finish(tx)
                await self._show(job)
                return self._alarm_s(decision.after_s)
            case decisions.Retry():
                waiting_for = f"try {decision.tries + 1} after {decision.failure.code}: {decision.failure.message}"
                await joblog.flush()
                async with self._database.transaction() as tx:
                    job = await claims.again(
                        tx, lease, after_s=decision.after_s, waiting_for=waiting_for, failed_tries=decision.tries
                    )
                    await joblog.finish(tx)
                await self._show(job)
                return self._alarm_s(decision.after_s)
            case decisions.Release():
                await joblog.flush()
                async with self._database.transaction() as tx:
                    job = await claims.again(
                        tx, lease, after_s=0, waiting_for="another worker: this one is shutting down", clean=False
                    )
                    await joblog.finish(tx)
                await self._jobs.announce([job])
                return None

    async def _end(self, claimed: Claimed, joblog: JobLog, outcome: Outcome) -> None:
        handler = self._handlers.get(claimed.job.view.kind)
        lane = claimed.lane
        if outcome == _PLAIN_SUCCESS and lane is None and joblog.is_empty and (not handler or handler.on_end is None):
            await self._ended(await self._ends.do(claimed.lease))
            return
        await joblog.flush()
        async with self._database.transaction() as tx:
            job = await claims.end(tx, claimed.lease, outcome)
            if handler is not None and handler.on_end is not None:
                await handler.on_end(tx, job, outcome)
            await joblog.finish(tx)
        await self._ended(job)
        if lane is not None:
            async with self._database.reading() as tx:
                following = await claims.next_in_lane(tx, lane)
            await self._jobs.announce(following)

    async def _end_plain(self, leases: Sequence[Lease]) -> list[LiveJob | Exception]:
        """End jobs that simply succeeded, all in one transaction."""
        async with self._database.transaction() as tx:
            ended = {job.view.id: job for job in await claims.succeed_many(tx, leases, leases[0].owner)}
        return [ended.get(lease.job_id) or LeaseLost(f"job {lease.job_id}: the claim is over") for lease in leases]

    async def _ended(self, job: LiveJob) -> None:
        view = job.view
        self.ended.add(1)
        metrics.JOBS.labels(view.domain, view.kind, view.status.value).inc()
        if view.duration is not None:
            metrics.JOB_DURATION.labels(view.domain, view.kind).observe(view.duration)
        await self._show(job)

    async def _show(self, job: LiveJob) -> None:
        try:
            await self._shows.do(job)
        except (RedisError, OSError) as error:
            log.warning("job_not_shown", reason=repr(error))

    async def _show_all(self, jobs: Sequence[LiveJob]) -> list[Exception | None]:
        await self._jobs.live.publish(jobs)
        return [None] * len(jobs)

    @staticmethod
    def _alarm_s(after_s: float) -> float | None:
        return after_s if after_s <= ALARM_MAX_S else None


_PLAIN_SUCCESS = Outcome("success")


async def _call(handler: Handler, message: Message, context: Context) -> Done | Again | Cancelled:
    return await handler.run(message, context)
