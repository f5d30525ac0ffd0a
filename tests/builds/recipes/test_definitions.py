"""The example recipes that come with Slipway."""

import re
from pathlib import Path

import pytest

from services.builds.recipes import (
    IMAGE_TYPES,
    SHIPPED,
    Definition,
    Dialect,
    Options,
    definition,
    definitions,
    pick_definition,
    resolve,
    transpile,
    validate,
)
from services.builds.recipes.exousia.modules import MODULE_TYPES
from services.builds.recipes.exousia.packages import read_list
from tests.builds.recipes.builder import instructions, is_shell, runs
from tests.servers import ROOT

FOLDER = ROOT / "services/builds/recipes/definitions"
LISTS = sorted(file for file in FOLDER.glob("packages/*/*.yml") if file.name != "flatpaks.yml")
EACH = pytest.mark.parametrize("one", definitions(), ids=lambda one: one.filename)


@EACH
def test_there_is_nothing_to_say_about_an_example(one: Definition) -> None:
    """An example is valid, without a warning, of the dialect that is detected, and named by its file."""
    text = definition(one.filename)
    assert text is not None
    found = validate(text)
    assert (found.dialect, list(found.problems)) == (Dialect.EXOUSIA, [])
    assert f"{one.name}.yml" == one.filename
    assert one.description
    assert one.image_type in IMAGE_TYPES
    assert (FOLDER.parent / one.path).read_text(encoding="utf-8") == text


@EACH
@pytest.mark.parametrize("image_type", ["fedora-bootc", "fedora-sway-atomic"])
def test_an_example_is_transpiled_for_any_image(one: Definition, image_type: str) -> None:
    """Of each example a Containerfile is made with one FROM, and each of its RUNs is shell."""
    made = transpile(definition(one.filename) or "", Options(image_type=image_type, lint=True))
    assert [found.keyword for found in instructions(made)].count("FROM") == 1
    assert [body for body in runs(made) if not is_shell(body)] == []
    assert "WARNING" not in made


def test_the_examples_use_every_type_of_module() -> None:
    """Six examples show each type of module at work, an included file, a condition that holds and one that does not."""
    assert len(definitions()) == 6
    modules = [module for one in definitions() for module in resolve(definition(one.filename) or "", Options()).modules]
    assert {module.type for module in modules} == set(MODULE_TYPES)
    assert any(module.from_file for module in modules)
    assert {module.kept for module in modules if module.condition} == {True, False}


@pytest.mark.parametrize(
    ("asked", "filename"),
    [
        ({"window_manager": "sway", "image_type": "fedora-bootc"}, "sway-bootc.yml"),
        ({"window_manager": "sway", "image_type": "sway-atomic"}, "sway-atomic.yml"),
        ({"image_type": "fedora-sway-atomic"}, "sway-atomic.yml"),
        ({"desktop_environment": "kde"}, "fedora-kinoite.yml"),
        ({"image_type": "fedora-silverblue"}, "fedora-silverblue.yml"),
        ({"window_manager": "labwc", "image_type": "bootc"}, "labwc-bootc.yml"),
        ({}, "sway-bootc.yml"),
    ],
    ids=str,
)
def test_an_example_is_found_for_what_is_asked(asked: dict[str, str], filename: str) -> None:
    """A trigger that names a desktop finds the example for it."""
    assert pick_definition(**asked) == filename


@pytest.mark.parametrize("file", LISTS, ids=lambda file: file.stem)
def test_package_lists_hold_packages(file: Path) -> None:
    """A package list can be read and names something."""
    found = read_list(file.read_text(encoding="utf-8"))
    assert found.groups or found.packages
    assert SHIPPED.read(str(file.relative_to(FOLDER))) is not None


@pytest.mark.parametrize("name", ["", "../x.yml", "/etc/passwd", "packages/common/base.yml", "none.yml", "a\0b", ".."])
def test_other_names_are_no_examples(name: str) -> None:
    """A name that is no example's gives nothing, wherever it may lead."""
    assert definition(name) is None


def test_the_page_lists_the_examples() -> None:
    """Each example has its row in the documentation, with its image type and the types of its modules."""
    page = (ROOT / "docs/recipes.md").read_text(encoding="utf-8").partition("## Examples")[2]
    rows = re.findall(r"^\| `([\w.-]+)` \| (.+) \| `([\w-]+)` \| (.+) \|$", page, re.MULTILINE)
    written = {name: (what, image_type, set(re.findall(r"[\w-]+", kinds))) for name, what, image_type, kinds in rows}
    for one in definitions():
        modules = resolve(definition(one.filename) or "", Options()).modules
        kinds = {"from-file" if module.from_file else module.type for module in modules}
        assert written.pop(one.filename) == (one.description, one.image_type, kinds)
    assert not written
