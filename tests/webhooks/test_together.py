"""Deliveries that arrive together are written in one transaction, and stay strangers to each other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.database import Base, Database
from services.builds.forges import EventKind, ForgeEvent
from services.builds.models import Build, Delivery, Repository
from services.builds.service.accept import Acceptance, Verified
from services.builds.service.deliveries import Accepted, Ignored, Incoming
from services.builds.settings import WebhookSettings
from tests.gateway.serving import with_driver

pytestmark = pytest.mark.databases("sqlite", "postgresql")

# More bytes than any database counts: the row cannot be written.
TOO_MANY = 2**70


class Counted(Database):
    """A database that counts its transactions."""

    transactions = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        self.transactions += 1
        async with super().transaction() as tx:
            yield tx


@pytest.fixture
async def counted(database: str) -> AsyncIterator[Counted]:
    opened = Counted(with_driver(database))
    yield opened
    await opened.close()


def push(number: int, *, repository: str = "ada/engine", body_bytes: int = 2) -> Verified:
    """The push of the commit `number`."""
    incoming = Incoming(
        forge="gitea",
        address="",
        headers={},
        body=b"",
        body_bytes=body_bytes,
        delivery_id=f"d{number}",
        event_name="push",
    )
    event = ForgeEvent(
        forge="gitea",
        kind=EventKind.PUSH,
        name="push",
        starts_build=True,
        repository=repository,
        clone_url=f"https://git.example/{repository}.git",
        branch="main",
        sha=f"{number:040x}",
    )
    return Verified(incoming, event, f"fingerprint {number}")


async def taken(database: Database, *some: Verified, settings: WebhookSettings | None = None) -> list[Any]:
    """What becomes of deliveries that arrive at the same moment, in their order."""
    acceptance = Acceptance(database, settings or WebhookSettings())
    return await asyncio.gather(*(acceptance.take(one) for one in some), return_exceptions=True)


async def rows(database: Database, table: type[Base]) -> list[Any]:
    async with database.reading() as tx:
        return list(await tx.execute(select(table.__table__).order_by(table.__table__.c.id)))


async def test_they_share_a_transaction_and_keep_their_order(counted: Counted) -> None:
    """Twenty pushes to new repositories cost one transaction, and each gets the build that it asked for."""
    pushes = [push(number, repository=f"ada/r{number % 3}") for number in range(20)]
    answers = await taken(counted, *pushes)
    assert counted.transactions == 1
    repositories = {row.id: row.full_name for row in await rows(counted, Repository)}
    builds = {row.id: (row.commit_sha, repositories[row.repository_id]) for row in await rows(counted, Build)}
    assert [builds[answer.build_id] for answer in answers] == [(one.event.sha, one.event.repository) for one in pushes]
    assert [answer.build_id for answer in answers] == sorted(builds)
    assert sorted(repositories.values()) == ["ada/r0", "ada/r1", "ada/r2"]
    kept = await rows(counted, Delivery)
    assert [(row.build_id, row.job_id) for row in kept] == [(answer.build_id, answer.job_id) for answer in answers]


async def test_one_that_cannot_be_stored_fails_alone(counted: Counted) -> None:
    """Neighbours of a delivery that no database can hold are accepted as if it had not come."""
    first, broken, last = await taken(counted, push(1), push(2, body_bytes=TOO_MANY), push(3))
    assert isinstance(broken, Exception)
    assert [isinstance(answer, Accepted) and not answer.duplicate for answer in (first, last)] == [True, True]
    assert {row.commit_sha for row in await rows(counted, Build)} == {push(1).event.sha, push(3).event.sha}


async def test_twins_make_one_build(counted: Counted) -> None:
    """Of two equal deliveries in one transaction the second is told of the first one's build, and leaves no row."""
    first, twin, other = await taken(counted, push(1), push(1), push(2))
    assert (twin.duplicate, twin.build_id, twin.job_id) == (True, first.build_id, first.job_id)
    assert not first.duplicate
    assert not other.duplicate
    assert len(await rows(counted, Delivery)) == 2


async def test_twins_at_two_gateways_make_one_build(counted: Counted) -> None:
    """Two processes that take the same deliveries at once, in different orders, build each of them once."""
    pushes = [push(number, repository=f"ada/r{number % 3}") for number in range(10)]
    here, there = await asyncio.gather(taken(counted, *pushes), taken(counted, *reversed(pushes)))
    assert [answer.build_id for answer in here] == [answer.build_id for answer in reversed(there)]
    assert sum(answer.duplicate for answer in [*here, *there]) == 10
    assert len(await rows(counted, Build)) == 10
    assert len(await rows(counted, Repository)) == 3


async def test_what_is_ignored_leaves_its_reason(counted: Counted) -> None:
    """A delivery that starts nothing is kept with the reason, beside one that is built."""
    settings = WebhookSettings(auto_register=False)
    await taken(counted, push(1))
    built, ignored = await taken(counted, push(2), push(3, repository="eve/other"), settings=settings)
    assert isinstance(built, Accepted)
    assert isinstance(ignored, Ignored)
    assert [(row.verdict, row.reason_code) for row in await rows(counted, Delivery)] == [
        ("accepted", None),
        ("accepted", None),
        ("ignored", "REPOSITORY_UNKNOWN"),
    ]
