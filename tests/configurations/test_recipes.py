"""Recipes that are read and not kept, over HTTP: validate, transpile, resolve, examples, schemas."""

from typing import Any

import pytest

from services.builds.recipes import Dialect
from tests.configurations.recipes import CONFIG, error, recipe
from tests.webhooks.people import Caller, pipeline
from tests.webhooks.site import Site

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.databases("sqlite")]

RESOLVE = "/api/v1/recipes/resolve"
NO_TEXT: list[tuple[str, str]] = [
    ("", "empty"),
    ("# only a comment\n", "empty"),
    ("just words", "a scalar"),
    ("- a\n- b\n", "a list"),
    ("name: [", "broken"),
    ("a: &a [*a]", "an alias of itself"),
    ("[" * 10_000, "too deep"),
    ("name: x\nname: y\n", "a key twice"),
    ("\x07", "a character that YAML does not allow"),
    ("x" * 1_000_001, "too long"),
]


@pytest.fixture
def ada(site: Site) -> Caller:
    """Nothing is kept here, so the pipeline's key will do for everybody."""
    return pipeline(site)


async def validated(caller: Caller, text: str, **other: Any) -> dict[str, Any]:
    answer = await caller.post(f"{CONFIG}/validate", {"yaml_content": text} | other)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_valid_recipe(ada: Caller) -> None:
    """Nothing is wrong with it: errors and warnings are null."""
    assert await validated(ada, recipe()) == {
        "valid": True,
        "errors": None,
        "warnings": None,
        "problems": [],
        "dialect": "exousia",
    }


async def test_what_is_wrong_is_said_with_its_place(ada: Caller) -> None:
    """200 with the documented sentences, and each as a problem with line, column and module."""
    found = await validated(
        ada, "name: x\ndescription: y\nmodules:\n  - type: script\n    scripts: ['a']\n  - name: z\n"
    )
    assert (found["valid"], found["errors"]) == (False, ["Module 1 missing 'type' field"])
    [problem] = [one for one in found["problems"] if one["severity"] == "error"]
    assert (problem["message"], problem["line"], problem["module"]) == ("Module 1 missing 'type' field", 6, 1)


async def test_warnings_are_no_errors(ada: Caller) -> None:
    """An unknown module type is valid, and a warning."""
    found = await validated(ada, recipe() + "  - type: packages\n")
    assert (found["valid"], found["errors"]) == (True, None)
    assert len(found["warnings"]) == 1
    assert found["problems"][0]["severity"] == "warning"


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for text, name in NO_TEXT])
async def test_no_text_is_too_bad(ada: Caller, text: str) -> None:
    """What is no recipe at all is not valid, cannot be transpiled or resolved or saved, and fails nothing else."""
    found = await validated(ada, text)
    assert found["valid"] is False
    assert found["errors"]
    for path in (f"{CONFIG}/transpile", RESOLVE):
        refused = await ada.post(path, {"yaml_content": text})
        assert error(refused)[:2] == (400, "TRANSPILATION_FAILED"), path
        assert error(refused)[2].startswith("Transpilation failed: ")
        assert refused.json()["error"]["details"][0]["severity"] == "error"
    refused = await ada.post(CONFIG, {"name": "x", "yaml_content": text})
    assert error(refused)[:2] == (400, "INVALID_CONFIGURATION")


async def test_a_body_over_a_megabyte_is_not_read(ada: Caller) -> None:
    """413, as for every body."""
    answer = await ada.post(f"{CONFIG}/validate", {"yaml_content": "x" * 1_100_000})
    assert answer.status_code == 413


async def test_a_containerfile_is_made(ada: Caller) -> None:
    """The answer repeats what it was made for, with the documented defaults; the same twice gives the same bytes."""
    first, again = [await ada.post(f"{CONFIG}/transpile", {"yaml_content": recipe()}) for _ in range(2)]
    made = first.json()
    assert (first.status_code, again.content) == (200, first.content)
    assert "\nFROM quay.io/fedora/fedora-sway-atomic:43\n" in made["containerfile"]
    assert (made["image_type"], made["fedora_version"], made["enable_plymouth"]) == ("fedora-sway-atomic", "43", True)
    assert made["dialect"] == "exousia"
    asked = {"yaml_content": recipe(), "image_type": "fedora-bootc", "fedora_version": "rawhide", "lint": True}
    other = (await ada.post(f"{CONFIG}/transpile", asked)).json()["containerfile"]
    assert "\nFROM quay.io/fedora/fedora-bootc:rawhide\n" in other
    assert "bootc container lint" in other
    assert "bootc container lint" not in made["containerfile"]


async def test_an_unknown_image_type_is_a_422(ada: Caller) -> None:
    """So is a dialect that there is not, and a field that nobody knows."""
    for wrong in ({"image_type": "arch"}, {"dialect": "nix"}, {"lint": "yes"}, {"colour": "red"}):
        answer = await ada.post(f"{CONFIG}/transpile", {"yaml_content": recipe()} | wrong)
        assert answer.status_code == 422, wrong
        assert answer.json()["error"]["details"][0]["loc"] == ["body", *wrong]


async def test_a_dialect_is_told_or_forced(ada: Caller) -> None:
    """A recipe of BlueBuild's is told by what it holds; read as Exousia's it is judged by those rules."""
    text = (
        "name: demo\ndescription: d\nbase-image: quay.io/fedora/fedora-bootc\nimage-version: 43\n"
        "modules:\n  - type: script\n    snippets: ['echo hi']\n"
    )
    assert (await validated(ada, text))["dialect"] == "bluebuild"
    assert (await validated(ada, text, dialect="exousia"))["dialect"] == "exousia"
    made = (await ada.post(f"{CONFIG}/transpile", {"yaml_content": text})).json()
    assert made["dialect"] == "bluebuild"
    assert "quay.io/fedora/fedora-bootc:43" in made["containerfile"]


async def test_a_recipe_is_resolved(ada: Caller) -> None:
    """Modules keep their numbers; one whose condition does not hold is there with the reason."""
    text = recipe() + '  - type: script\n    condition: image-type == "fedora-bootc"\n    scripts: ["a"]\n'
    answer = await ada.post(RESOLVE, {"yaml_content": text, "image_type": "fedora-kinoite"})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["dialect"], found["image_type"]) == ("exousia", "fedora-kinoite")
    assert found["base_image"] == "quay.io/fedora/fedora-kinoite:43"
    assert [(one["number"], one["kept"], one["condition"]) for one in found["modules"]] == [
        (1, True, None),
        (2, False, 'image-type == "fedora-bootc"'),
    ]
    assert found["modules"][0]["why"] is None
    assert found["modules"][1]["why"]


async def test_examples_are_listed_and_read(ada: Caller) -> None:
    """Each listed example is there, is valid, and can be transpiled for its image type."""
    listed = (await ada.get(f"{CONFIG}/definitions/list")).json()
    assert listed["total"] == len(listed["definitions"]) >= 6
    for one in listed["definitions"]:
        read = await ada.get(f"{CONFIG}/definitions/{one['filename']}")
        assert (read.status_code, read.json()["filename"]) == (200, one["filename"])
        assert (await validated(ada, read.json()["content"]))["valid"], one["filename"]


@pytest.mark.parametrize(
    ("filename", "status", "code", "message"),
    [
        ("nothing.yml", 404, "DEFINITION_NOT_FOUND", "Definition file 'nothing.yml' not found"),
        ("%2e%2e%2fetc%2fpasswd", 400, "INVALID_FILENAME", "Invalid filename"),
        ("a..b", 400, "INVALID_FILENAME", "Invalid filename"),
        ("packages/base.yml", 400, "INVALID_FILENAME", "Invalid filename"),
    ],
)
async def test_examples_that_are_not_there(ada: Caller, filename: str, status: int, code: str, message: str) -> None:
    """Unknown names are 404; what is a path is 400 and read from nowhere."""
    assert error(await ada.get(f"{CONFIG}/definitions/{filename}")) == (status, code, message)


async def test_schemas_are_for_everybody(site: Site) -> None:
    """An editor reads them without credentials, and asks again for nothing while they are the same."""
    for dialect in Dialect:
        answer = await site.client.get(f"/api/v1/recipes/schema/{dialect.value}.json")
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("application/schema+json")
        assert answer.json()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        again = await site.client.get(answer.url.path, headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304
    assert (await site.client.get("/api/v1/recipes/schema/nix.json")).status_code == 404
