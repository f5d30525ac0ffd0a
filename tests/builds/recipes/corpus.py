"""Recipes of BlueBuild's dialect to try things on: a module of each type with all of its keys, and broken ones."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

Module = Mapping[str, Any]

_FLAGS = {"install-weak-deps": False, "skip-unavailable": True, "skip-broken": True, "allow-erasing": True}
_LIST = {"packages": ["one", "two"]}

MODULES: Mapping[str, Sequence[Module]] = {
    "akmods": [{"base": "surface", "nvidia": True, "install": ["xone"]}, {"nvidia": "open"}],
    "apk": [{"install": _LIST, "remove": _LIST}],
    "apt": [{"install": _LIST, "remove": _LIST}, {"install": _LIST}],
    "bling": [{"install": ["1password", "rpmfusion"]}],
    "brew": [{"auto-update": False, "update-interval": "6h", "install": ["gcc"], "brew-analytics": False}],
    "chezmoi": [
        {"repository": "https://git.example.org/dot files".replace(" ", "-"), "branch": "main", "run-every": "2d"},
        {"repository": "git@git.example.org:a/b.git", "all-users": False, "disable-update": True},
        {"repository": "https://a/b%20c", "disable-init": True, "file-conflict-policy": "replace"},
    ],
    "containerfile": [{"snippets": ["COPY a /a", "RUN x \\\n  && y"]}],
    "copy": [{"from": "x/build:1", "src": "/out/tool", "dest": "/usr/bin/tool"}, {"src": "a b", "dest": "/a b/"}],
    "default-flatpaks": [
        {"configurations": [{"scope": "system", "install": ["org.gnome.Boxes"], "notify": False}]},
        {
            "configurations": [
                {
                    "repo": {"url": "https://a.example.org/x%20y.flatpakrepo", "name": "mine", "title": "My own"},
                    "install": ["org.a.B/x86_64/stable"],
                },
                {"scope": "user"},
            ]
        },
        {"system": {"install": ["org.a.B"], "remove": ["org.c.D"], "repo-title": "One"}, "user": {"repo-name": "x"}},
    ],
    "default-flatpaks@v1": [{"notify": True, "user": {"remove": ["org.c.D"]}}],
    "dnf": [
        {
            "repos": {
                "cleanup": True,
                "files": ["https://a.example.org/f%OS_VERSION%/a.repo", "b.repo"],
                "copr": ["owner/name", {"name": "@group/name", "chroot": "fedora-43-x86_64"}],
                "keys": ["https://a.example.org/key.asc", "own.asc"],
                "nonfree": "rpmfusion",
            },
            "optfix": ["brave.com"],
            "group-remove": _LIST,
            "group-install": {**_LIST, **_FLAGS, "with-optional": True},
            "remove": {**_LIST, "auto-remove": False},
            "install": {
                "packages": ["a", "b.rpm", "https://a/%OS_VERSION%.rpm", {"repo": "r", **_LIST, **_FLAGS}],
                **_FLAGS,
            },
            "builddep": _LIST,
            "replace": [
                {"from-repo": "r", "packages": ["a", {"old": "x", "new": "y", "allow-erasing": True}], **_FLAGS}
            ],
        },
        {
            "repos": {
                "files": {"add": ["a.repo"], "remove": ["old"]},
                "copr": {"enable": ["a/b"], "disable": ["c/d"]},
                "nonfree": "negativo17",
            }
        },
        {"install": {"packages": []}},
        {},
    ],
    "files": [
        {"files": [{"source": "system", "destination": "/"}, {"source": "it's here", "destination": "/usr/share"}]},
        {"files": [{"usr": "/usr"}]},
    ],
    "fonts": [
        {"fonts": {"nerd-fonts": ["JetBrainsMono", "Fira Code"]}},
        {
            "fonts": {
                "url-fonts": [{"name": "My Font", "url": "https://a/b.ttf"}, {"name": "b", "url": "https://a/b.tar.gz"}]
            }
        },
        {"fonts": {}},
    ],
    "gnome-extensions": [{"install": ["Vitals", 615], "uninstall": ["x@y"]}],
    "gschema-overrides": [{"include": ["zz1-own.gschema.override"]}, {}],
    "initramfs": [{}],
    "justfiles": [{"validate": True, "include": ["a.just", "folder/b"], "install": False}],
    "kargs": [{"kargs": ["quiet", 'a="b c"'], "arch": "x86_64, aarch64"}, {"kargs": ["mitigations=off"]}],
    "os-release": [{"properties": {"NAME": 'It\'s "mine" for $5 `a\\b`', "VARIANT_ID": ""}}],
    "pacman": [{"install": _LIST, "remove": _LIST}],
    "rpm-ostree": [
        {
            "repos": ["https://a/f%OS_VERSION%.repo", "own.repo"],
            "keys": ["https://a/key.asc"],
            "optfix": ["brave.com"],
            "install": ["a", "b.rpm", "https://a/%OS_VERSION%.rpm"],
            "remove": ["c"],
            "replace": [
                {
                    "from-repo": "https://copr.fedorainfracloud.org/coprs/g/own/x/repo/fedora-%OS_VERSION%/x.repo",
                    "packages": ["d"],
                }
            ],
        },
        {"install": ["a"]},
        {},
    ],
    "script": [
        {"snippets": ["echo hi"]},
        {"scripts": ["a.sh", "sub folder/b.sh"], "snippets": ['for x in a b; do\n  echo "$x ${OS_VERSION}"\ndone']},
        {"snippets": ["[ -f /etc/a ] && rm /etc/a", "cat <<EOF\na\nEOF", "ls /tmp/files", "cp $CONFIG_DIRECTORY/a /"]},
        {"snippets": ["cat <<SNIPPET\nx\nSNIPPET"]},
        {},
    ],
    "script@v2": [{"snippets": ["echo hi"]}],
    "signing": [{}],
    "soar": [{"auto-upgrade": False, "upgrade-interval": "8h", "unlock-repos": True}],
    "systemd": [
        {
            "system": {"enabled": ["a.service"], "disabled": ["b.timer"], "masked": ["c"], "unmasked": ["d"]},
            "user": {"enabled": ["e@x.service"]},
        },
        {},
    ],
    "yafti": [{"custom-flatpaks": [{"Boxes": "org.gnome.Boxes"}]}],
    "zypper": [{"install": _LIST, "remove": _LIST}],
}
"""By the way in which the type is written. Every one is valid."""

REFUSED = {"akmods", "bling", "brew", "gnome-extensions", "justfiles", "signing", "soar", "yafti"}
"""The types that are checked and not transpiled."""


def recipe(*modules: Module, **keys: object) -> dict[str, Any]:
    """Make a valid recipe with these modules, and with these keys beside or in place of its own."""
    return {
        "name": "demo",
        "description": "A demo",
        "base-image": "quay.io/fedora/fedora-kinoite",
        "image-version": 43,
        "modules": list(modules),
        **keys,
    }


def text(value: object) -> str:
    """Write a recipe as YAML."""
    return yaml.safe_dump(value, allow_unicode=True, sort_keys=False)


def every_module() -> list[dict[str, Any]]:
    """Return all modules of MODULES, with their types and, here and there, the keys that every module has."""
    modules = [{"type": kind, **module} for kind, several in MODULES.items() for module in several]
    modules[0] |= {"no-cache": True, "env": {"A": "b c", "EMPTY": ""}}
    modules[1]["secrets"] = [
        {"type": "env", "name": "A", "mount": {"type": "env", "name": "B"}},
        {"type": "file", "source": "a", "mount": {"type": "file", "destination": "/b"}},
        {"type": "exec", "command": "pass", "args": ["x"], "mount": {"type": "env", "name": "B"}},
        {"type": "ssh"},
    ]
    return [*modules, {"from-file": "common.yml"}, {"type": "own", "source": "local", "anything": [1, {"a": None}]}]


def large() -> dict[str, Any]:
    """Return a valid recipe with everything that there is."""
    return recipe(
        *every_module(),
        stages=[
            {"name": "build", "from": "docker.io/library/rust:1.80", "platform": "linux/amd64", "modules": []},
            {"name": "second", "from": "build", "shell": "/bin/bash -c", "modules": [{"type": "apt@v1"}]},
            {"name": "third", "from": "scratch", "shell": ["/bin/sh", "-c"], "modules": [{"from-file": "a/b.yml"}]},
            {"from-file": "stages.yml"},
        ],
        labels={"org.example.a": "b $c"},
        platforms=["linux/amd64", "linux/arm/v7"],
        **{"alt-tags": ["stable"], "blue-build-tag": "none", "cosign-version": "2.4.1", "nushell-version": "none"},
    )
