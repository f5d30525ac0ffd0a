"""Whole Containerfiles: the layout, the acceptance checks of the specification, and what holds for all of them."""

from pathlib import Path

import pytest

from services.builds.recipes import (
    FEDORA_VERSIONS,
    IMAGE_TYPES,
    Given,
    Options,
    TranspilationFailed,
    base_image_of,
    resolve,
    transpile,
)
from services.builds.recipes.containerfile import MAX_LINE_BYTES
from tests.builds.recipes.builder import instructions, is_shell, runs
from tests.builds.recipes.samples import FILES, made, recipe

DATA = Path(__file__).parents[2] / "data/recipes"
GOLDEN = sorted(path.stem for path in DATA.glob("*.yml"))
BOOTC, SWAY = Options(image_type="fedora-bootc"), Options(image_type="fedora-sway-atomic")


def base(text: str) -> str:
    """Return what FROM names."""
    (only,) = [one.body for one in instructions(text) if one.keyword == "FROM"]
    return only


def test_there_are_golden_files() -> None:
    """The folder of examples is where it is looked for."""
    assert len(GOLDEN) >= 3


@pytest.mark.parametrize("name", GOLDEN)
def test_a_recipe_becomes_the_containerfile_that_was_reviewed(name: str) -> None:
    """Byte for byte; a change of the generator is seen in the diff of these files."""
    text = (DATA / f"{name}.yml").read_text()
    assert transpile(text, Options(lint=True), files=FILES) == (DATA / f"{name}.Containerfile").read_text()


@pytest.mark.parametrize("options", [BOOTC, SWAY], ids=["bootc", "atomic"])
@pytest.mark.parametrize("name", GOLDEN)
def test_the_acceptance_checks_hold(name: str, options: Options) -> None:
    """Twice the same, one FROM, Plymouth for bootc only, no stray line, and every RUN is shell."""
    text = (DATA / f"{name}.yml").read_text()
    made_of = transpile(text, options, files=FILES)
    assert made_of == transpile(text, options, files=FILES)
    assert [one.keyword for one in instructions(made_of)].count("FROM") == 1
    assert ("ENV ENABLE_PLYMOUTH=" in made_of) == ("ARG ENABLE_PLYMOUTH=" in made_of) == (options is BOOTC)
    assert not any(line.strip().startswith("ENABLE_PLYMOUTH") for line in made_of.splitlines())
    known = {"ARG", "FROM", "SHELL", "LABEL", "ENV", "RUN", "COPY"}
    assert {one.keyword for one in instructions(made_of)} <= known
    assert all(map(is_shell, runs(made_of)))


def test_the_head_is_in_the_documented_order() -> None:
    """Comments, arguments, base image, shell, labels, variables, and /etc/environment."""
    text = transpile(recipe(labels={"b": "2", "a": "1"}, build={"enable_rke2": True}), BOOTC)
    assert [line for line in text.splitlines() if line] == [
        "# Generated from demo.yml",
        "# Do not edit: change the recipe and generate again.",
        "# Generated for image type fedora-bootc",
        "# hadolint global ignore=DL3041,SC3040",
        "ARG FEDORA_VERSION=43",
        "ARG ENABLE_PLYMOUTH=true",
        "ARG ENABLE_RKE2=true",
        "FROM quay.io/fedora/fedora-bootc:43",
        'SHELL ["/bin/bash","-o","pipefail","-c"]',
        'LABEL b="2"',
        'LABEL a="1"',
        "ENV BUILD_IMAGE_TYPE=fedora-bootc",
        "ENV ENABLE_RKE2=true",
        "ENV enable_rke2=true",
        "ENV ENABLE_PLYMOUTH=true",
        (
            "RUN printf '%s\\n' BUILD_IMAGE_TYPE=fedora-bootc ENABLE_RKE2=true enable_rke2=true ENABLE_PLYMOUTH=true "
            "LANG=en_US.UTF-8 LC_ALL=en_US.UTF-8 >> /etc/environment"
        ),
    ]


def test_skipped_modules_keep_their_numbers() -> None:
    """Modules are numbered from 1 over all of them."""
    text = made(
        {"type": "script", "condition": "distro == arch", "scripts": ["a"]}, {"type": "script", "scripts": ["b"]}
    )
    assert text == "# Module 2: script\nRUN b\n"


def test_a_comment_between_commands_does_not_reach_the_next_run() -> None:
    """Each RUN ends where its module ends."""
    modules = [{"type": "script", "scripts": ["a\n# note"]}, {"type": "script", "scripts": ["b"]}]
    assert runs(made(*modules)) == ["set -e;     a", "b"]


@pytest.mark.parametrize("image_type", IMAGE_TYPES)
def test_each_image_type_has_its_base_image(image_type: str) -> None:
    """All types that the API accepts can be transpiled, for each release."""
    for version in FEDORA_VERSIONS:
        text = transpile(recipe(), Options(image_type=image_type, fedora_version=version))
        assert base(text) == base_image_of(image_type, version)
        assert base(text).endswith(f"/{image_type}:{version}") or base(text) == (
            f"quay.io/fedora-ostree-desktops/{image_type.removeprefix('fedora-')}:{version}"
        )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("quay.io/a/b", "quay.io/a/b:44"),
        ("quay.io/a/b:1", "quay.io/a/b:1"),
        ("localhost:5000/a/b", "localhost:5000/a/b:44"),
        (f"quay.io/a/b@sha256:{'a' * 64}", f"quay.io/a/b@sha256:{'a' * 64}"),
        (f"quay.io/a/b:1@sha256:{'a' * 64}", f"quay.io/a/b:1@sha256:{'a' * 64}"),
    ],
)
def test_a_base_image_of_ones_own_wins(given: str, expected: str) -> None:
    """The version is appended where there is neither tag nor digest; a digest stays."""
    text = transpile(recipe(**{"base-image": given}), Options(image_type="fedora-onyx", fedora_version="44"))
    assert base(text) == expected


def test_the_caller_wins_over_the_recipe_and_the_recipe_over_the_defaults() -> None:
    """Image type, release and Plymouth, each by itself."""
    own = {"image-type": "fedora-bootc", "image-version": 42, "build": {"enable_plymouth": False}}
    text = transpile(recipe(**own), Options())
    assert base(text) == "quay.io/fedora/fedora-bootc:42"
    assert "ENV ENABLE_PLYMOUTH=false" in text
    text = transpile(recipe(**own), Options("fedora-bootc", "rawhide", enable_plymouth=True))
    assert base(text) == "quay.io/fedora/fedora-bootc:rawhide"
    assert "ENV ENABLE_PLYMOUTH=true" in text
    assert base(transpile(recipe(), Options())) == "quay.io/fedora/fedora-sway-atomic:43"
    assert base(transpile(recipe(**{"image-type": "fedora-what"}), Options())) == "quay.io/fedora/fedora-bootc:43"


def test_the_linter_comes_last_and_only_when_asked_for() -> None:
    """`bootc container lint` looks at the finished image."""
    assert transpile(recipe(), Options(lint=True)).endswith("\n\nRUN bootc container lint\n")
    assert "bootc container lint" not in transpile(recipe(), Options())


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a: [", Options(), "YAML syntax error: "),
        (recipe(), Options(image_type="a b"), "image_type must be one word"),
        (recipe(**{"image-type": "a\nRUN b"}), Options(), "image-type must be the name of an image type"),
        ("name: a", Options(), "Missing required field: description; Missing required field: modules"),
        (recipe(), Options(fedora_version="43\nRUN x"), "fedora_version must be one word"),
        (recipe({"type": "script", "scripts": ["x" * MAX_LINE_BYTES]}), Options(), "is longer than 65535 bytes"),
        (recipe({"from-file": "no.yml"}), Options(), "Module 0: in no.yml: the file no.yml is not among those"),
    ],
    ids=["syntax", "type", "own type", "fields", "version", "line", "file"],
)
def test_what_has_no_containerfile_says_why(text: str, options: Options, message: str) -> None:
    """A refusal has all errors in one line, and their places beside."""
    with pytest.raises(TranspilationFailed) as caught:
        transpile(text, options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert any(problem.severity == "error" for problem in caught.value.problems)


def test_no_value_of_a_recipe_becomes_an_instruction_of_its_own() -> None:
    """Line breaks in names, labels and types stay inside of what they belong to."""
    evil = "x\nRUN evil"
    text = transpile(
        recipe({"type": evil}, name=evil, description=evil, labels={"a": evil}),
        Options(),
    )
    assert not any(line.startswith("RUN evil") for line in text.splitlines())
    assert [one.keyword for one in instructions(text)].count("RUN") == 1


def test_the_resolved_view_says_what_is_dropped_and_why() -> None:
    """Each module with its number, the file that it stands in, its condition, and the fact that it meets."""
    text = recipe(
        {"type": "script", "condition": "enable_zfs == true", "scripts": ["a"]},
        {"from-file": "flatpaks.yml", "condition": "distro == fedora"},
        **{"image-type": "fedora-kinoite", "base-image": "quay.io/a/b"},
    )
    found = resolve(text, Options(), files=FILES)
    assert (found.dialect, found.image_type, found.base_image) == ("exousia", "fedora-kinoite", "quay.io/a/b:43")
    dropped, included = found.modules
    assert (dropped.number, dropped.type, dropped.kept, dropped.why) == (1, "script", False, "enable_zfs is false")
    assert (dropped.condition, dropped.body) == ("enable_zfs == true", {"scripts": ["a"]})
    assert (included.number, included.type, included.from_file, included.kept, included.why) == (
        2, "default-flatpaks", "flatpaks.yml", True, None,
    )  # fmt: skip
    assert included.body == {"configurations": [{"scope": "user", "install": ["org.a.B"]}]}


def test_recipes_without_files_can_be_transpiled() -> None:
    """Where no files are known at all, a recipe that names none is no worse off."""
    assert "RUN a" in transpile(recipe({"type": "script", "scripts": ["a"]}), Options(), files=Given({}))
