"""The rpm-ostree module: repositories and packages by rpm-ostree(1)."""

import re

from services.builds.recipes.bluebuild.commands import FILES, run, versioned
from services.builds.recipes.bluebuild.module import (
    A_NAME,
    NAME,
    URL,
    CannotTranspile,
    Module,
    ModuleType,
    keys_of,
    versions,
)
from services.builds.recipes.bluebuild.modules.opt import OPTFIX, make_room_in_opt
from services.builds.recipes.commands import word, words
from services.builds.recipes.shapes import Many, Record, Text

_FOLDER = f"{FILES}/rpm-ostree"
_REPO_FILES = "/etc/yum.repos.d"
_COPR = re.compile(
    r"https://copr\.fedorainfracloud\.org/coprs/(?P<group>g/)?(?P<owner>[\w.+-]+)/(?P<name>[\w.+-]+)/repo/.+\.repo"
)


def _rpm_ostree(module: Module) -> list[str]:
    """Install and remove in one transaction, so that one package can take the place of another."""
    repositories, keys = module.list("repos"), module.list("keys")
    install, remove = [versioned(_local(package)) for package in module.list("install")], module.list("remove")
    commands = [
        *map(_add_repository, repositories),
        *(f"rpm --import {versioned(_local(key))}" for key in keys),
        *make_room_in_opt(module.list("optfix")),
    ]
    if remove:
        additions = [f"--install={package}" for package in install]
        commands.append(" ".join(["rpm-ostree override remove", words(remove), *additions]))
    elif install:
        commands.append(" ".join(["rpm-ostree install", *install]))
    for replacement in module.keys.get("replace", ()):
        commands += _replace(replacement["from-repo"], replacement["packages"])
    return run(module, [*commands, "rpm-ostree cleanup -m"] if commands else [])


def _add_repository(place: str) -> str:
    if place.startswith(("http://", "https://")):
        target = versioned(f"{_REPO_FILES}/{place.rpartition('/')[2]}")
        return f"curl -fsSL --retry 3 -o {target} {versioned(place)}"
    return f"cp {versioned(_local(place))} {_REPO_FILES}/"


def _replace(place: str, packages: list[str]) -> list[str]:
    """Take packages from a project of COPR; its repository is there only for that time."""
    found = _COPR.fullmatch(place)
    if not found:
        raise CannotTranspile("`replace` needs the address of a .repo file of copr.fedorainfracloud.org")
    owner = f"group_{found['owner']}" if found["group"] else found["owner"]
    source = word(f"repo=copr:copr.fedorainfracloud.org:{owner}:{found['name']}")
    target = f"{_REPO_FILES}/replacement.repo"
    return [
        f"curl -fsSL --retry 3 -o {target} {versioned(place)}",
        f"rpm-ostree override replace --experimental --from {source} {words(packages)}",
        f"rm -f {target}",
    ]


def _local(place: str) -> str:
    """Return where a file of the repository is during the build; addresses and names of packages stay."""
    is_file = place.endswith((".rpm", ".repo", ".asc", ".gpg", ".key", ".pub"))
    return f"{_FOLDER}/{place}" if is_file and not place.startswith(("http://", "https://", "/")) else place


_NAMES = Many(Text(pattern=NAME, expected=A_NAME))

RPM_OSTREE = ModuleType(
    "rpm-ostree",
    versions(
        "rpm-ostree",
        keys_of(
            "rpm-ostree",
            "Repositories and packages, by rpm-ostree.",
            {
                "repos": Many(_NAMES.item, "Addresses of .repo files, or files below `files/rpm-ostree/`."),
                "keys": Many(_NAMES.item, "Addresses of keys, or files below `files/rpm-ostree/`."),
                "optfix": OPTFIX,
                "install": Many(_NAMES.item, "Names, addresses, or .rpm files below `files/rpm-ostree/`."),
                "remove": Many(_NAMES.item, "Names of packages to remove from the base image."),
                "replace": Many(
                    Record(
                        {
                            "from-repo": Text(
                                "The .repo file of a project of COPR.", pattern=URL, expected="an address"
                            ),
                            "packages": Many(_NAMES.item, "Packages to take from there.", at_least=1),
                        },
                        required=("from-repo", "packages"),
                    ),
                    "Packages of the base image to replace.",
                ),
            },
        ),
    ),
    needs="`rpm-ostree`, `curl`; `files/rpm-ostree/` of the repository for local files",
    emit=_rpm_ostree,
)
