"""What waits, what runs, and who works: reading the queues of all domains, and pausing them.

Everything is computed when it is read. Jobs do not know their places, so nothing has to be written when one ends.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog
from redis.exceptions import RedisError
from sqlalchemy import ColumnElement, Row, and_, func, select, union_all
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common import audit
from libs.common.audit import Actor
from libs.common.database import Database, among, now_sql, utcnow
from libs.common.jobs import heartbeats, store
from libs.common.jobs.claims import lane_free
from libs.common.jobs.heartbeats import Heartbeat
from libs.common.jobs.live import Live
from libs.common.jobs.models import PENDING_WORD, RUNNING_WORD, Domain, Job
from libs.common.jobs.places import Line, Share
from libs.common.jobs.publisher import Publisher
from libs.common.jobs.states import JobStatus
from libs.common.jobs.view import LiveJob
from libs.common.remembered import Remembered
from libs.common.settings import RuntimeSettings

log = structlog.get_logger()

# A hundred people who look at a page that refreshes itself cost one look; nobody sees that it is a second old.
_REMEMBERED_S: Final = 1.0
# Heartbeats are read in a millisecond; a Redis that takes longer than this does not answer.
_PATIENCE_S: Final = 1.0
RESUMED: Final = "its domain to be resumed"


@dataclass(frozen=True, slots=True)
class Switch:
    """Whether a domain is paused; since when, by whom and why (None: no reason was given) only when it is."""

    paused: bool = False
    paused_at: datetime | None = None
    paused_by: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How the queues of all domains stood at `at` (the database's clock)."""

    at: datetime
    switches: dict[str, Switch]
    lines: dict[tuple[str, str], Line]  # by domain and class of jobs

    def switch(self, domain: str) -> Switch:
        return self.switches.get(domain, Switch())

    def line(self, domain: str, job_class: str) -> Line:
        return self.lines.get((domain, job_class), Line(()))

    def shares(self, domain: str) -> list[Share]:
        """All shares of a domain, of both classes."""
        return [share for (name, _), line in self.lines.items() if name == domain for share in line.shares]


class Queue:
    """The queues as one gateway sees them."""

    def __init__(self, database: Database, live: Live, settings: RuntimeSettings) -> None:
        self._database = database
        self._live = live
        self._settings = settings
        self._standing = Remembered(self._read_standing, for_s=_REMEMBERED_S)
        self._workers = Remembered(self._read_workers, for_s=_REMEMBERED_S)

    # --- reading ----------------------------------------------------------------------------------------------------

    async def standing(self) -> Standing:
        """How all queues stand, at most a second ago."""
        return await self._standing.get()

    async def workers(self) -> Sequence[Heartbeat] | None:
        """The workers that live, by domain and name; None when Redis, where they tell it, does not answer."""
        return await self._workers.get()

    async def next(self, domain: str, most: int, visible: Callable[[str], bool]) -> list[LiveJob]:
        """The next jobs of a domain in the order of their places, of the sharers that are `visible`."""
        standing = await self.standing()
        wanted = {
            (job_class, sharer): count
            for (name, job_class), line in standing.lines.items()
            if name == domain
            for sharer, count in line.first(most, visible).items()
        }
        if not wanted:
            return []
        async with self._database.reading() as tx:
            heads = union_all(*(_oldest(tx, domain, *of, count) for of, count in wanted.items())).subquery()
            jobs = await store.get_many(tx, list(await tx.scalars(select(heads.c.id))))
        placed = [job for job in await self.placed(jobs) if job.view.position is not None]
        return sorted(placed, key=lambda job: (job.view.position, job.view.id))[:most]

    async def placed(self, jobs: Sequence[LiveJob]) -> list[LiveJob]:
        """The same jobs, those that wait with their place and what they wait for; as they are when SQL is away."""
        pending = [job.view.id for job in jobs if job.view.status is JobStatus.PENDING]
        if not pending and not any(job.view.waiting_for for job in jobs):
            return list(jobs)
        try:
            standing, workers = await self.standing(), await self.workers()
            waits, numbers = await self._waits(pending)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("places_unknown", reason=repr(error))
            return list(jobs)
        working = None if workers is None else {worker.domain for worker in workers}
        return [_placed(job, waits.get(job.view.id), numbers.get(job.view.id), standing, working) for job in jobs]

    # --- pausing ----------------------------------------------------------------------------------------------------

    async def pause(self, domain: str, actor: Actor, reason: str | None) -> None:
        """Let no further job of a domain start, on any worker, from now on; what runs goes on."""
        values = {"paused": True, "paused_at": utcnow(), "paused_by": actor.name, "reason": reason}
        async with self._database.transaction() as tx:
            await _switch(tx, domain, values)
            await audit.record(tx, actor, "domain.paused", ("domain", domain), reason=reason)
        self._standing.forget()

    async def resume(self, domain: str, actor: Actor) -> None:
        """End a pause; what waits is handed out at once. Nothing happens to a domain that is not paused."""
        values = {"paused": False, "paused_at": None, "paused_by": None, "reason": None}
        async with self._database.transaction() as tx:
            query = select(Domain.paused).where(Domain.name == domain)
            if not await tx.scalar(query.with_for_update()):
                return
            await _switch(tx, domain, values)
            await audit.record(tx, actor, "domain.resumed", ("domain", domain))
        self._standing.forget()
        try:
            await Publisher(domain, self._database, self._live, self._settings).tick(grace_s=0)
        except (RedisError, OSError, SQLAlchemyError, TimeoutError) as error:
            log.warning("resumed_domain_not_published", domain=domain, reason=repr(error))  # the publishers will

    # --- looking up -------------------------------------------------------------------------------------------------

    async def _read_standing(self) -> Standing:
        async with self._database.reading() as tx:
            now = (await tx.execute(select(now_sql(tx.dialect)))).scalar_one()
            counted = (await tx.execute(_counts(tx.dialect.name))).all()
            switched = (await tx.execute(select(Domain.__table__))).all()
        return Standing(
            at=now,
            switches={row.name: Switch(row.paused, row.paused_at, row.paused_by, row.reason) for row in switched},
            lines=_lines(counted),
        )

    async def _waits(self, job_ids: Sequence[UUID]) -> tuple[dict[UUID, Row[Any]], dict[UUID, int]]:
        """The rows of `_waits` and the numbers of `_numbers`, by job; a job that is not due has no number."""
        if not job_ids:
            return {}, {}
        async with self._database.reading() as tx:
            rows = (await tx.execute(_waits(tx.dialect.name), {"ids": job_ids})).all()
            of = {
                "ids": job_ids,
                "domains": [*{row.domain for row in rows}],
                "sharers": [*{row.sharer for row in rows}],
            }
            numbers = (await tx.execute(_numbers(tx.dialect.name), of)).all() if rows else []
        return {row.id: row for row in rows}, {row.id: row.number for row in numbers}

    async def _read_workers(self) -> Sequence[Heartbeat] | None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await heartbeats.read_all(self._live.redis)
        except (RedisError, OSError, TimeoutError):
            return None


@cache
def _counts(dialect_name: str) -> Any:
    """How many jobs of each sharer wait (and since when the oldest does), and how many run; two rows for who has both.

    The first half is answered from the index of what waits, the second has as many rows as run.
    """
    which = (Job.domain, Job.job_class, Job.sharer, Job.status)
    due = and_(Job.status == PENDING_WORD, Job.run_at <= now_sql(dialect_name))
    waiting = select(*which, func.count().label("jobs"), func.min(Job.run_at).label("oldest")).where(due)
    running = select(*which, func.count().label("jobs"), func.min(Job.run_at).label("oldest")).where(
        Job.status == RUNNING_WORD
    )
    return waiting.group_by(*which).union_all(running.group_by(*which))


def _lines(counted: Sequence[Row[Any]]) -> dict[tuple[str, str], Line]:
    both: dict[tuple[str, str], dict[str, dict[str, Row[Any]]]] = defaultdict(lambda: defaultdict(dict))
    for row in counted:
        both[row.domain, row.job_class][row.sharer][row.status] = row
    return {
        queue: Line([_share(sharer, rows.get("pending"), rows.get("running")) for sharer, rows in sharers.items()])
        for queue, sharers in both.items()
    }


def _share(sharer: str, waiting: Row[Any] | None, running: Row[Any] | None) -> Share:
    return Share(
        sharer=sharer,
        waiting=waiting.jobs if waiting else 0,
        running=running.jobs if running else 0,
        oldest=waiting.oldest if waiting else None,
    )


@cache
def _waits(dialect_name: str) -> Any:
    """What those of :ids that wait may wait for."""
    columns = (Job.id, Job.domain, Job.job_class, Job.sharer, Job.lane, Job.run_at)
    free = lane_free(dialect_name, Job).label("lane_is_free")
    return select(*columns, free).where(among(dialect_name, Job.id, "ids"), Job.status == PENDING_WORD)


@cache
def _numbers(dialect_name: str) -> Any:
    """The places (`number`, from 1) of :ids among the due jobs of their own sharers, who are :sharers."""
    same = [Job.domain, Job.job_class, Job.sharer]
    in_order = func.row_number().over(partition_by=same, order_by=[Job.run_at, Job.id])
    due = and_(Job.status == PENDING_WORD, Job.run_at <= now_sql(dialect_name))
    theirs = and_(among(dialect_name, Job.domain, "domains"), among(dialect_name, Job.sharer, "sharers"))
    numbered = select(Job.id, in_order.label("number")).where(due, theirs).subquery()
    return select(numbered.c.id, numbered.c.number).where(among(dialect_name, numbered.c.id, "ids"))


def _oldest(tx: AsyncConnection, domain: str, job_class: str, sharer: str, count: int) -> Any:
    mine: ColumnElement[bool] = and_(Job.domain == domain, Job.job_class == job_class, Job.sharer == sharer)
    query = select(Job.id).where(mine, Job.status == PENDING_WORD, Job.run_at <= now_sql(tx.dialect))
    return select(query.order_by(Job.run_at, Job.id).limit(count).subquery().c.id)  # SQLite limits no part of a union


def _placed(
    job: LiveJob, row: Row[Any] | None, number: int | None, standing: Standing, working: set[str] | None
) -> LiveJob:
    """The job with its place; `row` of `_waits` is None for one that does not wait for its first start."""
    view, paused = job.view, standing.switch(job.view.domain).paused
    if row is None:
        if view.waiting_for and view.status is JobStatus.RUNNING and paused:
            return msgspec.structs.replace(job, view=msgspec.structs.replace(view, waiting_for=RESUMED))
        return job
    position = None if number is None else standing.line(row.domain, row.job_class).place(row.sharer, number)
    if paused:
        reason = RESUMED
    elif position is None:
        reason = f"its time, {row.run_at:%Y-%m-%d %H:%M:%S} UTC"
    elif not row.lane_is_free:
        reason = f"an earlier job of {row.lane}"
    elif working is not None and row.domain not in working:
        reason = f"a worker of the domain {row.domain}: none is alive"
    else:
        reason = f"queue position {position}"
    return msgspec.structs.replace(job, view=msgspec.structs.replace(view, position=position, waiting_for=reason))


async def _switch(tx: AsyncConnection, domain: str, values: dict[str, Any]) -> None:
    insert = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
    values = values | {"updated_at": utcnow()}
    statement = insert(Domain).values(name=domain, **values)
    await tx.execute(statement.on_conflict_do_update(index_elements=[Domain.name], set_=values))


def visible_to(user_id: int | None, *, see_all: bool) -> Callable[[str], bool]:
    """Which sharers' jobs a caller may see: all, or their own and shared ones."""
    return lambda sharer: see_all or sharer == f"user:{user_id}" or not sharer.startswith("user:")
