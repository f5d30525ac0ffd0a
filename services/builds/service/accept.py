"""Accepting verified deliveries, all that arrive at the same time in one transaction.

While one transaction is under way, the deliveries that come meanwhile wait and share the next one. A commit (an fsync)
and its round trips are then paid once for dozens of them, and on an idle gateway nobody waits for anybody.
"""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from libs.common.batch import Batch
from libs.common.database import Database
from libs.common.jobs.view import LiveJob
from services.builds.forges import EventKind, ForgeEvent
from services.builds.service import deliveries
from services.builds.service.deliveries import Accepted, Ignored, Incoming
from services.builds.service.lookup import concerned, one_at_a_time
from services.builds.service.newest import supersede
from services.builds.service.starts import Start, start_builds
from services.builds.service.wakes import RUN_UNKNOWN, Run, wake
from services.builds.settings import WebhookSettings

# A transaction of 64 deliveries takes some 30 ms; larger ones gain nothing and let the first of them wait longer.
_MOST: Final = 64


@dataclass(frozen=True, slots=True)
class Verified:
    """A delivery that was proven to come from its forge, and what it says."""

    incoming: Incoming
    event: ForgeEvent
    fingerprint: str

    @property
    def names(self) -> tuple[str, ...]:
        """What it is known again by: its content and, when its forge gave it one, its id."""
        seen_as = deliveries.seen_as(self.incoming)
        return (self.fingerprint,) if seen_as is None else (self.fingerprint, seen_as)


class Acceptance:
    """Takes verified deliveries; one per process."""

    def __init__(self, database: Database, settings: WebhookSettings) -> None:
        self._database = database
        self._settings = settings
        self._batch: Batch[Verified, Accepted | Ignored] = Batch(self._together, collect_s=0, most=_MOST)

    async def take(self, delivery: Verified) -> Accepted | Ignored:
        """Write a delivery down and, when it is to be built, its build and job; returns after the commit.

        However many requests of one delivery come at the same time, here or at other gateways, they make one build.
        """
        return await self._batch.do(delivery)

    async def _together(self, some: Sequence[Verified]) -> Sequence[Accepted | Ignored | Exception]:
        try:
            return await self._in_one_transaction(some)
        except Exception:  # noqa: BLE001 - the trial of each one alone says whose it was
            # One that cannot be stored must not fail its neighbours; a twin that committed first is found now.
            return await asyncio.gather(*(self._alone(one) for one in some))

    async def _alone(self, one: Verified) -> Accepted | Ignored | Exception:
        try:
            [answer] = await self._in_one_transaction([one])
        except Exception as error:  # noqa: BLE001 - the batch raises it for whoever waits for this one
            return error
        return answer

    async def _in_one_transaction(self, some: Sequence[Verified]) -> list[Accepted | Ignored]:
        names = [name for one in some for name in one.names]
        async with self._database.transaction() as tx:
            await one_at_a_time(tx, names)
            seen = await deliveries.seen(tx, names)
            repositories = await concerned(tx, [(one.incoming.address, one.event) for one in some], self._settings)
            decisions = _decide(some, repositories, seen)
            starts = [decision for decision in decisions if isinstance(decision, Start)]
            started, superseded = await start_builds(tx, starts), await supersede(tx, starts)
            woken = await wake(tx, [decision for decision in decisions if isinstance(decision, Run)])
            answers = _answers(decisions, started, superseded, woken)
            await deliveries.keep(tx, _rows(some, repositories, answers))
        return answers


# A build to be started, a run whose job is to be woken, an answer that is known already, or the build that a twin in
# the same batch starts. (Twins that tell of a run fail the batch by their name, and are then taken one by one.)
_Decision = Start | Run | Accepted | Ignored | uuid.UUID


def _decide(
    some: Sequence[Verified], repositories: Sequence[Any | None], seen: Mapping[str, Accepted]
) -> list[_Decision]:
    decisions: list[_Decision] = []
    known: dict[str, Accepted | uuid.UUID] = {**seen}
    for one, repository in zip(some, repositories, strict=True):
        earlier = next((known[name] for name in one.names if name in known), None)
        if earlier is not None:
            decisions.append(earlier)
        elif one.event.kind is EventKind.WORKFLOW and not _is_elsewhere(one, repository):
            decisions.append(Run.of(one.event))
        elif (objection := deliveries.objection(one.event, repository)) is not None:
            decisions.append(Ignored(objection.code, objection.message))
        else:
            incoming = one.incoming
            start = Start(repository, one.event, request_id=incoming.request_id, traceparent=incoming.traceparent)
            known |= dict.fromkeys(one.names, start.job_id)
            decisions.append(start)
    return decisions


def _is_elsewhere(one: Verified, repository: Any | None) -> bool:
    """Whether a delivery to a repository's own address is about another one, whose runs its secret says nothing of."""
    if not one.incoming.address:
        return False
    return repository is None or deliveries.of_another(one.event, repository) is not None


def _answers(
    decisions: Sequence[_Decision],
    jobs: Sequence[LiveJob],
    superseded: Mapping[uuid.UUID, Sequence[LiveJob]],
    woken: Mapping[Run, Accepted | Ignored],
) -> list[Accepted | Ignored]:
    made = {}
    for job in jobs:
        older = superseded.get(job.view.id, ())
        made[job.view.id] = Accepted(int(job.view.subject.id), job.view.id, job=job, superseded=older)
    answers: list[Accepted | Ignored] = []
    for decision in decisions:
        match decision:
            case Start(job_id=job_id):
                answers.append(made[job_id])
            case Run() as run:
                answers.append(woken[run])
            case uuid.UUID() as job_id:
                answers.append(Accepted(made[job_id].build_id, job_id, duplicate=True))
            case known:
                answers.append(known)
    return answers


def _rows(
    some: Sequence[Verified], repositories: Sequence[Any | None], answers: Sequence[Accepted | Ignored]
) -> list[dict[str, Any]]:
    """What is kept of the deliveries; of a repeated one nothing, of news of foreign runs no body.

    An organisation's jobs make tens of thousands of those a day, 2 KB each, whose event says all that matters.
    """
    rows = []
    for one, repository, answer in zip(some, repositories, answers, strict=True):
        about: dict[str, Any] = {"event": one.event, "fingerprint": one.fingerprint}
        about["repository_id"] = None if repository is None else repository.id
        if isinstance(answer, Ignored):
            row = deliveries.row(one.incoming, "ignored", code=answer.code, reason=answer.message, **about)
            rows.append(row | ({"body": None} if answer is RUN_UNKNOWN else {}))
        elif not answer.duplicate:
            about |= {"build_id": answer.build_id, "job_id": answer.job_id}
            rows.append(deliveries.row(one.incoming, "accepted", **about))
    return rows
