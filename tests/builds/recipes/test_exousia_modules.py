"""What each type of Exousia's modules becomes."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.builds.recipes import Options, TranspilationFailed
from services.builds.recipes.exousia.modules import MODULE_TYPES
from services.builds.recipes.exousia.modules.copies import mode_of
from tests.builds.recipes.builder import instructions, is_shell, runs
from tests.builds.recipes.samples import commands, made

EVERYTHING: dict[str, dict[str, Any]] = {
    "files": {"files": [{"src": "a", "dst": "/a"}]},
    "script": {"scripts": ["a", "b\nc"]},
    "rpm-ostree": {
        "repos": ["https://x/r-43.rpm"],
        "config-manager": ["updates-testing"],
        "install-conditional": [{"condition": "distro == fedora", "packages": ["c"]}],
        "install": ["it's"],
        "remove": ["b"],
    },
    "package-loader": {
        "window_manager": "sway",
        "desktop_environment": "kde",
        "common_bundles": ["fonts"],
        "feature_bundles": ["media"],
        "extras": ["x"],
    },
    "systemd": {"system": {"enabled": ["a.service"]}, "user": {"enabled": ["b@c.timer"]}, "default-target": "d.target"},
    "sddm-themes": {"source": "/tmp/it's", "destination": "/a b", "config": "/c d/e"},
    "signing": {"cosign-key": "cosign.pub", "policy-file": "policy.json"},
    "default-flatpaks": {"configurations": [{"scope": "system", "install": ["org.a.B"]}]},
    "chezmoi": {"repository": "https://x/y", "branch": "main", "all-users": False, "file-conflict-policy": "replace"},
    "git-clone": {
        "repos": [
            {
                "url": "https://x/it's",
                "branch": "v1",
                "files": [
                    {"src": "a/", "dst": "/b c", "mode": "0644"},
                    {"src": "d", "dst": "/e/", "mode": 0o755},
                    {"src": "f", "dst": "/g"},
                ],
            }
        ]
    },
    "github-install": {
        "repos": [
            {"url": "https://x/p", "type": "python", "module": "p.main", "bin": "p"},
            {"url": "https://x/m", "type": "make", "prefix": "/opt/m"},
            {"url": "git@x:y/s", "type": "script", "src": "bin/s", "name": "s"},
        ]
    },
}


def test_every_type_is_tried() -> None:
    """The table of examples has each type of module."""
    assert set(EVERYTHING) == set(MODULE_TYPES)


@pytest.mark.parametrize("kind", EVERYTHING)
def test_every_command_is_shell(kind: str) -> None:
    """Bash can read what a module with all of its keys runs."""
    for body in runs(made({"type": kind, **EVERYTHING[kind]})):
        assert is_shell(body), body


# What a shell, a builder, systemd or YAML could take for something of its own.
_EVIL = st.sampled_from([
    "a\nRUN b", "x'y", '"', "$(a)", "`a`", "\\", "a\\", "<<EOF", "a <<EOF", "#", "a #b", "%h", ";", "&&", "a b", "\t",
    "\x85", "\u2028", "-a", "--x=y", "/", "a/", "~", "*", "{", "[a]", "", " a", "a ", "EOF", "${A}", "a\rb",
]) | st.text(max_size=5)  # fmt: skip


def _texts(node: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each text in the keys of a module."""
    if isinstance(node, str):
        yield path
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from _texts(child, (*path, key))


@given(st.data())
@settings(max_examples=150)
def test_no_value_gets_out_of_its_module(data: st.DataObject) -> None:
    """Whatever stands in a key, it is refused or quoted: bash can read each RUN, and the next module follows."""
    kind = data.draw(st.sampled_from(sorted(EVERYTHING.keys() - {"script"})))
    keys = copy.deepcopy(EVERYTHING[kind])
    for *way, last in data.draw(st.lists(st.sampled_from(list(_texts(keys))), min_size=1, max_size=2)):
        node: Any = keys
        for step in way:
            node = node[step]
        node[last] = data.draw(_EVIL)
    try:
        text = made({"type": kind, **keys}, {"type": "systemd", "default-target": "last.target"})
    except TranspilationFailed:
        return
    *found, end = instructions(text)
    assert end.body == "systemctl set-default last.target"
    assert {one.keyword for one in found} <= {"RUN", "COPY"}
    assert all(is_shell(one.body) for one in found if one.keyword == "RUN"), text


@pytest.mark.parametrize("kind", sorted(EVERYTHING.keys() - {"rpm-ostree", "sddm-themes", "package-loader", "chezmoi"}))
def test_a_module_that_says_nothing_does_nothing(kind: str) -> None:
    """Without keys there is the comment alone."""
    assert made({"type": kind}) == f"# Module 1: {kind}\n"


@pytest.mark.parametrize(
    ("value", "mode"),
    [
        (420, "0644"),  # 0644, as YAML 1.1 reads it
        (493, "0755"),
        (0, "0000"),
        (511, "0777"),
        (644, "0644"),  # nobody means 01204
        (755, "0755"),
        (1777, "1777"),
        (2541, "2541"),
        (1541, "1541"),
        ("644", "0644"),
        ("0644", "0644"),
        ("0o755", "0755"),
        ("04755", "4755"),
    ],
)
def test_modes_are_octal(value: int | str, mode: str) -> None:
    """A mode that lost its quotes comes out as the one that was written."""
    assert mode_of(value) == mode


def test_files_are_copied_with_their_modes() -> None:
    """One COPY each; an entry without source or destination is skipped, and an odd path is quoted."""
    module = {
        "type": "files",
        "files": [
            {"src": "conf/", "dst": "/etc/conf"},
            {"src": "run me", "dst": "/usr/bin/x", "mode": "0755"},
            {"src": "--from=x", "dst": "/y", "mode": 420},
            {"src": "<<EOF", "dst": "/y"},
            {"src": "lonely"},
            {"dst": "/nothing"},
        ],
    }
    assert made(module).splitlines()[1:] == [
        "COPY --chmod=0644 conf/ /etc/conf",
        'COPY --chmod=0755 ["run me", "/usr/bin/x"]',
        'COPY --chmod=0644 ["--from=x", "/y"]',
        'COPY --chmod=0644 ["<<EOF", "/y"]',
    ]


def test_packages_come_and_go_in_order() -> None:
    """Repositories, then what depends on a condition, what is installed, what is removed, and the shared removals."""
    module = {
        "type": "rpm-ostree",
        "repos": ["https://x.org:8443/r-43-143.rpm", "https://x.org/$(rpm -E %fedora).rpm"],
        "config-manager": ["updates-testing"],
        "install-conditional": [
            {"condition": 'window_manager == "sway"', "packages": ["sway"]},
            {"condition": "enable_zfs == true", "packages": ["zfs"]},
            {"packages": ["never"]},
        ],
        "install": ["htop", "@core", "foot"],
        "remove": ["nano", "vi", "nano"],
    }
    assert commands(module, desktop={"window_manager": "sway"}) == [
        'FEDORA_VERSION="$(rpm -E %fedora)"',
        'dnf install -y "https://x.org:8443/r-${FEDORA_VERSION}-143.rpm"',
        'dnf install -y "https://x.org/$(rpm -E %fedora).rpm"',
        "dnf config-manager setopt updates-testing.enabled=1",
        "dnf install -y --skip-unavailable sway",
        "dnf install -y htop @core foot",
        "dnf remove -y nano vi",
        "dnf remove -y sddm || true",
    ]


def test_dnf5_comes_first_and_the_cache_is_cleaned_last() -> None:
    """Each installing RUN begins and ends alike."""
    lines = made({"type": "rpm-ostree"}).splitlines()
    assert lines[1:4] == [
        "RUN set -euxo pipefail; \\",
        "    command -v dnf5 >/dev/null || dnf install -y dnf5 || rpm-ostree install dnf5; \\",
        "    ln -sf dnf5 /usr/bin/dnf; \\",
    ]
    assert lines[-2:] == ["    dnf upgrade -y; \\", "    dnf clean all"]


def test_package_lists_are_loaded() -> None:
    """RPM Fusion, groups, removals, then packages of all lists, each once, without what is removed."""
    module = {"type": "package-loader", "window_manager": "sway", "desktop_environment": "kde", "extras": ["x"]}
    fusion = "https://mirrors.rpmfusion.org/{0}/fedora/rpmfusion-{0}-release-${{FEDORA_VERSION}}.noarch.rpm"
    assert commands(module) == [
        'FEDORA_VERSION="$(rpm -E %fedora)"',
        f'dnf install -y "{fusion.format("free")}" "{fusion.format("nonfree")}"',
        "dnf config-manager setopt fedora-cisco-openh264.enabled=1",
        "dnf install -y @sway-desktop",
        "dnf install -y @kde-desktop-environment",
        "dnf remove -y sddm foot || true",
        "dnf install -y --skip-unavailable --exclude=sddm --exclude=foot sway swaylock kate htop vim zsh x",
    ]


def test_package_lists_follow_the_desktop_of_the_recipe() -> None:
    """A module that names no list takes the recipe's; without the shared ones where the recipe says so."""
    desktop = {"desktop_environment": "kde", "include_common": False}
    assert commands({"type": "package-loader"}, desktop=desktop)[-1] == "dnf install -y --skip-unavailable kate"
    named = {"type": "package-loader", "window_manager": "sway", "include_common": False}
    assert commands(named, desktop={"window_manager": "i3"})[-1] == "dnf install -y --skip-unavailable sway swaylock"


def test_packages_are_installed_in_portions() -> None:
    """Fifty at a time."""
    module = {"type": "package-loader", "include_common": False, "extras": [f"p{n}" for n in range(101)]}
    installs = [line for line in commands(module) if "--skip-unavailable" in line]
    assert [len(line.split()) - 4 for line in installs] == [50, 50, 1]


def test_a_package_list_that_is_missing_stops_transpiling() -> None:
    """A list that nobody has is no empty list."""
    with pytest.raises(
        TranspilationFailed, match=r"Module 0: the package list packages/window-managers/i3\.yml is not"
    ):
        made({"type": "package-loader", "window_manager": "i3"})
    assert made(
        {"type": "package-loader", "window_manager": "i3", "condition": "distro == arch"}, {"type": "script"}
    ) == ("# Module 2: script\n")


def test_units_are_enabled_in_one_run() -> None:
    """The target first, then units of the system, then those of users."""
    assert made({"type": "systemd", **EVERYTHING["systemd"]}).splitlines()[1:] == [
        "RUN systemctl set-default d.target && systemctl enable a.service && systemctl --global enable b@c.timer"
    ]


def test_keys_and_policy_are_copied() -> None:
    """The signing module puts both where container tools look for them."""
    assert made({"type": "signing", **EVERYTHING["signing"]}).splitlines()[1:] == [
        "COPY --chmod=0644 cosign.pub /etc/pki/containers/",
        "COPY --chmod=0644 policy.json /etc/containers/policy.json",
    ]


def test_files_of_git_repositories_are_copied() -> None:
    """A clone of the branch, its files with their modes, and nothing that stays behind."""
    clone = commands({"type": "git-clone", **EVERYTHING["git-clone"]})
    assert clone == [
        "command -v git >/dev/null || dnf install -y git-core",
        'work="$(mktemp -d)"',
        "git clone --depth 1 --branch v1 -- 'https://x/it'\"'\"'s' \"$work/source\"",
        "mkdir -p '/b c'",
        "cp -a \"$work/source\"/a/. '/b c'",
        "find '/b c' -type f -exec chmod 0644 {} +",
        "mkdir -p /e",
        'cp -a "$work/source"/d /e/',
        "find /e/d -type f -exec chmod 0755 {} +",
        "mkdir -p /",
        'cp -a "$work/source"/f /g',
        'rm -rf "$work"',
    ]


def test_programs_of_git_repositories_are_installed() -> None:
    """Python by pip with a command for its module, make with its prefix, a script by itself."""
    lines = commands({"type": "github-install", **EVERYTHING["github-install"]})
    assert 'python3 -m pip install --no-cache-dir --prefix=/usr "$work/source"' in lines
    assert "chmod 0755 /usr/bin/p" in lines
    assert 'make -C "$work/source" install PREFIX=/opt/m' in lines
    assert 'install -D -m 0755 "$work/source"/bin/s /usr/bin/s' in lines
    assert [line for line in lines if line.startswith("command -v")] == [
        "command -v git >/dev/null || dnf install -y git-core",
        "command -v pip3 >/dev/null || dnf install -y python3-pip",
        "command -v make >/dev/null || dnf install -y make",
    ]


def test_an_unknown_type_is_a_comment() -> None:
    """What nobody knows is named in the Containerfile, in one line."""
    assert (
        made({"type": "a\nRUN b"}, options=Options())
        == "# Module 1: a RUN b\n# WARNING: Unknown module type: a RUN b\n"
    )
