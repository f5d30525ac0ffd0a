"""Saved recipes over HTTP: whose they are, how they are saved, listed, changed and deleted."""

from datetime import datetime
from typing import Any

import pytest

from services.builds.models import Configuration, ConfigurationVersion
from tests.configurations.recipes import CONFIG, body, error, recipe, saved
from tests.webhooks.people import Caller, admin, pipeline
from tests.webhooks.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_configuration_is_saved_and_read(ada: Caller) -> None:
    """201 with its id, place and ETag; read again it is the same, and so is its one version."""
    answer = await ada.post(CONFIG, body(description="A small image"))
    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{CONFIG}/{made['id']}"
    assert answer.headers["ETag"] == '"1"'
    wanted = body(description="A small image") | {
        "fedora_version": "43",
        "enable_plymouth": True,
        "version": 1,
        "owner": ada.id,
    }
    assert {name: made[name] for name in wanted} == wanted
    assert made["created_at"] == made["updated_at"]
    assert datetime.fromisoformat(made["created_at"]).utcoffset() is not None
    read = await ada.get(f"{CONFIG}/{made['id']}")
    assert (read.status_code, read.json(), read.headers["ETag"]) == (200, made, '"1"')


async def test_a_reader_who_has_it_is_told_so(ada: Caller) -> None:
    """If-None-Match with the version is a 304, until it is saved anew."""
    made = await saved(ada)
    path = f"{CONFIG}/{made['id']}"
    headers = ada.headers | {"If-None-Match": '"1"'}
    assert (await ada.site.client.get(path, headers=headers)).status_code == 304
    await ada.put(path, body(yaml_content=recipe("two")))
    assert (await ada.site.client.get(path, headers=headers)).status_code == 200


async def test_the_trailing_slash_of_the_documented_path(ada: Caller) -> None:
    """Exousia's clients write /api/config/."""
    assert (await ada.post(f"{CONFIG}/", body())).status_code == 201
    assert (await ada.get(f"{CONFIG}/")).json()["total"] == 1


async def test_names_are_unique_per_owner(ada: Caller, bob: Caller) -> None:
    """The same owner gets a 409 when saving and when renaming; somebody else may have the name."""
    await saved(ada, "one")
    other = await saved(ada, "two")
    taken = (409, "CONFIGURATION_EXISTS", "Configuration 'one' already exists")
    assert error(await ada.post(CONFIG, body("one"))) == taken
    assert error(await ada.put(f"{CONFIG}/{other['id']}", body("one"))) == taken
    await saved(bob, "one")
    renamed = await ada.put(f"{CONFIG}/{other['id']}", body("three"))
    assert (renamed.status_code, renamed.json()["name"], renamed.json()["id"]) == (200, "three", other["id"])
    await saved(ada, "two")


async def test_a_recipe_that_is_not_valid_is_not_saved(ada: Caller) -> None:
    """400 with all that is wrong, in words and as problems with their places; nothing is made or changed."""
    made = await saved(ada)
    wrong = body(yaml_content="name: x\nmodules: {}\n")
    for answer in (
        await ada.post(CONFIG, wrong | {"name": "other"}),
        await ada.put(f"{CONFIG}/{made['id']}", wrong),
        await ada.post(f"{CONFIG}/upsert", wrong),
    ):
        status, code, message = error(answer)
        assert (status, code) == (400, "INVALID_CONFIGURATION")
        assert message == ("Invalid YAML configuration: Missing required field: description, 'modules' must be a list")
        assert [problem["severity"] for problem in answer.json()["error"]["details"]] == ["error", "error"]
    assert (await ada.get(f"{CONFIG}/{made['id']}")).json() == made
    assert (await ada.get(CONFIG)).json()["total"] == 1


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "name"),
    ({"name": "a" * 101}, "name"),
    ({"name": "a b"}, "name"),
    ({"name": "a\n"}, "name"),
    ({"name": "-_"}, "name"),
    ({"name": "../a"}, "name"),
    ({"description": "a" * 501}, "description"),
    ({"image_type": "fedora-moon"}, "image_type"),
    ({"fedora_version": ""}, "fedora_version"),
    ({"fedora_version": "43\nRUN x"}, "fedora_version"),
    ({"fedora_version": 43}, "fedora_version"),
    ({"enable_plymouth": "true"}, "enable_plymouth"),
    ({"yaml_content": None}, "yaml_content"),
    ({"owner": 1}, "owner"),
]


async def test_wrong_fields_are_named(ada: Caller) -> None:
    """Each wrong value is a 422 that says which field it is; nothing is made."""
    for wrong, field in WRONG:
        answer = await ada.post(CONFIG, body() | wrong)
        assert answer.status_code == 422, (wrong, answer.text)
        assert [detail["loc"] for detail in answer.json()["error"]["details"]] == [["body", field]], wrong
    assert (await ada.get(CONFIG)).json()["total"] == 0


@pytest.mark.parametrize("name", ["a", "a" * 100, "sway_bootc-43", "--a__", "4", "größe"])
async def test_names_that_fit(ada: Caller, name: str) -> None:
    """Letters and digits of any script, with - and _ anywhere."""
    assert (await saved(ada, name))["name"] == name


async def test_what_is_absent_in_a_put_gets_its_default(ada: Caller) -> None:
    """PUT saves the whole: a description that is not sent is gone."""
    made = await saved(ada, description="A small image", fedora_version="rawhide", enable_plymouth=False)
    put = await ada.put(f"{CONFIG}/{made['id']}", {"name": "demo", "yaml_content": recipe()})
    after = put.json()
    assert (after["description"], after["image_type"]) == (None, "fedora-sway-atomic")
    assert (after["fedora_version"], after["enable_plymouth"]) == ("43", True)
    assert (after["created_at"], after["version"]) == (made["created_at"], 2)


async def test_what_is_not_there(ada: Caller, bob: Caller) -> None:
    """Unknown ids, somebody else's, and ids that no column holds are 404 on every route."""
    hers = (await saved(ada))["id"]
    for config_id in (hers, 987654321, 2**62):
        path = f"{CONFIG}/{config_id}"
        answers = [
            await bob.get(path),
            await bob.put(path, body()),
            await bob.delete(path),
            await bob.get(f"{path}/versions"),
            await bob.get(f"{path}/versions/1"),
            await bob.get(f"{path}/diff", **{"from": 1}),
            await bob.post(f"{path}/rollback/1"),
        ]
        for answer in answers:
            assert error(answer) == (404, "CONFIGURATION_NOT_FOUND", f"Configuration {config_id} not found")
    assert (await ada.get(f"{CONFIG}/{hers}")).status_code == 200


async def test_shared_ones_are_read_by_all_and_changed_by_keys(site: Site, ada: Caller, bob: Caller) -> None:
    """What a static key saves everybody reads; people are refused with 403, the key and superusers change it."""
    made = await saved(pipeline(site), "shared")
    path = f"{CONFIG}/{made['id']}"
    assert made["owner"] is None
    assert (await ada.get(path)).json() == made
    assert made["id"] in [one["id"] for one in (await bob.get(CONFIG)).json()["configs"]]
    for answer in (
        await ada.put(path, body("shared", yaml_content=recipe("two"))),
        await ada.delete(path),
        await ada.post(f"{path}/rollback/1"),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "SUPERUSER_NEEDED")
    assert (await pipeline(site).post(f"{CONFIG}/upsert", body("shared"))).json()["id"] == made["id"]
    assert error(await pipeline(site).post(CONFIG, body("shared")))[0] == 409
    assert (await admin(site).put(path, body("shared", yaml_content=recipe("two")))).json()["version"] == 2
    own = await saved(ada, "shared")  # the name of a shared one is free for everybody else
    assert (await ada.post(f"{CONFIG}/upsert", body("shared", yaml_content=recipe("x")))).json()["id"] == own["id"]
    assert (await pipeline(site).delete(path)).status_code == 204


async def test_superusers_see_and_change_all(site: Site, ada: Caller) -> None:
    """A superuser finds a person's configuration in the list and saves it; it stays the person's."""
    made = await saved(ada)
    assert made["id"] in [one["id"] for one in (await admin(site).get(CONFIG, page_size=100)).json()["configs"]]
    put = await admin(site).put(f"{CONFIG}/{made['id']}", body(yaml_content=recipe("two")))
    assert (put.status_code, put.json()["owner"], put.json()["version"]) == (200, ada.id, 2)


async def test_pages_show_the_last_saved_first(ada: Caller) -> None:
    """page and page_size cut the list; a save brings a configuration to its top; out of range is a 422."""
    made = [await saved(ada, f"n{number}") for number in range(5)]
    await ada.put(f"{CONFIG}/{made[1]['id']}", body("n1", yaml_content=recipe("two")))
    page = (await ada.get(CONFIG, page=2, page_size=2)).json()
    assert [one["name"] for one in page["configs"]] == ["n3", "n2"]
    assert (page["total"], page["page"], page["page_size"]) == (5, 2, 2)
    assert [one["name"] for one in (await ada.get(CONFIG)).json()["configs"]] == ["n1", "n4", "n3", "n2", "n0"]
    assert (await ada.get(CONFIG, page=9)).json()["configs"] == []
    for wrong in ({"page": 0}, {"page_size": 0}, {"page_size": 101}, {"page": "x"}):
        assert (await ada.get(CONFIG, **wrong)).status_code == 422


async def test_a_page_has_an_end(ada: Caller) -> None:
    """A page of recipes that are too long together is a 422 that says so; fewer of them are answered."""
    long = recipe() + f"# {'x' * 900_000}\n"
    for number in range(5):
        await saved(ada, f"n{number}", yaml_content=long)
    refused = await ada.get(CONFIG)
    assert refused.status_code == 422
    assert refused.json()["error"]["details"][0]["loc"] == ["query", "page_size"]
    assert len((await ada.get(CONFIG, page_size=4)).json()["configs"]) == 4


async def test_upsert_keeps_the_id(ada: Caller) -> None:
    """The first makes it, the same again changes nothing, another content makes the next version."""
    first, same, other = [
        await ada.post(f"{CONFIG}/upsert", body(yaml_content=recipe(text))) for text in ("one", "one", "two")
    ]
    assert [answer.status_code for answer in (first, same, other)] == [200, 200, 200]
    assert same.json() == first.json()
    assert (other.json()["id"], other.json()["version"]) == (first.json()["id"], 2)
    assert other.headers["ETag"] == '"2"'
    assert (await ada.get(CONFIG)).json()["total"] == 1


async def test_deleting_takes_the_versions_along(site: Site, ada: Caller) -> None:
    """204 without a body, then 404; neither the configuration nor its versions are left, and its id never returns."""
    made = await saved(ada)
    await ada.put(f"{CONFIG}/{made['id']}", body(yaml_content=recipe("two")))
    gone = await ada.delete(f"{CONFIG}/{made['id']}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await ada.get(f"{CONFIG}/{made['id']}")).status_code == 404
    assert made["id"] not in [row.id for row in await site.rows(Configuration)]
    assert made["id"] not in [row.configuration_id for row in await site.rows(ConfigurationVersion)]
    assert (await saved(ada))["id"] > made["id"]


async def test_changes_are_in_the_audit_log(site: Site, ada: Caller) -> None:
    """Each change says who, what and which fields; a save that changes nothing says nothing."""
    made = await saved(ada)
    path = f"{CONFIG}/{made['id']}"
    await ada.put(path, body(yaml_content=recipe("two")))
    await ada.put(path, body(yaml_content=recipe("two")))
    await ada.post(f"{path}/rollback/1")
    await ada.delete(path)
    subject = f"configuration:{made['id']}"
    entries = (await admin(site).get("/api/v1/audit", subject=subject)).json()["items"]
    assert [(entry["action"], entry["actor"]["user_id"]) for entry in reversed(entries)] == [
        ("configuration.created", ada.id),
        ("configuration.updated", ada.id),
        ("configuration.updated", ada.id),
        ("configuration.deleted", ada.id),
    ]
    assert entries[2]["details"] == {"name": "demo", "version": 2, "changed": ["yaml_content"]}
    assert entries[1]["details"]["rolled_back_to"] == 1


async def test_repeated_requests_save_once(ada: Caller) -> None:
    """An Idempotency-Key gives the first answer again, with its ETag and place."""
    first, second = [await ada.post(CONFIG, body(), **{"Idempotency-Key": "one"}) for _ in range(2)]
    assert (first.status_code, second.status_code, second.json()) == (201, 201, first.json())
    assert second.headers["Idempotent-Replayed"] == "true"
    assert (second.headers["ETag"], second.headers["Location"]) == ('"1"', first.headers["Location"])
