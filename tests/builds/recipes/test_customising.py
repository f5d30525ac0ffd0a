"""What a trigger writes into recipes, and which definition it picks."""

import pytest
import yaml

from services.builds.recipes import Options, customise, pick_definition, transpile
from services.builds.recipes.document import Unreadable
from services.builds.recipes.files import SHIPPED
from tests.builds.recipes.samples import FILES, recipe

RECIPE = recipe({"type": "files", "files": []}, build={"enable_rke2": True}, desktop={"window_manager": "sway"})


def test_values_are_set_where_they_belong() -> None:
    """Version, Plymouth and the desktop; what stands beside them stays."""
    written = customise(RECIPE, image_version="44", enable_plymouth=False, desktop_environment="kde")
    assert yaml.safe_load(written) == yaml.safe_load(RECIPE) | {
        "image-version": "44",
        "build": {"enable_rke2": True, "enable_plymouth": False},
        "desktop": {"window_manager": "sway", "desktop_environment": "kde"},
    }


def test_a_mapping_that_is_missing_is_made() -> None:
    """Also where the key is there and holds nothing."""
    written = customise("name: a\ndesktop:\n", window_manager="i3", enable_plymouth=True)
    assert yaml.safe_load(written) == {
        "name": "a",
        "desktop": {"window_manager": "i3"},
        "build": {"enable_plymouth": True},
    }


def test_modes_and_scripts_stay_as_they_are_written() -> None:
    """A mode without quotes is not turned into its number, and a script keeps its lines."""
    text = 'name: "1.10"\nx: {mode: 0644, on: &a [y]}\ny: *a\nscripts:\n- |\n  a\n  b  \n'.replace("on:", "at:")
    written = customise(text, image_version="rawhide")
    assert "0644" in written
    assert '"1.10"' in written
    assert yaml.safe_load(written) == yaml.safe_load(text) | {"image-version": "rawhide"}


def test_an_alias_is_not_written_through() -> None:
    """A mapping that stands in two places is changed in one."""
    written = customise("base: &b {x: 1}\ndesktop: *b\n", window_manager="sway")
    assert yaml.safe_load(written) == {"base": {"x": 1}, "desktop": {"x": 1, "window_manager": "sway"}}


@pytest.mark.parametrize("text", [RECIPE, "", "text", "- a", "# comment\nname: a  # b\n"])
def test_nothing_to_set_changes_nothing(text: str) -> None:
    """The same text comes back, comments and all; empty names are none."""
    assert customise(text) == text
    assert customise(text, window_manager="", desktop_environment=None) == text


@pytest.mark.parametrize("text", ["", "text", "- a"])
def test_what_is_no_mapping_comes_back(text: str) -> None:
    """There is nowhere to write it; validation says the rest."""
    assert customise(text, image_version="43") == text


def test_what_cannot_be_read_is_refused() -> None:
    """The bounds of documents hold here, too."""
    with pytest.raises(Unreadable):
        customise("a: [", image_version="43")
    with pytest.raises(Unreadable):
        customise("a: 1\na: 2", image_version="43")


def test_a_value_is_never_more_than_a_value() -> None:
    """What looks like YAML is quoted."""
    written = customise("name: a", window_manager="x\ny: {z: *q}", image_version="1.10")
    assert yaml.safe_load(written) == {
        "name": "a",
        "image-version": "1.10",
        "desktop": {"window_manager": "x\ny: {z: *q}"},
    }


def test_a_customised_recipe_is_transpiled_by_what_was_set() -> None:
    """The window manager decides which packages are loaded."""
    text = customise(recipe({"type": "package-loader"}), window_manager="sway", image_version="42")
    assert "swaylock" in transpile(text, Options(image_type="fedora-bootc"), files=FILES)
    assert "fedora-bootc:42" in transpile(text, Options(image_type="fedora-bootc"), files=FILES)


@pytest.mark.parametrize(
    ("asked", "filename"),
    [
        ({"desktop_environment": "kde"}, "fedora-kinoite.yml"),
        ({"desktop_environment": "KDE"}, "fedora-kinoite.yml"),
        ({"window_manager": "sway", "image_type": "fedora-bootc"}, "sway-bootc.yml"),
        ({"window_manager": "sway", "image_type": "fedora-sway-atomic"}, "sway-atomic.yml"),
        ({"os": "fedora", "image_type": "fedora-kinoite"}, "fedora-kinoite.yml"),
        ({"image_type": "fedora-sway-atomic"}, "sway-atomic.yml"),
        ({"desktop_environment": "kde", "window_manager": "sway", "image_type": "fedora-bootc"}, "fedora-kinoite.yml"),
        ({"desktop_environment": "../../etc/passwd", "os": "a/b"}, "sway-bootc.yml"),
        ({}, "sway-bootc.yml"),
    ],
)
def test_the_definition_that_fits_is_picked(asked: dict[str, str], filename: str) -> None:
    """By desktop, then window manager, system and image type; and in the end the one that fits everything."""
    assert pick_definition(**asked) == filename
    assert SHIPPED.read(filename)
