"""News of workflow runs: the job that waits for a run is woken, and reads from GitHub how the run stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.database import among
from libs.common.jobs import store
from services.builds.forges import ForgeEvent
from services.builds.models import Build
from services.builds.service.deliveries import Accepted, Ignored
from services.builds.states import ENDED, BuildStatus

RUN_UNKNOWN: Final = Ignored("RUN_UNKNOWN", "No build of Slipway waits for this workflow run")


@dataclass(frozen=True, slots=True)
class Run:
    """A workflow run that moved on."""

    repository: str
    run_id: int

    @classmethod
    def of(cls, event: ForgeEvent) -> "Run":
        assert event.repository is not None
        assert event.run_id is not None
        return cls(event.repository.casefold(), event.run_id)  # GitHub ignores case in names


async def wake(tx: AsyncConnection, runs: Sequence[Run]) -> dict[Run, Accepted | Ignored]:
    """Wake the jobs of the builds that wait for these runs; after the commit announce those that the answers hold.

    Most runs of an organisation are none of ours: they cost this one SELECT by an index, however many there are.
    """
    if not runs:
        return {}
    rows = await tx.execute(_waiting(tx.dialect.name), {"run_ids": sorted({run.run_id for run in runs})})
    waiting = {Run(row.run_repository.casefold(), row.run_id): row for row in rows if row.run_repository}
    answers: dict[Run, Accepted | Ignored] = {}
    # Jobs are locked in the order of their ids, as everywhere.
    ours = sorted({run for run in runs if run in waiting}, key=lambda run: waiting[run].job_id)
    for run in ours:
        row = waiting[run]
        job = await store.wake(tx, row.job_id)
        answers[run] = Accepted(row.id, row.job_id, job=job, woken=True)
    return answers | {run: RUN_UNKNOWN for run in runs if run not in waiting}


@cache
def _waiting(dialect_name: str) -> Any:
    columns = (Build.id, Build.job_id, Build.run_repository, Build.run_id)
    alive = [status.value for status in BuildStatus if status not in ENDED]
    named = among(dialect_name, Build.run_id, "run_ids")
    # Of several builds with one run the newest is left: it is the one that a person sees.
    return select(*columns).where(named, Build.status.in_(alive), Build.job_id.is_not(None)).order_by(Build.id)
