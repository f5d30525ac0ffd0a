"""`from-file` in Exousia's recipes: one module or several, overriding keys, cycles, and places of what is wrong."""

from collections.abc import Mapping
from typing import Any

import pytest

from services.builds.recipes import Given, Options, TranspilationFailed, resolve, transpile, validate
from services.builds.recipes.exousia.entries import MAX_MODULES
from services.builds.recipes.files import SHIPPED, is_path
from tests.builds.recipes.samples import recipe


def kept(files: Mapping[str, str], *modules: Any) -> list[tuple[int, str, str | None, dict[str, object]]]:
    """Return number, type, file and body of each kept module."""
    found = resolve(recipe(*modules), Options(), files=Given(files)).modules
    return [(one.number, one.type, one.from_file, one.body) for one in found if one.kept]


def errors(files: Mapping[str, str], *modules: Any) -> list[str]:
    """Return what is wrong with a recipe of these modules."""
    return validate(recipe(*modules), files=Given(files)).errors


def test_a_file_stands_for_one_module_whose_keys_may_be_overridden() -> None:
    """The file is the base, keys beside from-file win."""
    files = {"a.yml": "type: script\nscripts: [theirs]\nother: kept"}
    assert kept(files, {"from-file": "a.yml"}, {"from-file": "a.yml", "scripts": ["mine"]}) == [
        (1, "script", "a.yml", {"scripts": ["theirs"], "other": "kept"}),
        (2, "script", "a.yml", {"scripts": ["mine"], "other": "kept"}),
    ]


def test_a_file_of_several_modules_is_expanded_in_its_place() -> None:
    """Numbers go on over what is included, and so do conditions."""
    files = {
        "a.yml": (
            "modules:\n- {type: script, scripts: [one]}\n"
            "- {type: script, scripts: [two], condition: distro == arch}\n- from-file: sub/b.yml"
        ),
        "sub/b.yml": "type: systemd",
    }
    assert kept(files, {"type": "files"}, {"from-file": "a.yml"}, {"type": "script"}) == [
        (1, "files", None, {}),
        (2, "script", "a.yml", {"scripts": ["one"]}),
        (4, "systemd", "sub/b.yml", {}),
        (5, "script", None, {}),
    ]


def test_conditions_of_the_entry_and_of_the_file_both_have_to_hold() -> None:
    """The resolved view shows them as one; the key beside from-file replaces that of a single module."""
    several = {"a.yml": "modules: [{type: script, condition: distro == fedora || distro == arch}]"}
    (module,) = resolve(
        recipe({"from-file": "a.yml", "condition": "enable_zfs == true"}), Options(), files=Given(several)
    ).modules
    assert module.condition == "enable_zfs == true && distro == fedora || distro == arch"
    assert (module.kept, module.why) == (False, "enable_zfs is false")
    single = {"a.yml": "{type: script, condition: distro == arch}"}
    assert kept(single, {"from-file": "a.yml", "condition": "distro == fedora"}) == [(1, "script", "a.yml", {})]


def test_a_dropped_module_does_not_need_its_file() -> None:
    """What a condition drops may be missing."""
    text = recipe({"from-file": "no.yml", "condition": "distro == arch"})
    assert transpile(text, Options(), files=Given({}))
    (module,) = resolve(text, Options(), files=Given({})).modules
    assert (module.type, module.from_file, module.kept) == ("from-file", "no.yml", False)


def test_a_missing_file_is_valid_and_cannot_be_transpiled() -> None:
    """It may be there where the image is built; here it is not."""
    text = recipe({"type": "script"}, {"from-file": "no.yml"})
    found = validate(text, files=Given({}))
    assert found.valid
    (warning,) = found.problems
    assert (warning.severity, warning.module, warning.line) == ("warning", 1, 5)
    with pytest.raises(TranspilationFailed, match=r"the file no\.yml is not among those that Slipway knows"):
        transpile(text, Options(), files=Given({}))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.yml": "from-file: a.yml"}, "in a.yml:1: from-file leads back to itself: a.yml -> a.yml"),
        (
            {"a.yml": "modules: [{from-file: b.yml}]", "b.yml": "from-file: a.yml"},
            "in b.yml:1: from-file leads back to itself: a.yml -> b.yml -> a.yml",
        ),
        ({"a.yml": ""}, "in a.yml: the file is empty"),
        ({"a.yml": "text"}, "in a.yml:1: expected a module, or a mapping with modules"),
        (
            {"a.yml": "x: ["},
            "in a.yml: while parsing a flow node did not find expected node content (line 2, column 1)",
        ),
        ({"a.yml": "\n\nscripts: [a]"}, "in a.yml:3: missing 'type' field"),
        ({"a.yml": "modules: 3"}, "in a.yml:1: 'modules' must be a list"),
        ({"a.yml": "modules: [3]"}, "in a.yml:1: must be a dictionary"),
        ({"a.yml": "type: script\nscripts: a"}, "in a.yml:2: scripts must be a list"),
        ({"a.yml": "from-file: /etc/passwd"}, "in a.yml:1: from-file must be the path of a file below the recipes"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_line(files: Mapping[str, str], message: str) -> None:
    """The problem points to the entry, its text to the line of the file."""
    (error,) = errors(files, {"from-file": "a.yml"})
    assert error.startswith(f"Module 0: {message}")
    (problem,) = validate(recipe({"from-file": "a.yml"}), files=Given(files)).problems
    assert (problem.line, problem.column, problem.module) == (4, 3, 0)


def test_keys_beside_a_file_of_several_modules_are_refused() -> None:
    """There is no telling which of them would be meant."""
    (error,) = errors({"a.yml": "modules: []"}, {"from-file": "a.yml", "scripts": ["a"]})
    assert error == "Module 0: in a.yml: holds several modules, so there is none whose keys could be overridden"


def test_includes_of_includes_are_bounded() -> None:
    """Files that each name the next one ten times stand for no billion modules."""
    files = {f"f{n}.yml": "modules:\n" + f"- from-file: f{n + 1}.yml\n" * 10 for n in range(9)}
    files["f9.yml"] = "type: script"
    assert errors(files, {"from-file": "f0.yml"}) == [f"more than {MAX_MODULES} modules, includes followed"]


@pytest.mark.parametrize("path", ["a.yml", "packages/common/a_b+c-1.0.yml", "a/b/c/d/e/f/g/h"])
def test_plain_relative_paths_are_paths(path: str) -> None:
    """Names of letters, digits and a few marks, with slashes between them."""
    assert is_path(path)


@pytest.mark.parametrize(
    "path",
    ["", "/a", "../a", "a/../b", "./a", "a//b", "a/", ".hidden", "a\\b", "a b", "a\n", "é", "a/" * 8 + "a", "x" * 256],
)
def test_no_path_leads_out_of_its_folder(path: str) -> None:
    """Whatever is not plain is none, and reads nothing."""
    assert not is_path(path)
    assert SHIPPED.read(path) is None


def test_a_folder_is_no_file() -> None:
    """Names of folders among the shipped files read nothing."""
    assert SHIPPED.read("packages") is None
    assert SHIPPED.read("no-such-file.yml") is None
