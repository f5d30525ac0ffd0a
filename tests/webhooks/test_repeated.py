"""A delivery that comes again, whatever for, is built once."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import update

from libs.common.database import utcnow
from libs.common.jobs.models import Job
from services.builds.models import Delivery, Repository
from tests.builds.forges.payloads import BEFORE, FORGES, SHA, push_request
from tests.webhooks.site import SECRETS, Site

pytestmark = pytest.mark.databases("sqlite", "postgresql")


@pytest.mark.parametrize("forge", FORGES)
async def test_the_same_delivery_id(site: Site, forge: str) -> None:
    """A redelivery answers the first job's id with `duplicate`, even hours later."""
    request = push_request(forge, secret=SECRETS[forge], delivery="again")
    first = await site.post(forge, request)
    await _make_older(site, timedelta(hours=5))
    second = await site.post(forge, request)
    assert second.status_code == 200
    assert second.json() == {
        **first.json(),
        "duplicate": True,
        "message": f"This delivery was accepted before, as job {first.json()['job_id']}",
    }
    assert second.headers["location"] == first.headers["location"]
    assert len(await site.rows(Job)) == 1


async def test_the_same_content_under_a_new_id(site: Site) -> None:
    """A recorded delivery sent under a new id is a duplicate for ten minutes, then a build of its own."""
    first = await site.post("gitea", push_request("gitea", secret=SECRETS["gitea"]))
    again = await site.post("gitea", push_request("gitea", secret=SECRETS["gitea"]))
    assert (again.json()["duplicate"], again.json()["job_id"]) == (True, first.json()["job_id"])
    await _make_older(site, timedelta(minutes=11))
    later = await site.post("gitea", push_request("gitea", secret=SECRETS["gitea"]))
    assert (later.status_code, later.json()["duplicate"]) == (202, False)
    assert len(await site.rows(Job)) == 2


async def test_the_same_id_at_another_address_is_another_delivery(site: Site) -> None:
    """Delivery ids are the forge's own: two forges may use the same one."""
    for forge in ("gitea", "github"):
        answer = await site.post(forge, push_request(forge, secret=SECRETS[forge], delivery="1"))
        assert answer.status_code == 202
    assert len(await site.rows(Job)) == 2


@pytest.mark.parametrize("forge", FORGES)
@pytest.mark.databases("sqlite")
async def test_after_a_refusal_the_same_delivery_is_processed(site: Site, forge: str) -> None:
    """A delivery id counts as seen only when it was verified: after the secret is mended the redelivery builds."""
    refused = await site.post(forge, push_request(forge, secret="mistyped", delivery="d"))
    assert refused.status_code == 401
    accepted = await site.post(forge, push_request(forge, secret=SECRETS[forge], delivery="d"))
    assert accepted.status_code == 202
    assert [row.verdict for row in await site.rows(Delivery)] == ["refused", "accepted"]


@pytest.mark.parametrize("same_id", [True, False], ids=["same id", "new ids"])
async def test_twenty_at_once(site: Site, same_id: bool) -> None:
    """Twenty identical deliveries at the same moment make one job; nineteen are told which."""
    requests = [
        push_request("gitea", secret=SECRETS["gitea"], delivery="one" if same_id else str(uuid4())) for _ in range(20)
    ]
    answers = await asyncio.gather(*(site.post("gitea", request) for request in requests))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [202]
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    assert sum(answer.json()["duplicate"] for answer in answers) == 19
    assert set((await site.counts()).values()) == {1}


async def test_one_id_with_two_contents_at_once(site: Site) -> None:
    """A forge that reuses an id for other content at the same moment gets one job, and no error."""
    requests = [
        push_request("gitea", secret=SECRETS["gitea"], delivery="one", message=f"Message {number}")
        for number in range(10)
    ]
    answers = await asyncio.gather(*(site.post("gitea", request) for request in requests))
    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [202]
    assert len(await site.rows(Job)) == 1


async def test_first_deliveries_at_once_register_one_repository(site: Site) -> None:
    """Ten pushes of a repository that nobody knew, at the same moment, are ten builds of one repository."""
    requests = [push_request("gitea", secret=SECRETS["gitea"], branch=f"branch-{number}") for number in range(10)]
    answers = await asyncio.gather(*(site.post("gitea", request) for request in requests))
    assert [answer.status_code for answer in answers] == [202] * 10, [answer.text for answer in answers]
    assert len(await site.rows(Repository)) == 1
    assert len(await site.rows(Job)) == 10
    later = await site.post("gitea", push_request("gitea", secret=SECRETS["gitea"], sha=BEFORE, before=SHA))
    assert later.status_code == 202


async def _make_older(site: Site, age: timedelta) -> None:
    async with site.database.transaction() as tx:
        await tx.execute(update(Delivery).values(received_at=utcnow() - age))
