"""What a list of jobs holds, where the answer is not in one column."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import update

from libs.common.database import Database, first_uuid7, uuid7
from libs.common.jobs import store
from libs.common.jobs.models import Job
from libs.common.jobs.store import JobFilter
from libs.common.settings.groups import database_url
from tests.world import Ping

SINCE = datetime(2026, 5, 1, 12, tzinfo=UTC)


async def test_since_goes_by_the_databases_clock(database: str) -> None:
    """A job made at the moment asked for is listed, also when its id is of a clock that stood half an hour behind."""
    db = Database(database_url(database))
    behind = UUID(int=first_uuid7(SINCE, slack_s=1800).int | 1)
    made = {behind: SINCE, uuid7(): SINCE - timedelta(seconds=1)}
    async with db.transaction() as tx:
        for job_id, created_at in made.items():
            new = store.NewJob(id=job_id, message=Ping(), subject=("thing", "1"), owner=None)
            await store.insert_jobs(tx, [new])
            await tx.execute(update(Job).where(Job.id == job_id).values(created_at=created_at))
        found, total = await store.find(tx, JobFilter(see_all=True, since=SINCE), limit=10)
    await db.close()
    assert ([job.view.id for job in found], total) == ([behind], 1)


@pytest.mark.parametrize("moment", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
async def test_since_takes_any_moment(database: str, moment: datetime) -> None:
    """The calendar's first and last moments are times like any other."""
    db = Database(database_url(database))
    async with db.reading() as tx:
        assert await store.find(tx, JobFilter(see_all=True, since=moment), limit=10) == ([], 0)
    await db.close()
