"""What became of builds, how long their stages took, and where they fail."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Float, Select, Subquery, and_, cast, func, select

from libs.common.database import Database, UTCDateTime, utcnow
from libs.common.http.principal import Principal
from services.builds.models import Build, BuildState
from services.builds.service.catalogue import BuildFilter, builds_seen_by, conditions_of
from services.builds.stages import STEP
from services.builds.states import BuildStatus

# The stages of the newest of them say how things are going: 2,000 builds with a dozen entries each take PostgreSQL 50
# ms, whatever the time that is asked for.
MEASURED_MAX: Final = 2000
# Nearest rank: the least time that at least 95 of 100 builds did not exceed.
_PERCENT: Final = 95


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the builds that were measured.

    `count` builds left it, having spent `average_s` in it and 95 of 100 at most `p95_s` (None: nobody left it yet);
    `failures` of them failed in it.
    """

    state_code: int
    count: int
    average_s: float | None
    p95_s: float | None
    failures: int


@dataclass(frozen=True, slots=True)
class Figures:
    """All that is told: counts of the builds that were asked for, and the stages of the newest `measured` of them."""

    builds: int
    succeeded: int
    failed: int
    measured: int
    stages: list[Stage]

    @property
    def most_failing(self) -> Stage | None:
        """The stage in which most builds failed, the earlier one of two; None when none failed."""
        worst = max(self.stages, key=lambda stage: stage.failures, default=None)
        return worst if worst is not None and worst.failures else None


class Statistics:
    """Figures about the builds that somebody may see."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, principal: Principal, wanted: BuildFilter, *, days: int) -> Figures:
        """Look at the builds of a filter that were made in the last `days` days."""
        made = Build.created_at >= utcnow() - timedelta(days=days)
        conditions = [builds_seen_by(principal), made, *conditions_of(wanted)]
        async with self._database.reading() as tx:
            counts = (await tx.execute(_counts(*conditions))).one()
            measured = select(Build.id).where(*conditions).order_by(Build.id.desc()).limit(MEASURED_MAX).subquery()
            times = {row.code: row for row in await tx.execute(_times(measured, tx.dialect.name))}
            failures = {row.code: row.failures for row in await tx.execute(_failures(measured))}
        stages = [_stage(code, times.get(code), failures.get(code, 0)) for code in sorted({*times, *failures})]
        return Figures(counts.builds, counts.succeeded, counts.failed, min(counts.builds, MEASURED_MAX), stages)


def _stage(code: int, times: Any | None, failures: int) -> Stage:
    if times is None:
        return Stage(code, 0, None, None, failures)
    return Stage(code, times.count, times.average_s, times.p95_s, failures)


def _counts(*conditions: ColumnElement[bool]) -> Select[int, int, int]:
    def ended_as(status: BuildStatus) -> ColumnElement[int]:
        return func.count().filter(Build.status == status.value)

    succeeded, failed = ended_as(BuildStatus.SUCCESS), ended_as(BuildStatus.FAILURE)
    counted = (func.count().label("builds"), succeeded.label("succeeded"), failed.label("failed"))
    return select(*counted).select_from(Build).where(*conditions)


# A stage is five codes wide; providers report what lies in between too.
_CODE: Final = (BuildState.state_code - BuildState.state_code % STEP).label("code")


def _times(measured: Subquery, dialect_name: str) -> Select[Any]:
    """The time that builds spent in each stage: how many, the average, and the 95th percentile by nearest rank.

    A build that came back to a stage after a failure has all its visits added up. Only entries in progress count: what
    waits for a worker, or stands failed until somebody looks at it, is in no stage. Percentiles by rank, because
    SQLite has no function for them, and both databases should say the same.
    """
    entries = (
        select(
            BuildState.build_id,
            _CODE,
            BuildState.status,
            _seconds_between(BuildState.created_at, _NEXT_AT, dialect_name).label("lasted_s"),
        )
        .where(BuildState.build_id.in_(select(measured.c.id)))
        .subquery()
    )
    in_stage = and_(entries.c.status == BuildStatus.IN_PROGRESS.value, entries.c.lasted_s.is_not(None))
    visits = (
        select(entries.c.code, func.sum(entries.c.lasted_s).label("spent_s"))
        .where(in_stage)
        .group_by(entries.c.build_id, entries.c.code)
        .subquery()
    )
    ranked = select(
        visits,
        func.row_number().over(partition_by=visits.c.code, order_by=visits.c.spent_s).label("place"),
        func.count().over(partition_by=visits.c.code).label("of"),
    ).subquery()
    within = ranked.c.place * 100 >= ranked.c["of"] * _PERCENT
    return select(
        ranked.c.code,
        func.count().label("count"),
        func.avg(ranked.c.spent_s).label("average_s"),
        func.min(ranked.c.spent_s).filter(within).label("p95_s"),
    ).group_by(ranked.c.code)


_NEXT_AT: Final = func.lead(BuildState.created_at, type_=UTCDateTime).over(
    partition_by=BuildState.build_id, order_by=BuildState.id
)


def _seconds_between(earlier: Any, later: Any, dialect_name: str) -> ColumnElement[float]:
    if dialect_name == "sqlite":
        return (func.julianday(later, type_=Float) - func.julianday(earlier, type_=Float)) * 86400.0
    return cast(func.extract("epoch", later - earlier), Float)


def _failures(measured: Subquery) -> Select[int, int]:
    """In how many builds each stage failed; one that failed there twice is one build."""
    of_measured = BuildState.build_id.in_(select(measured.c.id))
    failed = and_(of_measured, BuildState.status == BuildStatus.FAILURE.value)
    builds = func.count(BuildState.build_id.distinct())
    return select(_CODE, builds.label("failures")).where(failed).group_by(_CODE)
