"""Versions: what was saved before is kept, compared, brought back, and not overwritten by who has not seen it."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import update

from services.builds.models import Configuration, ConfigurationVersion
from services.builds.service.configurations import VERSIONS_KEPT
from tests.configurations.recipes import CONFIG, body, error, recipe, saved
from tests.webhooks.people import Caller, pipeline
from tests.webhooks.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def three_versions(caller: Caller) -> tuple[str, dict[str, Any]]:
    """A configuration that was saved three times, the last time for another release; its path and its first answer."""
    made = await saved(caller, yaml_content=recipe("one"))
    path = f"{CONFIG}/{made['id']}"
    for text, version in (("two", "43"), ("three", "44")):
        put = await caller.put(path, body(yaml_content=recipe(text), fedora_version=version))
        assert put.status_code == 200, put.text
    return path, made


async def test_every_save_is_kept(ada: Caller) -> None:
    """Versions are listed newest first with who saved them; each is read as it was."""
    path, made = await three_versions(ada)
    page = (await ada.get(f"{path}/versions", page_size=2)).json()
    assert [(one["version"], one["name"], one["rolled_back_to"]) for one in page["versions"]] == [
        (3, "demo", None),
        (2, "demo", None),
    ]
    assert (page["total"], page["page"], page["page_size"]) == (3, 1, 2)
    assert page["versions"][0]["actor"].startswith("ada")
    first = (await ada.get(f"{path}/versions/1")).json()
    assert {name: first[name] for name in made} == made
    newest = (await ada.get(f"{path}/versions/3")).json()
    assert {name: newest[name] for name in made} == (await ada.get(path)).json()


async def test_a_save_without_a_change_is_no_version(ada: Caller) -> None:
    """The same content again leaves version and time as they are."""
    path, _ = await three_versions(ada)
    before = (await ada.get(path)).json()
    again = await ada.put(path, body(yaml_content=recipe("three"), fedora_version="44"))
    assert (again.status_code, again.json()) == (200, before)
    assert (await ada.get(f"{path}/versions")).json()["total"] == 3


async def test_two_versions_are_compared(ada: Caller) -> None:
    """The recipe as a unified diff, other fields with both values; without `to` it is the newest."""
    path, _ = await three_versions(ada)
    answer = (await ada.get(f"{path}/diff", **{"from": 1})).json()
    assert (answer["from"], answer["to"]) == (1, 3)
    assert answer["diff"].startswith("--- demo, version 1\n+++ demo, version 3\n@@ ")
    assert "-description: one\n+description: three\n" in answer["diff"]
    assert answer["fields"] == [{"field": "fedora_version", "before": "43", "after": "44"}]
    same = (await ada.get(f"{path}/diff", **{"from": 2, "to": 2})).json()
    assert (same["diff"], same["fields"]) == ("", [])
    back = (await ada.get(f"{path}/diff", **{"from": 2, "to": 1})).json()
    assert "-description: two\n+description: one\n" in back["diff"]
    last = (await ada.get(f"{path}/diff")).json()
    assert (last["from"], last["to"]) == (2, 3)
    alone = (await ada.get(f"{path}/diff", to=1)).json()
    assert (alone["from"], alone["to"], alone["diff"]) == (1, 1, "")


async def test_an_earlier_version_comes_back(ada: Caller) -> None:
    """A rollback saves the old content as the next version and says so; what lay between stays readable."""
    path, made = await three_versions(ada)
    answer = await ada.post(f"{path}/rollback/1")
    now = answer.json()
    assert (answer.status_code, answer.headers["ETag"], now["version"]) == (200, '"4"', 4)
    differs = {"version", "updated_at"}
    assert {name: now[name] for name in made.keys() - differs} == {name: made[name] for name in made.keys() - differs}
    newest = (await ada.get(f"{path}/versions")).json()["versions"][0]
    assert (newest["version"], newest["rolled_back_to"]) == (4, 1)
    assert (await ada.get(f"{path}/versions/3")).json()["fedora_version"] == "44"
    again = await ada.post(f"{path}/rollback/1")
    assert (again.status_code, again.json()) == (200, now)


async def test_a_rollback_brings_the_name_back(ada: Caller) -> None:
    """Or is a 409 when another configuration has taken it."""
    made = await saved(ada, "before")
    path = f"{CONFIG}/{made['id']}"
    await ada.put(path, body("after"))
    taken = await saved(ada, "before", yaml_content=recipe("two"))
    assert error(await ada.post(f"{path}/rollback/1"))[:2] == (409, "CONFIGURATION_EXISTS")
    await ada.delete(f"{CONFIG}/{taken['id']}")
    assert (await ada.post(f"{path}/rollback/1")).json()["name"] == "before"


async def test_versions_that_are_not_there(ada: Caller) -> None:
    """Numbers that never were, also such that no column holds, are 404."""
    path, _ = await three_versions(ada)
    for version in (0, -1, 4, 2**40):
        for answer in (
            await ada.get(f"{path}/versions/{version}"),
            await ada.get(f"{path}/diff", **{"from": version, "to": 3}),
            await ada.get(f"{path}/diff", **{"from": 1, "to": version}),
            await ada.post(f"{path}/rollback/{version}"),
        ):
            assert error(answer)[:2] == (404, "VERSION_NOT_FOUND"), (version, answer.text)


async def test_what_somebody_else_changed_is_not_overwritten(ada: Caller) -> None:
    """PUT, DELETE and rollback with the ETag of an older version are 412, change nothing, and tell the version."""
    path, _ = await three_versions(ada)
    before = (await ada.get(path)).json()
    old = {"If-Match": '"2"'}
    for answer in (
        await ada.put(path, body(yaml_content=recipe("four")), **old),
        await ada.delete(path, **old),
        await ada.post(f"{path}/rollback/1", **old),
    ):
        assert error(answer)[:2] == (412, "PRECONDITION_FAILED")
        assert (answer.json()["error"]["details"], answer.headers["ETag"]) == ({"version": 3}, '"3"')
    assert (await ada.get(path)).json() == before


@pytest.mark.parametrize("header", ['"3"', 'W/"3"', '"1", "3"', '"x",W/"3",', "*"])
async def test_who_has_seen_it_changes_it(ada: Caller, header: str) -> None:
    """Its ETag alone or among others, weak as a compressing proxy leaves it, or any."""
    path, _ = await three_versions(ada)
    answer = await ada.put(path, body(yaml_content=recipe("four")), **{"If-Match": header})
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"4"')


async def test_a_header_that_is_none_is_refused(ada: Caller) -> None:
    """A version without its quotes is a 422 rather than a change that nobody has checked."""
    path, _ = await three_versions(ada)
    for header in ("3", "", '"3', "3, 4", '*, "3"'):
        answer = await ada.delete(path, **{"If-Match": header})
        assert answer.status_code == 422, header
        assert answer.json()["error"]["details"][0]["loc"] == ["header", "If-Match"]
    assert (await ada.get(path)).status_code == 200


async def test_the_oldest_versions_are_forgotten(site: Site, ada: Caller) -> None:
    """The newest VERSIONS_KEPT stay; an older one is a 404 that says why."""
    made = await saved(ada)
    path = f"{CONFIG}/{made['id']}"
    async with site.database.transaction() as tx:
        at = update(Configuration).where(Configuration.id == made["id"])
        await tx.execute(at.values(version=VERSIONS_KEPT - 1))
    await ada.put(path, body(description="the last that fits"))
    assert (await ada.get(f"{path}/versions/1")).status_code == 200
    await ada.put(path, body(description="one too many"))
    gone = await ada.get(f"{path}/versions/1")
    assert (gone.status_code, f"the newest {VERSIONS_KEPT} are kept" in gone.text) == (404, True)
    page = (await ada.get(f"{path}/versions")).json()
    assert [one["version"] for one in page["versions"]] == [VERSIONS_KEPT + 1, VERSIONS_KEPT]


@pytest.mark.databases("sqlite", "postgresql")
async def test_saves_at_once_lose_no_version(site: Site, ada: Caller) -> None:
    """Twenty who save at once without a condition get twenty versions, and each of their contents is kept."""
    made = await saved(ada, description="first")
    path = f"{CONFIG}/{made['id']}"
    answers = await asyncio.gather(*(ada.put(path, body(description=f"{number}")) for number in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["version"] for answer in answers) == list(range(2, 22))
    kept = [row for row in await site.rows(ConfigurationVersion) if row.configuration_id == made["id"]]
    assert {row.description for row in kept} == {"first", *map(str, range(20))}
    assert {answer.json()["version"]: answer.json()["description"] for answer in answers} == {
        row.version: row.description for row in kept if row.version > 1
    }


@pytest.mark.databases("sqlite", "postgresql")
async def test_of_those_who_saw_the_same_one_wins(ada: Caller) -> None:
    """Twenty who save at once what they all read before: one is answered 200, the others 412."""
    made = await saved(ada)
    path = f"{CONFIG}/{made['id']}"
    answers = await asyncio.gather(
        *(ada.put(path, body(description=f"{number}"), **{"If-Match": '"1"'}) for number in range(20))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 19
    assert (await ada.get(path)).json()["version"] == 2


@pytest.mark.databases("sqlite", "postgresql")
async def test_a_new_name_is_given_once(site: Site, ada: Caller) -> None:
    """Of ten who create or rename to a name at once one gets it, also of a shared one; upserts all get the same id."""
    await saved(ada, "other")
    for caller, name in ((ada, "new"), (pipeline(site), "shared-new")):
        other = (await caller.post(f"{CONFIG}/upsert", body(f"{name}-other"))).json()["id"]
        asked = [caller.post(CONFIG, body(name)) for _ in range(9)]
        answers = await asyncio.gather(*asked, caller.put(f"{CONFIG}/{other}", body(name)))
        assert sorted(answer.status_code // 100 for answer in answers) == [2] + [4] * 9
    for caller, name in ((ada, "both"), (pipeline(site), "shared-both")):
        upserts = [caller.post(f"{CONFIG}/upsert", body(name, description=f"{number}")) for number in range(10)]
        answers = await asyncio.gather(*upserts)
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert sorted(answer.json()["version"] for answer in answers) == list(range(1, 11))


@pytest.mark.databases("sqlite", "postgresql")
async def test_names_that_are_swapped_at_once_block_nobody(ada: Caller) -> None:
    """Renames, upserts and rollbacks that want each other's names and rows all end, as saves or as 409."""
    first, second = await saved(ada, "a"), await saved(ada, "b")
    asked = []
    for number in range(10):
        asked += [
            ada.put(f"{CONFIG}/{first['id']}", body("b" if number % 2 else "c", description=f"{number}")),
            ada.put(f"{CONFIG}/{second['id']}", body("a" if number % 2 else "d", description=f"{number}")),
            ada.post(f"{CONFIG}/upsert", body("a", description=f"u{number}")),
            ada.post(f"{CONFIG}/{first['id']}/rollback/1"),
        ]
    answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} <= {200, 409}
