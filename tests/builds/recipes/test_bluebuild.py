"""Recipes of BlueBuild's dialect: what is said about them."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from services.builds.recipes import Dialect, Given, Options, Problem, TranspilationFailed, resolve, validate
from services.builds.recipes.bluebuild.expansion import MAX_ENTRIES, MAX_FILES
from services.builds.recipes.bluebuild.modules import TYPES
from services.builds.recipes.bluebuild.shape import RECIPE
from tests.builds.recipes.corpus import MODULES, Module, large, recipe, text

BLUE = Dialect.BLUEBUILD
SCRIPT = {"type": "script", "snippets": ["echo hi"]}


def problems(value: object, files: Mapping[str, object] | None = None) -> list[Problem]:
    texts = {name: content if isinstance(content, str) else text(content) for name, content in (files or {}).items()}
    source = value if isinstance(value, str) else text(value)
    return list(validate(source, dialect=BLUE, files=Given(texts)).problems)


def messages(value: object, files: Mapping[str, object] | None = None) -> list[str]:
    return [problem.message for problem in problems(value, files)]


def test_every_type_of_module_is_tried() -> None:
    """A type that is added to the code is added to the tests."""
    assert {kind.partition("@")[0] for kind in MODULES} == set(TYPES)


@pytest.mark.parametrize("kind", MODULES)
def test_valid_modules_are_valid(kind: str) -> None:
    """Modules with all the keys of their type have no problem, with and without a version."""
    spelled = {kind, f"{kind}@latest"} if "@" not in kind else {kind}
    spelled -= {"default-flatpaks@latest"}  # the first of its two versions is not the latest
    for spelling in spelled:
        assert messages(recipe(*({"type": spelling, **module} for module in MODULES[kind]))) == []


def test_a_recipe_of_everything_is_valid() -> None:
    """What cannot be read here is the only thing to say about a recipe that uses everything."""
    found = problems(large())
    assert {problem.severity for problem in found} == {"warning"}
    assert [problem.message for problem in found] == [
        f"Module {len(large()['modules']) - 2}: the file 'common.yml' cannot be read here",
        "Stage 2, module 0: the file 'a/b.yml' cannot be read here",
        "Stage 3: the file 'stages.yml' cannot be read here",
    ]


BROKEN: Mapping[str, tuple[Module, list[str]]] = {
    "no type": ({}, ["Module 0 missing 'type' field"]),
    "unknown type": ({"type": "dfn"}, ["Module 0 has the unknown type 'dfn'; did you mean dnf?"]),
    "unknown version": (
        {"type": "dnf@v9"},
        ["Module 0 has the unknown type 'dnf@v9'; did you mean dnf@v1?"],
    ),
    "type that is no text": ({"type": 5}, ["Module 0: 'type' must be text, not a number"]),
    "unknown key": (
        {"type": "script", "snipets": []},
        [
            (
                "Module 0 has the unknown key 'snipets'; it knows type, snippets, scripts, no-cache, env, secrets; "
                "did you mean snippets?"
            )
        ],
    ),
    "missing key": ({"type": "kargs"}, ["Module 0 missing 'kargs' field"]),
    "no list": ({"type": "kargs", "kargs": "quiet"}, ["Module 0: 'kargs' must be a list"]),
    "empty list": ({"type": "kargs", "kargs": []}, ["Module 0: 'kargs' must have at least 1"]),
    "no text": (
        {"type": "kargs", "kargs": ["a", 5]},
        ["Module 0: 'kargs[1]' must be text, not a number; put it in quotes"],
    ),
    "nothing": ({"type": "kargs", "kargs": None}, ["Module 0: 'kargs' must be a list"]),
    "no choice": (
        {"type": "dnf", "repos": {"nonfree": "rpmfusoin"}},
        ["Module 0: 'repos.nonfree' must be one of negativo17, rpmfusion; did you mean rpmfusion?"],
    ),
    "no flag": (
        {"type": "script", "no-cache": "yes"},
        ["Module 0: 'no-cache' must be true or false, not text"],
    ),
    "neither of two kinds": (
        {"type": "dnf", "repos": {"copr": 5}},
        ["Module 0: 'repos.copr' must be a list or a dictionary, not a number"],
    ),
    "deep": (
        {"type": "dnf", "install": {"packages": ["a", {"repo": "r"}]}},
        ["Module 0: 'install.packages[1]' missing 'packages' field"],
    ),
    "an option for a package": (
        {"type": "dnf", "remove": {"packages": ["--all"]}},
        ["Module 0: 'remove.packages[0]' must be one line that does not begin with a dash or a space"],
    ),
    "a path that leads out": (
        {"type": "files", "files": [{"source": "a/../../etc", "destination": "/etc"}]},
        ["Module 0: 'files[0].source' must be a path without `..`, quotes, `$`, `\\`, `<` or `>`"],
    ),
    "a variable's name": (
        {"type": "script", "env": {"A-B": "c"}},
        ["Module 0: 'env' has the key 'A-B', which must be a name of a variable"],
    ),
    "a secret": (
        {"type": "script", "secrets": [{"type": "env", "name": "A", "mount": {"type": "tmpfs"}}]},
        ["Module 0: 'secrets[0].mount' has the unknown type 'tmpfs'"],
    ),
    "from-file with company": (
        {"from-file": "a.yml", "type": "script"},
        ["Module 0 has the unknown key 'type'; it knows from-file"],
    ),
    "from-file that leads out": (
        {"from-file": "../a.yml"},
        ["Module 0: 'from-file' must be a plain relative path"],
    ),
    "version 1's keys in version 2": (
        {"type": "default-flatpaks@v2", "user": {}},
        [
            "Module 0 missing 'configurations' field",
            "Module 0 has the unknown key 'user'; it knows type, configurations, no-cache, env, secrets",
        ],
    ),
}


@pytest.mark.parametrize(("module", "expected"), BROKEN.values(), ids=BROKEN)
def test_broken_modules_are_named(module: Module, expected: list[str]) -> None:
    """A message says which module and key, and what is expected there."""
    found = problems(recipe(module))
    assert [problem.message for problem in found] == expected
    assert {(problem.severity, problem.module) for problem in found} == {("error", 0)}


TOP: Mapping[str, tuple[object, list[str] | None]] = {
    "empty": ("", ["The recipe is empty"]),
    "a list": ([], ["The recipe must be a dictionary"]),
    "a text": ("hello", ["The recipe must be a dictionary"]),
    "nothing required": (
        {"labels": {}},
        [f"Missing required field: {name}" for name in RECIPE.required],
    ),
    "modules": (recipe() | {"modules": {}}, ["'modules' must be a list"]),
    "a module": (recipe() | {"modules": ["x"]}, ["Module 0 must be a dictionary"]),
    "version of a number": (
        recipe(**{"image-version": 43.5}),
        ["'image-version' must be text, not a number; put it in quotes"],
    ),
    "a label": (recipe(labels={"a": 5}), ["'labels.a' must be text, not a number; put it in quotes"]),
    "a platform": (recipe(platforms=["linux/vax"]), None),
    "unknown key": (recipe(mounts=[]), None),
    "an image": (
        recipe(**{"base-image": "Quay.io/Fedora//x"}),
        ["The base image: 'Quay.io/Fedora//x:43' is no reference of an image"],
    ),
    "a stage": (
        recipe(stages=[{"name": "Build", "from": "scratch", "modules": [{"type": "x"}]}]),
        [
            "Stage 0: 'name' must be a name of small letters, digits, `-`, `_` and `.`, a letter first",
            "Stage 0, module 0 has the unknown type 'x'",
        ],
    ),
    "a shell": (
        recipe(stages=[{"name": "a", "from": "scratch", "modules": [], "shell": "it's"}]),
        ["Stage 0: 'shell' must be a command line without quotes"],
    ),
    "two stages of one name": (
        recipe(stages=[{"name": "a", "from": "scratch", "modules": []}] * 2),
        ["Stage 1: a second stage is named 'a'"],
    ),
    "version 2": (
        {"base": {"image": "x"}, "metadata": {"name": "x"}, "modules": []},
        [
            (
                "This is a recipe of BlueBuild's version 2; Slipway reads version 1: base.image becomes base-image "
                "and image-version, metadata.name and metadata.description become name and description, metadata.tags "
                "alt-tags"
            )
        ],
    ),
}


@pytest.mark.parametrize(("value", "expected"), TOP.values(), ids=TOP)
def test_broken_recipes_are_named(value: object, expected: list[str] | None) -> None:
    """Outside of modules too, a message says which key, and what is expected there."""
    found = messages(value if isinstance(value, str) else yaml.dump(value, Dumper=_NoAliases, sort_keys=False))
    assert found == expected if expected is not None else len(found) == 1


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def test_problems_have_places() -> None:
    """A person finds the line and column at which to look, and the index of the module."""
    source = text(recipe(SCRIPT)) + "- type: kargs\n  kargs:\n  - quiet\n  - 5\n  colour: red\n"
    lines = source.split("\n")
    found = [(problem.line, problem.column, problem.module) for problem in problems(source)]
    assert found == [(lines.index("  - 5") + 1, 5, 1), (lines.index("  colour: red") + 1, 3, 1)]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (
            recipe(**{"image-version": "latest"}),
            ["The base image: quay.io/fedora/fedora-kinoite:latest is another image"],
        ),
        (recipe(stages=[{"name": "a", "from": "x/y:latest", "modules": []}]), ["Stage 0: x/y:latest is another image"]),
        (recipe(stages=[{"name": "a", "from": "x/y", "modules": []}]), ["Stage 0: x/y is another image"]),
        (recipe(stages=[{"name": "a", "from": "x/y:1", "modules": []}]), []),
        (
            recipe({"type": "copy", "from": "x/y:latest", "src": "a", "dest": "b"}),
            ["Module 0: x/y:latest is another image"],
        ),
        (recipe(**{"image-version": "latest@sha256:" + "a" * 64}), []),
    ],
)
def test_images_that_change_are_warned_of(value: object, said: list[str]) -> None:
    """The tag `latest` is another image tomorrow; a digest keeps it."""
    found = problems(value)
    assert [problem.message.partition(" tomorrow")[0] for problem in found] == said
    assert {problem.severity for problem in found} <= {"warning"}


def test_copies_from_a_stage_that_is_not_there_are_warned_of() -> None:
    """A stage has to stand before those that copy from it; a name with a registry or a tag is an image's."""
    copies = [{"type": "copy", "from": source, "src": "/a", "dest": "/b"} for source in ("a", "b", "x/y:1")]
    stages = [{"name": name, "from": "scratch", "modules": copies[1:2]} for name in "ab"]
    assert messages(recipe(*copies, stages=stages)) == [
        "Stage 0, module 0: copies from 'b', which is no stage before it",
        "Stage 1, module 0: copies from 'b', which is no stage before it",
    ]


def test_a_file_holds_one_module_or_several() -> None:
    """`from-file` takes a module, a list of modules, or files that name files, in their order."""
    files = {
        "one.yml": SCRIPT,
        "two.yml": {"modules": [{"type": "initramfs"}, {"from-file": "one.yml"}], "stages": []},
        "stages.yml": {"stages": [{"name": "b", "from": "scratch", "modules": [{"from-file": "one.yml"}]}]},
        "stage.yml": {"name": "c", "from": "scratch", "modules": []},
    }
    value = recipe({"from-file": "two.yml"}, SCRIPT, stages=[{"from-file": "stages.yml"}, {"from-file": "stage.yml"}])
    assert messages(value, files) == []
    given = Given({name: text(content) for name, content in files.items()})
    resolved = resolve(text(value), Options(), files=given)
    assert (resolved.dialect, resolved.image_type) == (BLUE, None)
    assert resolved.base_image == "quay.io/fedora/fedora-kinoite:43"
    assert [(module.number, module.type, module.from_file) for module in resolved.modules] == [
        (1, "initramfs", "two.yml"),
        (2, "script", "one.yml"),
        (3, "script", None),
    ]


def test_circles_are_named() -> None:
    """Files that lead back to themselves are an error that names the way, at the entry that begins it."""
    files = {"a.yml": {"modules": [{"from-file": "b.yml"}]}, "b.yml": {"modules": [SCRIPT, {"from-file": "a.yml"}]}}
    found = problems(recipe(SCRIPT, {"from-file": "a.yml"}), files)
    assert [problem.message for problem in found] == ["Module 1: from-file goes in a circle: a.yml -> b.yml -> a.yml"]
    assert found[0].module == 1
    assert found[0].line is not None


def test_problems_of_files_name_the_file() -> None:
    """What is wrong in a file is said where the recipe names it, with the file's own line and column."""
    files = {"bad.yml": "modules:\n- type: kargs\n  kargs: 5\n", "text.yml": "a: [", "none.yml": "# nothing\n"}
    value = recipe({"from-file": "bad.yml"}, {"from-file": "text.yml"}, {"from-file": "none.yml"})
    bad, broken, empty = messages(value, files)
    assert bad == "Module 0: bad.yml:3:10: Module 0: 'kargs' must be a list"
    assert broken.startswith("Module 1: text.yml: ")
    assert empty == "Module 2: none.yml is empty"


def test_files_that_double_end() -> None:
    """Files that each name the next one twice are refused after a bounded number of steps."""
    files: dict[str, object] = {f"f{at}.yml": {"modules": [{"from-file": f"f{at + 1}.yml"}] * 2} for at in range(30)}
    files["f30.yml"] = SCRIPT
    assert messages(recipe({"from-file": "f0.yml"}), files) == [
        f"Module 0: more than {MAX_ENTRIES} modules and stages, files included"
    ]


def test_a_chain_of_files_ends() -> None:
    """A recipe takes a bounded number of files."""
    files = {f"f{at}.yml": {"modules": [{"from-file": f"f{at + 1}.yml"}]} for at in range(MAX_FILES + 5)}
    assert messages(recipe({"from-file": "f0.yml"}), files) == [f"Module 0: more than {MAX_FILES} files are included"]


def test_a_module_that_cannot_be_transpiled_is_shown_with_the_reason() -> None:
    """The resolved view keeps what can be transpiled, and says of the rest why not."""
    one, two = resolve(text(recipe(SCRIPT, {"type": "signing"})), Options(), dialect=BLUE).modules
    assert (one.kept, one.why, one.body) == (True, None, {"snippets": ["echo hi"]})
    assert not two.kept
    assert two.why == f"cannot be transpiled: {TYPES['signing'].needs}"


def test_an_invalid_recipe_is_not_resolved() -> None:
    """The problems of a recipe come with the refusal."""
    with pytest.raises(TranspilationFailed) as caught:
        resolve(text(recipe({"type": "x"})), Options(), dialect=BLUE)
    assert [problem.message for problem in caught.value.problems] == ["Module 0 has the unknown type 'x'"]
