"""Validation of Exousia's recipes: the specified errors to the letter, the rest with its place."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.builds.recipes import Dialect, Options, TranspilationFailed, resolve, transpile, validate
from services.builds.recipes.exousia.entries import MAX_MODULES
from services.builds.recipes.notes import MAX_OF_EACH
from tests.builds.recipes.samples import FILES, problems, recipe

SPECIFIED = [
    ("description: d\nmodules: []", ["Missing required field: name"]),
    ("x: 1", [f"Missing required field: {key}" for key in ("name", "description", "modules")]),
    ("{name: a, description: b, modules: 3}", ["'modules' must be a list"]),
    ("{name: a, description: b, modules: }", ["'modules' must be a list"]),
    ("{name: a, description: b, modules: {type: script}}", ["'modules' must be a list"]),
    ("{name: a, description: b, modules: [x, [y]]}", [f"Module {at} must be a dictionary" for at in (0, 1)]),
    ("{name: a, description: b, modules: [{type: script}, {scripts: [a]}]}", ["Module 1 missing 'type' field"]),
    ("{name: a, modules: [3]}", ["Missing required field: description", "Module 0 must be a dictionary"]),
    ("", ["The recipe is empty; expected a dictionary with name, description and modules"]),
    ("# nothing", ["The recipe is empty; expected a dictionary with name, description and modules"]),
    ("just text", ["The recipe is text; expected a dictionary with name, description and modules"]),
    ("42", ["The recipe is a number; expected a dictionary with name, description and modules"]),
    ("[a, b]", ["The recipe is a list; expected a dictionary with name, description and modules"]),
]  # fmt: skip
VALID = [
    "{name: a, description: b, modules: []}",
    "{name: a, description: b, modules: [{type: packages}]}",  # an unknown type is valid
    "{name: a, description: , modules: [{type: script, scripts: }]}",  # keys that hold nothing are absent
    "{name: a, description: b, own: [key], modules: [{type: files}, {from-file: packages/some/file.yml}]}",
    "{name: 1, description: 2, image-version: 43, labels: {a: 1, b: true}, modules: []}",
    "{name: a, description: b, desktop: {window_manager: , desktop_environment: ''}, modules: []}",
]
WRONG = [
    ("labels: [a]", "4:9: labels must be a dictionary"),
    ("labels: {a: [b]}", "4:13: labels.a must be text or true or false, not a list"),
    ("labels: {'a b': c}", "4:10: labels has the key 'a b', which must be of letters, digits and . _ / -"),
    ("build: {enable_plymouth: 'true'}", "4:26: build.enable_plymouth must be true or false, not text"),
    ("image-version: 43 beta", "4:16: image-version must be the tag of an image, such as 43"),
    ("base-image: a b", "4:13: base-image must be the reference of an image, such as quay.io/fedora/fedora-bootc"),
    ("base-image: [a]", "4:13: base-image must be text, not a list"),
    ("desktop: sway", "4:10: desktop must be a dictionary"),
]
WRONG_MODULES = [
    ("{type: §[a]}", "type must be text"),
    ("{type: files, files: [§a]}", "files[0] must be a dictionary"),
    ("{type: files, files: [{src: a, dst: b, mode: §rwx}]}", 'files[0].mode must be a mode in octal such as "0644"'),
    ('{type: files, files: [{src: §"a\\nb", dst: b}]}', "files[0].src must be one line"),
    ("{type: script, scripts: §echo}", "scripts must be a list"),
    ("{type: script, scripts: [§true]}", "scripts[0] must be text, not true or false; put it in quotes"),
    ("{type: script, condition: §true}", "condition must be text, not true or false; put it in quotes"),
    ("{type: rpm-ostree, install: [§-y]}", "install[0] must be one line that does not begin with a dash or a space"),
    ("{type: package-loader, window_manager: §../x}", "window_manager must be the name of a package list"),
    ("{type: systemd, system: {enabled: [§a b]}}", "system.enabled[0] must be the name of a unit"),
    ("{type: sddm-themes, source: §themes}", "source must be an absolute path in the image"),
    ("{type: git-clone, repos: [{url: §a}]}", "repos[0].url must be the address of a git repository"),
    (
        "{type: git-clone, repos: [{url: 'https://a', files: [{src: §../a, dst: /b}]}]}",
        "repos[0].files[0].src must be a path inside of the repository",
    ),
    (
        "{type: github-install, repos: [{url: 'https://a', type: §go}]}",
        "repos[0].type must be one of python, script, make",
    ),
    ("{type: chezmoi, run-every: §often}", "run-every must be a time such as 1d"),
    ("{from-file: §../x.yml}", "from-file must be the path of a file below the recipes, without `..`"),
]  # fmt: skip
WARNED = [
    ("§{type: fils}", "Unknown module type: fils; did you mean files?"),
    ("§{type: packages}", "Unknown module type: packages; did you mean package-loader?"),
    (
        "{type: files, files: [{src: a, dst: b, mode: §0644}]}",
        'files[0].mode is the number 420 to YAML and taken for 0644; write it in quotes: "0644"',
    ),
    (
        "{type: files, files: [{src: a, dst: b, mode: §755}]}",
        'files[0].mode is the number 755 to YAML and taken for 0755; write it in quotes: "0755"',
    ),
    ("{type: files, files: [§{src: a}]}", "files[0] has no 'dst' and is skipped"),
    ("{type: script, §script: [a]}", "the key 'script' has no meaning here; did you mean scripts?"),
    (
        "{type: script, condition: §desktop == sway}",
        ("condition: 'desktop' is never equal to anything; expected one of image-type, distro, "
         "enable_plymouth, enable_rke2, use_upstream_sway_config, enable_zfs, desktop_environment, "
         "window_manager"),
    ),
    (
        "{type: rpm-ostree, install-conditional: [{condition: §enable_zfs == 1, packages: [a]}]}",
        "install-conditional[0].condition: enable_zfs is never '1'; expected one of true, false",
    ),
    (
        "{type: rpm-ostree, install-conditional: [§{packages: [a]}]}",
        "install-conditional[0] has no condition, and so is never installed",
    ),
    (
        "§{type: package-loader, window_manager: dwm}",
        "the package list packages/window-managers/dwm.yml is not among the files that Slipway knows",
    ),
    (
        "§{from-file: no/such.yml}",
        "in no/such.yml: Slipway does not know the file; from-file can only be checked where it is",
    ),
    ("§{type: chezmoi}", "has no repository, so nothing is fetched; give one, or say disable-init: true"),
    (
        "{type: default-flatpaks, configurations: [{notify: §true, install: [org.a.B]}]}",
        "configurations[0].notify has no effect: nobody is told of the installation",
    ),
]  # fmt: skip


def said(severity: str, text: str) -> list[str]:
    """Return the problems of one severity as line:column: message."""
    return [f"{one.line}:{one.column}: {one.message}" for one in problems(text) if one.severity == severity]


@pytest.mark.parametrize(("text", "errors"), SPECIFIED, ids=repr)
def test_errors_are_the_specified_ones(text: str, errors: list[str]) -> None:
    """`errors` holds exactly what is documented, in its order."""
    found = validate(text)
    assert (found.errors, found.valid, found.dialect) == (errors, False, Dialect.EXOUSIA)


def test_a_syntax_error_is_one_error_with_its_place() -> None:
    """What is no YAML has one error, whose place also stands in its text."""
    found = validate("name: a\nmodules: [")
    (error,) = found.errors
    assert error.startswith("YAML syntax error: while parsing")
    assert "line 3, column 1" in error
    assert (found.problems[0].line, found.problems[0].column) == (3, 1)


@pytest.mark.parametrize("text", VALID)
def test_what_upstream_takes_is_valid(text: str) -> None:
    """Unknown types, unknown keys, empty keys and files elsewhere are no errors."""
    assert validate(text).errors == []


@pytest.mark.parametrize(("line", "error"), WRONG, ids=[line for line, _ in WRONG])
def test_a_wrong_value_is_named_with_its_place(line: str, error: str) -> None:
    """A value of the wrong kind is an error that says which key, where, and what belongs there."""
    assert said("error", f"name: a\ndescription: b\nmodules: []\n{line}\n") == [error]


def placed(module: str) -> tuple[str, str]:
    """Return a recipe of this module, and the place of the mark in it as line:column."""
    column = module.index("§") + 4
    return f"name: a\ndescription: b\nmodules:\n - {module.replace('§', '')}\n", f"4:{column}"


@pytest.mark.parametrize(("module", "error"), WRONG_MODULES, ids=[module for module, _ in WRONG_MODULES])
def test_a_wrong_module_is_named_with_its_place(module: str, error: str) -> None:
    """An error of a module begins with its index as the specified messages count; § is where it is."""
    text, place = placed(module)
    assert said("error", text) == [f"{place}: Module 0: {error}"]


@pytest.mark.parametrize(("module", "warning"), WARNED, ids=[module for module, _ in WARNED])
def test_what_is_hardly_meant_is_warned_of(module: str, warning: str) -> None:
    """What is allowed and probably a mistake leaves the recipe valid, and is said; § is where it is."""
    text, place = placed(module)
    assert said("warning", text) == [f"{place}: Module 0: {warning}"]
    assert validate(text, files=FILES).valid


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("base-image: quay.io/a/b:latest", "4:13: base-image has the tag latest"),
        ("image-version: latest", "4:16: image-version is latest"),
        ("image-type: fedora-kde", "4:13: image-type 'fedora-kde' is not known, fedora-bootc takes its place"),
    ],
)
def test_what_makes_builds_differ_is_warned_of(line: str, part: str) -> None:
    """`latest`, and an image type that has no base image of its own, are worth a word."""
    (warning,) = said("warning", f"name: a\ndescription: b\nmodules: []\n{line}\n")
    assert warning.startswith(part)


def test_a_digest_makes_latest_harmless() -> None:
    """A base image that is pinned is the same in each build, whatever its tag."""
    assert problems(recipe(**{"base-image": f"quay.io/a/b:latest@sha256:{'0' * 64}"})) == ()


def test_problems_are_bounded_and_errors_are_never_lost_among_warnings() -> None:
    """Ten thousand mistakes are no ten thousand sentences, and a last error still makes the recipe invalid."""
    found = validate(recipe(*[{"type": f"t{n}"} for n in range(MAX_MODULES - 1)], 3))
    assert len(found.problems) == MAX_OF_EACH + 1
    assert found.errors == [f"Module {MAX_MODULES - 1} must be a dictionary"]


def test_modules_are_bounded() -> None:
    """A recipe of more modules than any builder takes is refused at the first one too many."""
    text = recipe(*[{"type": "script"}] * (MAX_MODULES + 5))
    assert validate(text).errors == [f"more than {MAX_MODULES} modules, includes followed"]


_VALUES = st.recursive(
    st.sampled_from(
        [None, True, 0, 420, 1.5, "", "a", "/a", "a\nb", "-x", "x == y", "\x07", "🦀", "$(a)", "<<EOF", "\\"]
    )
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["src", "dst", "mode", "enabled", "url", "type", "install", "a"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
_MODULE_KEYS = st.sampled_from([
    "files", "scripts", "condition", "repos", "config-manager", "install-conditional", "install", "remove",
    "window_manager", "desktop_environment", "include_common", "extras", "system", "user", "default-target", "source",
    "destination", "config", "cosign-key", "policy-file", "configurations", "repository", "branch", "run-every",
    "from-file",
])  # fmt: skip
_TYPES = st.sampled_from([
    "files", "script", "rpm-ostree", "package-loader", "systemd", "sddm-themes", "signing", "default-flatpaks",
    "chezmoi", "git-clone", "github-install", "dnf", "what",
])  # fmt: skip
_MODULES = st.builds(
    lambda kind, keys: {"type": kind, **keys}, _TYPES, st.dictionaries(_MODULE_KEYS, _VALUES, max_size=4)
)
_TOPS = st.dictionaries(
    st.sampled_from(["image-type", "image-version", "base-image", "desktop", "labels", "build", "name"]),
    _VALUES,
    max_size=3,
)


@given(st.lists(_MODULES | _VALUES, max_size=3), _TOPS)
@settings(max_examples=200)
def test_any_recipe_is_answered(modules: list[object], top: dict[str, object]) -> None:
    """Validation never raises; what it finds valid becomes a Containerfile, or is refused with a reason."""
    text = recipe(*modules, **top)
    validate(text)
    for work in (transpile, resolve):
        try:
            work(text, Options(lint=True), files=FILES)
        except TranspilationFailed as error:
            assert str(error)  # noqa: PT017  # either way is right here


@given(st.text(max_size=200))
@settings(max_examples=100)
def test_any_text_is_answered(text: str) -> None:
    """Validation never raises, whatever the text and the dialect."""
    for dialect in (None, *Dialect):
        validate(text, dialect=dialect)
