"""The modules that install and remove packages: rpm-ostree and package-loader."""

from collections.abc import Iterator, Sequence

from services.builds.recipes import conditions
from services.builds.recipes.commands import words
from services.builds.recipes.containerfile import run
from services.builds.recipes.document import List, Map, Scalar
from services.builds.recipes.exousia.commands import (
    DNF5,
    FINISH,
    READ_FEDORA_VERSION,
    address,
    chunks,
)
from services.builds.recipes.exousia.module import CONDITION, Image, Keys, ModuleType, keys_of, line_of, name_of
from services.builds.recipes.exousia.packages import PackageList
from services.builds.recipes.shapes import Finding, Flag, Many, Record, Text

_RPM_FUSION = tuple(
    f'"https://mirrors.rpmfusion.org/{kind}/fedora/rpmfusion-{kind}-release-${{FEDORA_VERSION}}.noarch.rpm"'
    for kind in ("free", "nonfree")
)
_OPENH264 = "fedora-cisco-openh264"


def _run(commands: Sequence[str]) -> Iterator[str]:
    if instruction := run(commands):
        yield instruction


# --- rpm-ostree ---


def _rpm_ostree(keys: Keys, image: Image) -> Iterator[str]:
    """Install and remove with dnf5, whatever the module's name says: that is what upstream moved to.

    What the module installs is not removed again by the shared list.
    """
    commands = list(DNF5)
    repos = keys.get("repos", ())
    if repos:
        commands.append(READ_FEDORA_VERSION)
    commands += [f"dnf install -y {address(url)}" for url in repos]
    commands += [f"dnf config-manager setopt {words([repo + '.enabled=1'])}" for repo in keys.get("config-manager", ())]
    conditional = [
        name
        for group in keys.get("install-conditional", ())
        if conditions.why_dropped(conditions.parse(group.get("condition", "")), image.facts) is None
        for name in group.get("packages", ())
    ]
    if conditional:
        commands.append(f"dnf install -y --skip-unavailable {words(conditional)}")
    install = keys.get("install", ())
    if install:
        commands.append(f"dnf install -y {words(install)}")
    remove = tuple(dict.fromkeys(keys.get("remove", ())))
    if remove:
        commands.append(f"dnf remove -y {words(remove)}")
    shared = [name for name in image.removals() if name not in {*remove, *install, *conditional}]
    if shared:
        commands.append(f"dnf remove -y {words(shared)} || true")
    yield from _run([*commands, *FINISH])


def _rpm_ostree_doubts(module: Map) -> Iterator[Finding]:
    groups = module.get("install-conditional")
    for at, group in enumerate(groups.items if isinstance(groups, List) else ()):
        condition = group.get("condition") if isinstance(group, Map) else None
        if isinstance(group, Map) and condition is None:
            yield Finding(group, f"install-conditional[{at}]", "has no condition, and so is never installed")
        elif isinstance(condition, Scalar):
            for doubt in conditions.doubts(conditions.parse(condition.text)):
                yield Finding(condition, f"install-conditional[{at}].condition:", doubt)


RPM_OSTREE = ModuleType(
    "rpm-ostree",
    keys_of(
        "rpm-ostree",
        "Installs and removes packages.",
        {
            "repos": Many(
                line_of("An address."),
                "Packages that set up a repository, by address; `43` in one becomes the image's release.",
            ),
            "config-manager": Many(name_of("An id."), "Ids of repositories that are switched on."),
            "install-conditional": Many(
                Record({"condition": CONDITION, "packages": Many(name_of("A package."), "Packages.")}, open=True),
                "Packages that are installed where a condition holds, and skipped where there are none of that name.",
            ),
            "install": Many(name_of("A package."), "Packages."),
            "remove": Many(name_of("A package."), "Packages that the base image has."),
            "install-dnf5": Flag("Tolerated; dnf5 is always there."),
            "upgrade": Flag("Tolerated; packages are always upgraded."),
        },
    ),
    _rpm_ostree,
    _rpm_ostree_doubts,
    reads_files=True,
)


# --- package-loader ---


def _package_loader(keys: Keys, image: Image) -> Iterator[str]:
    """Install the packages of named lists; desktop and window manager are the recipe's where the module names none."""
    paths = [
        f"packages/{folder}/{name}.yml"
        for folder, name in (
            ("window-managers", keys.get("window_manager") or image.facts.get("window_manager")),
            ("desktop-environments", keys.get("desktop_environment") or image.facts.get("desktop_environment")),
        )
        if name
    ]
    common = keys.get("include_common", image.include_common)
    bundles = ["base"] if common else []
    paths += [f"packages/common/{name}.yml" for name in (*bundles, *keys.get("common_bundles", ()))]
    paths += [f"packages/features/{name}.yml" for name in keys.get("feature_bundles", ())]
    lists = [image.package_list(path) for path in paths]
    lists.append(PackageList((), tuple(keys.get("extras", ()))))
    groups = dict.fromkeys(name for one in lists for name in one.groups)
    packages = tuple(dict.fromkeys(name for one in lists for name in one.packages))
    if not groups and not packages:
        return
    removed = image.removals() if common else ()
    excludes = "".join(f" {words([f'--exclude={name}'])}" for name in removed)
    yield from _run(
        [
            *DNF5,
            READ_FEDORA_VERSION,
            f"dnf install -y {' '.join(_RPM_FUSION)}",
            f"dnf config-manager setopt {_OPENH264}.enabled=1",
            *(f"dnf install -y {words([f'@{name}'])}" for name in groups),
            *([f"dnf remove -y {words(removed)} || true"] if removed else []),
            *(f"dnf install -y --skip-unavailable{excludes} {words(chunk)}" for chunk in chunks(packages)),
            *FINISH,
        ]
    )


def _list_name(doc: str) -> Text:
    return Text(doc, pattern=r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}", expected="the name of a package list")


PACKAGE_LOADER = ModuleType(
    "package-loader",
    keys_of(
        "package-loader",
        "Installs the packages of lists below `packages/`.",
        {
            "window_manager": _list_name("A list in `packages/window-managers/`."),
            "desktop_environment": _list_name("A list in `packages/desktop-environments/`."),
            "include_common": Flag("Also `packages/common/base.yml` and `remove.yml`.", default=True),
            "common_bundles": Many(_list_name("A list."), "Further lists in `packages/common/`."),
            "feature_bundles": Many(_list_name("A list."), "Lists in `packages/features/`."),
            "extras": Many(name_of("A package."), "Packages beside those of the lists."),
        },
    ),
    _package_loader,
    reads_files=True,
)
