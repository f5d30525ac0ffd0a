"""The dnf module: repositories and packages by dnf5, in the order in which BlueBuild goes about it.

dnf5(8) and its plugins config-manager, copr and builddep: https://dnf5.readthedocs.io/en/latest/
"""

from collections.abc import Mapping, Sequence
from typing import Any

from services.builds.recipes.bluebuild.commands import FILES, run, versioned
from services.builds.recipes.bluebuild.module import A_NAME, NAME, Module, ModuleType, keys_of, versions
from services.builds.recipes.bluebuild.modules.opt import OPTFIX, make_room_in_opt
from services.builds.recipes.commands import word, words
from services.builds.recipes.shapes import Either, Flag, Many, Record, Shape, Text

_FOLDER = f"{FILES}/dnf"
_REPO_FILES = "/etc/yum.repos.d"
_RPM_FUSION = "https://mirrors.rpmfusion.org/{kind}/fedora/rpmfusion-{kind}-release-%OS_VERSION%.noarch.rpm"
_NEGATIVO17 = "https://negativo17.org/repos/fedora-multimedia.repo"
_NEEDS_PLUGINS = ("dnf5 -y config-manager", "dnf5 -y copr", "dnf5 -y builddep")

Options = Mapping[str, Any]


def _dnf(module: Module) -> list[str]:
    keys = module.keys
    repositories: Options = keys.get("repos", {})
    commands = [
        *_repositories(repositories),
        *make_room_in_opt(module.list("optfix")),
        *_groups("remove", keys.get("group-remove", {})),
        *_groups("install", keys.get("group-install", {})),
        *_remove(keys.get("remove", {})),
        *_install(keys.get("install", {})),
        *_build_dependencies(keys.get("builddep", {})),
        *(command for replacement in keys.get("replace", ()) for command in _replace(replacement)),
        *(_clean_up(repositories) if repositories.get("cleanup") else ()),
    ]
    if any(command.startswith(_NEEDS_PLUGINS) for command in commands):
        commands.insert(0, "{ rpm -q dnf5-plugins || dnf5 -y install dnf5-plugins; }")
    return run(module, [*commands, "dnf5 clean all"] if commands else [])


def _repositories(repositories: Options) -> list[str]:
    added, removed = _lists(repositories.get("files", {}), "add", "remove")
    enabled, disabled = _lists(repositories.get("copr", {}), "enable", "disable")
    return [
        *_nonfree(repositories.get("nonfree")),
        *(f"rpm --import {versioned(_local(key))}" for key in repositories.get("keys", ())),
        *map(_add_repository, added),
        *(f"dnf5 -y config-manager setopt {word(name + '.enabled=0')}" for name in removed),
        *(f"dnf5 -y copr enable {_copr(project)}" for project in enabled),
        *(f"dnf5 -y copr disable {word(project)}" for project in disabled),
    ]


def _nonfree(name: str | None) -> list[str]:
    """Add one of the two repositories of codecs and drivers and take the other away: their packages conflict."""
    if name == "rpmfusion":
        packages = " ".join(versioned(_RPM_FUSION.format(kind=kind)) for kind in ("free", "nonfree"))
        return [f"rm -f {_REPO_FILES}/fedora-multimedia.repo", f"dnf5 -y install {packages}"]
    if name == "negativo17":
        return [
            "dnf5 -y remove rpmfusion-free-release rpmfusion-nonfree-release",
            f"dnf5 -y config-manager addrepo --overwrite --from-repofile={_NEGATIVO17}",
        ]
    return []


def _add_repository(place: str) -> str:
    if _is_url(place):
        return f"dnf5 -y config-manager addrepo --overwrite --from-repofile={versioned(place)}"
    return f"cp {versioned(_local(place))} {_REPO_FILES}/"


def _clean_up(repositories: Options) -> list[str]:
    """Take away what this module added, when its packages are installed."""
    added, _ = _lists(repositories.get("files", {}), "add", "remove")
    enabled, _ = _lists(repositories.get("copr", {}), "enable", "disable")
    projects = [project if isinstance(project, str) else project["name"] for project in enabled]
    return [
        *(f"rm -f {versioned(_REPO_FILES + '/' + place.rpartition('/')[2])}" for place in added),
        *(f"dnf5 -y copr disable {word(project)}" for project in projects),
    ]


def _copr(project: str | Options) -> str:
    return word(project) if isinstance(project, str) else words([project["name"], project["chroot"]])


def _groups(verb: str, options: Options) -> list[str]:
    groups = options.get("packages", ())
    if not groups:
        return []
    flags = ["--with-optional"] if options.get("with-optional") else []
    return [" ".join([f"dnf5 -y group {verb}", *_flags(options), *flags, words(groups)])]


def _remove(options: Options) -> list[str]:
    packages = options.get("packages", ())
    flags = [] if options.get("auto-remove", True) else ["--no-autoremove"]
    return [" ".join(["dnf5 -y remove", *flags, words(packages)])] if packages else []


def _install(options: Options) -> list[str]:
    """Install what may come from anywhere in one transaction, then what is to come from certain repositories."""
    packages = options.get("packages", ())
    anywhere = [versioned(_local(package)) for package in packages if isinstance(package, str)]
    commands = [" ".join(["dnf5 -y install", *_flags(options), *anywhere])] if anywhere else []
    for chosen in packages:
        if not isinstance(chosen, str) and chosen["packages"]:
            flags = _flags({**options, **chosen})
            source = word(chosen["repo"])
            commands.append(
                " ".join(["dnf5 -y install", f"--repo={source}", *flags, *map(versioned, chosen["packages"])])
            )
    return commands


def _build_dependencies(options: Options) -> list[str]:
    packages = options.get("packages", ())
    return [" ".join(["dnf5 -y builddep", *_flags(options), *map(versioned, packages)])] if packages else []


def _replace(options: Options) -> list[str]:
    """Swap packages that have another name there one by one, then take the others in one transaction."""
    source, flags = word(options["from-repo"]), _flags(options)
    swaps = [package for package in options["packages"] if not isinstance(package, str)]
    same = [package for package in options["packages"] if isinstance(package, str)]
    commands = [
        " ".join(["dnf5 -y swap", *_flags({**options, **swap}), words([swap["old"], swap["new"]])]) for swap in swaps
    ]
    return commands + ([" ".join([f"dnf5 -y distro-sync --repo={source}", *flags, words(same)])] if same else [])


def _flags(options: Options) -> list[str]:
    flags = [] if options.get("install-weak-deps", True) else ["--setopt=install_weak_deps=False"]
    known = {
        "skip-unavailable": "--skip-unavailable",
        "skip-broken": "--skip-broken",
        "allow-erasing": "--allowerasing",
    }
    return flags + [flag for key, flag in known.items() if options.get(key)]


def _lists(value: Options | Sequence[Any], first: str, second: str) -> tuple[list[Any], list[Any]]:
    """Return two lists; a list alone is the first."""
    if isinstance(value, Mapping):
        return list(value.get(first, ())), list(value.get(second, ()))
    return list(value), []


def _is_url(place: str) -> bool:
    return place.startswith(("http://", "https://"))


def _local(place: str) -> str:
    """Return where a file of the repository is during the build; addresses and names of packages stay."""
    is_file = place.endswith((".rpm", ".repo", ".asc", ".gpg", ".key", ".pub")) and not place.startswith("/")
    return f"{_FOLDER}/{place}" if is_file and not _is_url(place) else place


# --- shapes ---

_NAME = Text(pattern=NAME, expected=A_NAME)
_NAMES = Many(_NAME, "Names of packages.")
_PROJECT = Text(
    "A project of COPR: `owner/name`.",
    pattern=r"@?[A-Za-z0-9_.+-]+/[A-Za-z0-9_.+-]+",
    expected="owner/name, as COPR has it",
)
_FLAGS: dict[str, Shape] = {
    "install-weak-deps": Flag("Install weak dependencies too.", default=True),
    "skip-unavailable": Flag("Go on when a package is in no repository.", default=False),
    "skip-broken": Flag("Go on when a package cannot be installed.", default=False),
    "allow-erasing": Flag("Remove packages that stand in the way.", default=False),
}
_PROJECTS = Many(
    Either(
        (
            _PROJECT,
            Record(
                {"name": _PROJECT, "chroot": Text("Such as `fedora-43-x86_64`.", pattern=NAME, expected=A_NAME)},
                required=("name", "chroot"),
            ),
        )
    ),
    "Projects of COPR to enable.",
)
_PLACES = Many(_NAME, "Addresses of .repo files, or names of files below `files/dnf/` of the repository.")
_REPOS = Record(
    {
        "cleanup": Flag("Take the repositories away again when the packages are installed.", default=False),
        "files": Either(
            (_PLACES, Record({"add": _PLACES, "remove": Many(_NAME, "Ids of repositories to disable.")})),
            "Repositories to add, or lists to `add` and to `remove`.",
        ),
        "copr": Either(
            (_PROJECTS, Record({"enable": _PROJECTS, "disable": Many(_PROJECT, "Projects to disable.")})),
            "Projects of COPR to enable, or lists to `enable` and to `disable`.",
        ),
        "keys": Many(_NAME, "Addresses of keys, or names of files below `files/dnf/`."),
        "nonfree": Text("The repository of codecs and drivers to use.", choices=("negativo17", "rpmfusion")),
    },
    "Repositories of packages.",
)
_PACKAGES_OF_REPO = Record(
    {"repo": Text("The id of the repository.", pattern=NAME, expected=A_NAME), "packages": _NAMES, **_FLAGS},
    required=("repo", "packages"),
)
_SWAP = Record(
    {"old": _NAME, "new": _NAME, "allow-erasing": _FLAGS["allow-erasing"]},
    "A package and the one that takes its place.",
    required=("old", "new"),
)
_REPLACEMENT = Record(
    {
        "from-repo": Text("The id of the repository.", pattern=NAME, expected=A_NAME),
        "packages": Many(Either((_NAME, _SWAP)), "Packages to take from there."),
        **_FLAGS,
    },
    required=("from-repo", "packages"),
)

DNF = ModuleType(
    "dnf",
    versions(
        "dnf",
        keys_of(
            "dnf",
            "Repositories and packages, by dnf5.",
            {
                "repos": _REPOS,
                "optfix": OPTFIX,
                "group-remove": Record({"packages": _NAMES}, "Groups to remove.", required=("packages",)),
                "group-install": Record(
                    {
                        "packages": _NAMES,
                        "with-optional": Flag("Install the optional packages of the groups.", default=False),
                        **_FLAGS,
                    },
                    "Groups to install.",
                    required=("packages",),
                ),
                "remove": Record(
                    {"packages": _NAMES, "auto-remove": Flag("Remove unused dependencies too.", default=True)},
                    "Packages to remove.",
                    required=("packages",),
                ),
                "install": Record(
                    {
                        "packages": Many(
                            Either((_NAME, _PACKAGES_OF_REPO)),
                            "Names, addresses, .rpm files below `files/dnf/`, or names from a certain repository.",
                        ),
                        **_FLAGS,
                    },
                    "Packages to install.",
                    required=("packages",),
                ),
                "builddep": Record(
                    {"packages": _NAMES, **_FLAGS},
                    "Packages whose build dependencies are installed.",
                    required=("packages",),
                ),
                "replace": Many(_REPLACEMENT, "Packages to take from another repository."),
            },
        ),
    ),
    needs="`dnf5`; `files/dnf/` of the repository for local files",
    emit=_dnf,
)
