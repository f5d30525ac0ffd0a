"""Which language a recipe is written in."""

import pytest

from services.builds.recipes import Dialect, detect
from services.builds.recipes.document import parse

HEAD = "name: a\ndescription: b\n"
BLUE_HEAD = HEAD + "base-image: quay.io/a/b\nimage-version: 43\n"
EXOUSIA = [
    "",
    "text",
    "name: a",
    HEAD + "modules: []",
    HEAD + "modules: [{type: packages}]",
    HEAD + "modules: 3",
    HEAD + "base-image: quay.io/a/b\nmodules: [{type: script, scripts: [run.sh]}]",
    HEAD + "image-type: fedora-bootc\nmodules: []",
    HEAD + "modules: [{type: files, files: [{src: a, dst: b}]}]",
    HEAD + "modules: [{type: script, condition: x}, {type: package-loader}]",
    # Both could have written these; a recipe that is nobody's in particular is Exousia's.
    BLUE_HEAD + "modules: []",
    BLUE_HEAD + "modules: [{type: script, scripts: [dnf install -y vim]}]",
    BLUE_HEAD + "modules: [{type: systemd, system: {enabled: [a.service]}}]",
    # One mark of the other does not outweigh two.
    HEAD + "desktop: {}\nmodules: [{type: package-loader}, {type: dnf}]",
    "# yaml-language-server: $schema=https://slipway.example.org/api/v1/recipes/schema/exousia.json\nstages: []",
]
BLUEBUILD = [
    BLUE_HEAD + "modules: [{type: dnf, install: {packages: [a]}}]",
    BLUE_HEAD + "modules: [{type: files@v1}]",
    BLUE_HEAD + "modules: [{type: files, files: [{source: a, destination: /b}]}]",
    BLUE_HEAD + "modules: [{type: script, scripts: [setup/run.sh, b.nu]}]",
    BLUE_HEAD + "modules: [{type: script, snippets: [a]}]",
    BLUE_HEAD + "modules: [{type: rpm-ostree, repos: ['https://a/b.repo'], install: [c]}]",
    BLUE_HEAD + "modules: [{type: rpm-ostree, install: [c], optfix: [d]}]",
    BLUE_HEAD + "modules: [{type: default-flatpaks, system: {install: [org.a.B]}}]",
    BLUE_HEAD + "modules: [{type: signing}]",
    BLUE_HEAD + "stages: []\nmodules: []",
    HEAD + "alt-tags: [x]\nmodules: []",
    "---\n# yaml-language-server: $schema=https://schema.blue-build.org/recipe-v1.json\n" + HEAD + "modules: []",
    "# yaml-language-server: $schema=https://slipway.example.org/api/v1/recipes/schema/bluebuild.json\nname: a",
]


@pytest.mark.parametrize("text", EXOUSIA)
def test_exousias_recipes_are_known(text: str) -> None:
    """By keys that only they have, and where nothing speaks for the other."""
    assert detect(parse(text)) is Dialect.EXOUSIA


@pytest.mark.parametrize("text", BLUEBUILD)
def test_bluebuilds_recipes_are_known(text: str) -> None:
    """By keys and module types that only they have, or by the schema that they name."""
    assert detect(parse(text)) is Dialect.BLUEBUILD
