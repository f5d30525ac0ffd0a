"""The page on recipes agrees with what recipes do."""

import re

import pytest

from services.builds.recipes import FEDORA_VERSIONS, IMAGE_TYPES, Options, base_image_of, transpile, validate
from services.builds.recipes.conditions import LEFT_SIDES
from services.builds.recipes.conditions import MAX_LENGTH as MAX_CONDITION
from services.builds.recipes.containerfile import MAX_LINE_BYTES
from services.builds.recipes.document import MAX_BYTES, MAX_DEPTH, MAX_NODES
from services.builds.recipes.exousia.entries import MAX_MODULES
from services.builds.recipes.exousia.modules import MODULE_TYPES
from services.builds.recipes.exousia.reading import TOP_LEVEL
from services.builds.recipes.shell import MAX_JOINED
from tests.servers import ROOT

PAGE = (ROOT / "docs/recipes.md").read_text(encoding="utf-8")


def rows(head: str) -> list[list[str]]:
    """Return the cells of the table with this head."""
    table = PAGE.split(f"\n{head}\n", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[1:]]


def names(cell: str) -> list[str]:
    """Return what stands in code marks."""
    return re.findall(r"`([^`]+)`", cell)


def test_the_example_is_a_recipe() -> None:
    """Nothing is wrong with it, and it becomes a Containerfile with the files that come with Slipway."""
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert validate(example).problems == ()
    assert "swaylock" in transpile(example, Options())


def test_every_key_of_a_recipe_is_described() -> None:
    """Those of the top level, and what stands below `desktop` and `build`."""
    described = [name for cells in rows("| key | meaning |") for name in names(cells[0])]
    assert sorted(described) == sorted({*TOP_LEVEL.fields, "modules"})


def test_every_type_of_module_is_described_with_its_keys() -> None:
    """The table has each type, in the order of the code, with the keys that it takes."""
    table = rows("| type | keys | becomes |")
    assert [names(kind)[0] for kind, _, _ in table] == list(MODULE_TYPES)
    for kind, keys, _ in table:
        described = {re.split(r"\W", name.replace("-", "_"))[0] for name in names(keys)}
        known = {key.replace("-", "_") for key in MODULE_TYPES[names(kind)[0]].shape.fields}
        assert described == known - {"type", "condition", "install_dnf5", "upgrade"}, kind


def test_every_left_side_of_a_condition_is_described() -> None:
    """What conditions may ask for."""
    assert [names(left)[0] for left, _ in rows("| left | right |")] == list(LEFT_SIDES)


def test_every_base_image_is_named() -> None:
    """Each image type with the image that it starts from."""
    table = {names(kind)[0]: names(image)[0] for kind, image in rows("| image type | base image |")}
    assert table == {kind: base_image_of(kind, "x").removesuffix(":x") for kind in IMAGE_TYPES}
    assert f"Releases that are offered: {', '.join(FEDORA_VERSIONS)}." in PAGE


@pytest.mark.parametrize("bound", [MAX_BYTES, MAX_NODES, MAX_DEPTH, MAX_MODULES, MAX_CONDITION, MAX_LINE_BYTES])
def test_every_bound_is_named(bound: int) -> None:
    """With the number that the code has."""
    assert any(cells[0].startswith(f"{bound:,} ") for cells in rows("| bound | why this much |"))
    assert f"more than {MAX_JOINED:,} characters" in PAGE
