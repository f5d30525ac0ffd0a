"""Builds without jobs in the stream of events, as a page of them listens."""

import asyncio
from typing import Any

from services.builds.models import Build
from tests.gateway.jobs.viewer import EVENT_STREAM, events
from tests.states.builds import failed, made, reached
from tests.webhooks.people import Caller, person
from tests.webhooks.site import Site
from tests.world import DEADLINE_S


async def told(caller: Caller, opened: asyncio.Event, last: str, **query: Any) -> list[dict[str, Any]]:
    """What a caller's stream tells of builds until one has the status `last`."""
    found: list[dict[str, Any]] = []
    async with caller.site.client.stream(
        "GET", "/events", params=query, headers=caller.headers | EVENT_STREAM
    ) as answer:
        assert answer.status_code == 200
        async for event in events(answer):
            opened.set()  # the stream has a position: it misses nothing from here on
            if event.event == "build":
                assert event.id is not None
                found.append(event.data)
                if event.data["status"] == last:
                    break
    return found


async def test_a_page_sees_the_states_of_an_external_build(site: Site) -> None:
    """Each change of a build is told to whom it is visible, in its order, and to nobody else; a page that names the
    build hears of no other."""
    grace, eve = await person(site, "grace"), await person(site, "eve")
    uid = await made(grace)
    [build] = await site.rows(Build)
    subject = f"build:{build.id}"
    waits = [asyncio.Event() for _ in range(2)]
    async with asyncio.timeout(DEADLINE_S):
        hers = asyncio.create_task(told(grace, waits[0], "success", subject=subject))
        his = asyncio.create_task(told(eve, waits[1], "failure", types="build"))
        for wait in waits:
            await wait.wait()
        other = await made(eve, "other")
        await reached(grace, uid, 10)
        await failed(grace, uid)
        await grace.post(f"/builds/{uid}/reset")
        await reached(grace, uid, 10, 100)
        await failed(eve, other)
        seen, unseen = await hers, await his
    # That it was made just before may be told when the stream is open already.
    changes = [one for one in seen if one["status"] != "pending"]
    assert [(one["status"], one["state_code"], one["stage"]) for one in changes] == [
        ("in_progress", 10, "green image"),
        ("failure", 10, "green image"),
        ("in_progress", 10, "green image"),
        ("in_progress", 10, "green image"),
        ("success", 100, "delivered"),
    ]
    assert {(one["id"], one["uid"]) for one in seen} == {(build.id, uid)}
    assert set(seen[0]) == {"id", "uid", "status", "state_code", "stage", "updated_at"}
    assert [(one["uid"], one["status"]) for one in unseen] == [(other, "pending"), (other, "failure")]
