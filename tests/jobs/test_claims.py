"""Who may run a job: the SQL that decides, on both databases."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Literal
from uuid import UUID

import pytest
from sqlalchemy import insert, update

from libs.common.database import Database, utcnow
from libs.common.errors import LeaseLost
from libs.common.jobs import claims, store
from libs.common.jobs.claims import Claimed, Lease
from libs.common.jobs.kinds import JobFailure, Outcome
from libs.common.jobs.models import Domain, Job
from libs.common.jobs.states import TERMINAL, JobStatus
from libs.common.jobs.store import JobFilter
from libs.common.jobs.view import LiveJob
from libs.common.settings.groups import database_url
from tests.world import Heavy, Ping

SUCCESS = Outcome("success")


@pytest.fixture
async def db(database: str) -> AsyncIterator[Database]:
    opened = Database(database_url(database))
    yield opened
    await opened.close()


async def add(db: Database, count: int = 1, **fields: object) -> list[LiveJob]:
    """Insert jobs, each in a transaction of its own."""
    jobs = []
    for _ in range(count):
        values = {"message": Ping(), "subject": ("thing", "1"), "owner": None, **fields}
        async with db.transaction() as tx:
            jobs += await store.insert_jobs(tx, [store.NewJob(**values)])  # type: ignore[arg-type]
    return jobs


async def claim(db: Database, *jobs: LiveJob, owner: str = "w1", lease_s: float = 60) -> list[Claimed]:
    async with db.transaction() as tx:
        claimed, _ = await claims.claim(tx, [job.view.id for job in jobs], owner, lease_s)
        return claimed


async def end(db: Database, lease: Lease, outcome: Outcome = SUCCESS) -> LiveJob:
    async with db.transaction() as tx:
        return await claims.end(tx, lease, outcome)


async def lapse(db: Database, *jobs: LiveJob) -> None:
    """Let the jobs' leases lie in the past."""
    async with db.transaction() as tx:
        past = utcnow() - timedelta(minutes=1)
        await tx.execute(update(Job).where(Job.id.in_([job.view.id for job in jobs])).values(lease_until=past))


async def row(db: Database, job: LiveJob) -> LiveJob:
    async with db.reading() as tx:
        found = await store.get(tx, job.view.id)
    assert found is not None
    return found


async def test_a_claimed_job_runs_under_a_new_fence(db: Database) -> None:
    """A claim makes a pending job running, counts lease_no up and answers what the handler needs."""
    [job] = await add(db)
    [claimed] = await claim(db, job)
    assert claimed.job.view.status is JobStatus.RUNNING
    assert (claimed.lease.number, claimed.crashes, claimed.cancel_requested) == (1, 0, False)
    assert claimed.job.view.agent_id == "w1"
    assert claimed.job.view.started_at is not None
    assert claimed.job.view.version > job.view.version


async def test_what_is_inserted_is_what_stands_in_the_row(db: Database) -> None:
    """insert_jobs answers the picture that a later read gives, in the order that it was asked for."""
    new = [
        store.NewJob(message=Ping("a"), subject=("thing", "1"), owner=3, repository="ada/engine", request_id="r1"),
        store.NewJob(message=Heavy("b"), subject=("thing", "2"), owner=None, delay_s=60, branch="main", build_id=7),
        store.NewJob(message=Ping("c"), subject=("thing", "3"), owner=None, commit_sha="c" * 40, lane="x"),
    ]
    async with db.transaction() as tx:
        jobs = await store.insert_jobs(tx, new)
    assert [job.view.subject.id for job in jobs] == ["1", "2", "3"]
    for job in jobs:
        assert await row(db, job) == job


async def test_only_one_of_many_claims_gets_a_job(db: Database) -> None:
    """However many workers ask at the same time, each job has one lease."""
    jobs = await add(db, 10)
    answers = await asyncio.gather(*(claim(db, *jobs, owner=f"w{n}") for n in range(5)))
    won = [one.lease.job_id for answer in answers for one in answer]
    assert sorted(won) == sorted(job.view.id for job in jobs)


async def test_a_job_that_is_not_due_is_left_alone(db: Database) -> None:
    """A job with a delay is not claimed before its time."""
    [job] = await add(db, delay_s=3600)
    assert await claim(db, job) == []


async def test_a_lapsed_lease_is_taken_over_and_counts_a_crash(db: Database) -> None:
    """The next claim of a job whose worker fell silent has a higher fence and one crash more."""
    [job] = await add(db)
    [first] = await claim(db, job)
    assert await claim(db, job, owner="w2") == []
    await lapse(db, job)
    [second] = await claim(db, job, owner="w2")
    assert (second.lease.number, second.crashes) == (2, 1)
    with pytest.raises(LeaseLost):
        await end(db, first.lease)
    assert (await end(db, second.lease)).view.status is JobStatus.SUCCESS


async def test_a_clean_step_clears_the_crashes(db: Database) -> None:
    """Again after a takeover starts the count of crashes anew."""
    [job] = await add(db)
    await claim(db, job)
    await lapse(db, job)
    [second] = await claim(db, job)
    async with db.transaction() as tx:
        await claims.again(tx, second.lease, after_s=0, waiting_for=None)
    [third] = await claim(db, job)
    assert third.crashes == 0


async def test_a_lane_runs_one_after_the_other_in_order(db: Database) -> None:
    """Of a lane's jobs only the oldest can be claimed, the next one when it has ended."""
    jobs = await add(db, 3, lane="repo:1:main")
    [other] = await add(db, lane="repo:1:next")
    claimed = await claim(db, *reversed(jobs), other)
    assert {one.lease.job_id for one in claimed} == {jobs[0].view.id, other.view.id}
    first = next(one for one in claimed if one.lease.job_id == jobs[0].view.id)
    assert await claim(db, *jobs) == []
    await end(db, first.lease)
    async with db.reading() as tx:
        [following] = await claims.next_in_lane(tx, "repo:1:main")
    assert following.view.id == jobs[1].view.id
    assert [one.lease.job_id for one in await claim(db, *jobs)] == [jobs[1].view.id]


async def test_a_waiting_job_keeps_its_lane(db: Database) -> None:
    """A job between two steps is still before the others of its lane."""
    first, second = await add(db, 2, lane="server:1")
    [claimed] = await claim(db, first)
    async with db.transaction() as tx:
        await claims.again(tx, claimed.lease, after_s=3600, waiting_for="the cloud")
    assert await claim(db, second) == []


async def test_a_lane_with_a_limit_runs_that_many(db: Database) -> None:
    """lane_limit 2 lets two jobs of a lane run at once."""
    jobs = await add(db, 4, lane="group", lane_limit=2)
    assert len(await claim(db, *jobs)) == 2
    assert await claim(db, *jobs) == []


async def test_a_job_committed_late_does_not_run_beside_its_lane(db: Database) -> None:
    """A smaller id that appears after a larger one of its lane has started waits for it."""
    first, second = await add(db, 2, lane="server:1")
    async with db.transaction() as tx:  # the first is not there yet, the second starts
        await tx.execute(update(Job).where(Job.id == first.view.id).values(lane="elsewhere"))
    [running] = await claim(db, second)
    async with db.transaction() as tx:
        await tx.execute(update(Job).where(Job.id == first.view.id).values(lane="server:1"))
    assert await claim(db, first) == []
    await end(db, running.lease)
    assert len(await claim(db, first)) == 1


@pytest.mark.parametrize("claims_at_once", [8])
async def test_concurrent_claims_of_one_lane_start_one_job(db: Database, claims_at_once: int) -> None:
    """Two workers that look at a lane in the same moment cannot both find it free."""
    for lane in range(5):
        jobs = await add(db, 4, lane=f"lane:{lane}")
        asked = [claim(db, jobs[n % 4], owner=f"w{n}") for n in range(claims_at_once)]
        answers = await asyncio.gather(*asked)
        assert sum(len(answer) for answer in answers) == 1


async def test_a_paused_domain_hands_out_nothing(db: Database) -> None:
    """While a domain is paused its jobs cannot be claimed; others can."""
    [job] = await add(db)
    async with db.transaction() as tx:
        await tx.execute(insert(Domain).values(name="demo", paused=True, updated_at=utcnow()))
    assert await claim(db, job) == []
    async with db.transaction() as tx:
        await tx.execute(update(Domain).values(paused=False))
    assert len(await claim(db, job)) == 1


async def test_renewal_tells_what_is_lost_and_what_is_cancelled(db: Database) -> None:
    """One statement prolongs what is ours, tells what to cancel and leaves out what somebody else has."""
    kept, taken, flagged = await add(db, 3)
    leases = {one.lease.job_id: one.lease for one in await claim(db, kept, taken, flagged)}
    await lapse(db, taken)
    await claim(db, taken, owner="w2")
    async with db.transaction() as tx:
        await store.request_cancel(tx, flagged.view.id)
    async with db.transaction() as tx:
        answer = await claims.renew(tx, list(leases.values()), "w1", 60)
    assert answer == {kept.view.id: False, flagged.view.id: True}


async def test_a_wake_during_a_step_is_not_lost(db: Database) -> None:
    """Again commits "now" instead of its wait when somebody called wake in the meantime."""
    [job] = await add(db)
    [claimed] = await claim(db, job)
    async with db.transaction() as tx:
        assert await store.wake(tx, job.view.id) is None
    async with db.transaction() as tx:
        await claims.again(tx, claimed.lease, after_s=3600, waiting_for="the cloud")
    assert len(await claim(db, job)) == 1


async def test_a_wake_of_a_waiting_job_makes_it_due(db: Database) -> None:
    """wake answers the waiting job for an announcement; an ended job is not touched."""
    [job] = await add(db)
    [claimed] = await claim(db, job)
    async with db.transaction() as tx:
        await claims.again(tx, claimed.lease, after_s=3600, waiting_for="the cloud")
    assert await claim(db, job) == []
    async with db.transaction() as tx:
        assert await store.wake(tx, job.view.id) is not None
    [claimed] = await claim(db, job)
    await end(db, claimed.lease)
    async with db.transaction() as tx:
        assert await store.wake(tx, job.view.id) is None


@pytest.mark.parametrize("status", ["success", "failed", "cancelled"])
async def test_a_terminal_status_never_changes(db: Database, status: Literal["success", "failed", "cancelled"]) -> None:
    """Nothing that a claim can write moves a job out of its end."""
    [job] = await add(db)
    [claimed] = await claim(db, job)
    await end(db, claimed.lease, Outcome(status, JobFailure("X", "x")))
    before = await row(db, job)
    for write in (
        lambda tx: claims.end(tx, claimed.lease, SUCCESS),
        lambda tx: claims.again(tx, claimed.lease, after_s=0, waiting_for=None),
        lambda tx: claims.update_progress(tx, claimed.lease, {"progress": 5}),
        lambda tx: claims.check(tx, claimed.lease),
    ):
        with pytest.raises(LeaseLost):
            async with db.transaction() as tx:
                await write(tx)
    assert await claim(db, job, owner="w2") == []
    assert await row(db, job) == before
    assert JobStatus(status) in TERMINAL


async def test_ends_that_are_written_together_leave_out_what_was_lost(db: Database) -> None:
    """succeed_many ends the jobs whose claim is current, and no others."""
    jobs = await add(db, 5)
    leases = [one.lease for one in await claim(db, *jobs)]
    await lapse(db, jobs[2])
    await claim(db, jobs[2], owner="w2")
    async with db.transaction() as tx:
        ended = await claims.succeed_many(tx, leases, leases[0].owner)
    assert {job.view.id for job in ended} == {job.view.id for job in jobs} - {jobs[2].view.id}
    assert (await row(db, jobs[2])).view.status is JobStatus.RUNNING


async def test_what_was_handed_out_and_cannot_run_is_handed_out_again(db: Database) -> None:
    """A claim that is refused clears the mark of the publication, so that the publisher looks at the job again."""
    first, second = await add(db, 2, lane="server:1")
    async with db.transaction() as tx:
        await store.mark_published(tx, [first, second], "epoch")
    assert len(await claim(db, first, second)) == 1
    assert (await row(db, second)).view.waiting_for == "an earlier job of server:1"
    async with db.reading() as tx:
        marks = await tx.execute(Job.__table__.select().where(Job.published_at.is_not(None)))
        assert marks.all() == []


async def test_a_mark_does_not_touch_a_job_that_was_claimed_or_turned_away_since(db: Database) -> None:
    """mark_published names the version that was handed out; a late note must not hide a job from the publisher."""
    first, second = await add(db, 2, lane="server:1")
    [claimed] = await claim(db, first, second)
    async with db.transaction() as tx:
        await claims.again(tx, claimed.lease, after_s=3600, waiting_for=None)
        await store.mark_published(tx, [first, second], "epoch")
    async with db.reading() as tx:
        assert (await tx.execute(Job.__table__.select().where(Job.published_at.is_not(None)))).all() == []


async def test_lists_are_newest_first_with_right_totals(db: Database) -> None:
    """Filters, offset and cursor cut the same list; the total counts what the filter matches."""
    mine = await add(db, 3, owner=1, repository="ada/engine", branch="main")
    await add(db, 2, owner=2)
    shared = await add(db, 1, message=Heavy())
    async with db.reading() as tx:
        page, total = await store.find(tx, JobFilter(user_id=1), limit=2)
        assert [job.view.id for job in page] == [shared[0].view.id, mine[2].view.id]
        assert total == 4
        rest, total = await store.find(tx, JobFilter(user_id=1), limit=2, before=page[-1].view.id)
        assert [job.view.id for job in rest] == [mine[1].view.id, mine[0].view.id]
        assert total == 4
        skipped, _ = await store.find(tx, JobFilter(user_id=1), limit=2, offset=2)
        assert skipped == rest
        for wanted, count in (
            (JobFilter(see_all=True), 6),
            (JobFilter(), 1),
            (JobFilter(see_all=True, owner=2), 2),
            (JobFilter(see_all=True, repo="ada/engine", branch="main"), 3),
            (JobFilter(see_all=True, kind="demo.heavy"), 1),
            (JobFilter(see_all=True, domain="other"), 0),
            (JobFilter(see_all=True, status=JobStatus.PENDING), 6),
            (JobFilter(see_all=True, subject=("thing", "1")), 6),
            (JobFilter(see_all=True, since=utcnow() + timedelta(hours=1)), 0),
        ):
            assert (await store.find(tx, wanted, limit=100))[1] == count, wanted


async def test_a_retry_is_a_new_job_that_points_back(db: Database) -> None:
    """insert_retry copies what is to be done and none of what happened."""
    [job] = await add(db, owner=7, repository="ada/engine", lane="repo:1:main")
    [claimed] = await claim(db, job)
    await end(db, claimed.lease, Outcome("failed", JobFailure("X", "x")))
    async with db.transaction() as tx:
        new = await store.insert_retry(tx, job.view.id, "req-2")
    assert new.view.retry_of == job.view.id
    assert (new.owner, new.view.repo, new.view.status) == (7, "ada/engine", JobStatus.PENDING)
    assert (new.view.error, new.view.started_at, new.view.tries) == (None, None, 0)
    [claimed] = await claim(db, new)
    assert claimed.lane == "repo:1:main"


async def test_ids_are_in_the_order_of_insertion(db: Database) -> None:
    """UUIDv7 of one process grow, also within one millisecond."""
    jobs = await add(db, 50)
    ids: list[UUID] = [job.view.id for job in jobs]
    assert ids == sorted(ids)
