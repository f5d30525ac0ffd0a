"""Modules that are checked and not transpiled: what they do comes from outside of the recipe and its base image."""

from services.builds.recipes.bluebuild.module import (
    A_PATH,
    PATH,
    ModuleType,
    keys_of,
    versions,
)
from services.builds.recipes.shapes import ONE_LINE, Either, Flag, Many, Shape, Table, Text

_LINES = Text(pattern=ONE_LINE, expected="one line")
_INTERVAL = r"[0-9][0-9a-z ]*"


def _interval(doc: str, default: str) -> Text:
    return Text(doc, pattern=_INTERVAL, expected="a time such as 6h or 10min", default=default)


def _foreign(name: str, doc: str, needs: str, fields: dict[str, Shape], *required: str) -> ModuleType:
    return ModuleType(name, versions(name, keys_of(name, doc, fields, required=required)), needs=needs)


AKMODS = _foreign(
    "akmods",
    "Kernel modules built by Universal Blue.",
    "the kernel modules are in images of Universal Blue, one for each kernel; use `dnf` with a repository of akmods",
    {
        "base": Text(
            "The kernel of the base image.",
            choices=(
                "main",
                "asus",
                "fsync",
                "fsync-ba",
                "surface",
                "coreos-stable",
                "coreos-testing",
                "bazzite",
            ),
            default="main",
        ),
        "nvidia": Either((Flag(), Text(choices=("open", "proprietary"))), "NVIDIA's modules too."),
        "install": Many(_LINES, "Names of kernel modules."),
    },
)
BLING = _foreign(
    "bling",
    "Small things that BlueBuild has installers for.",
    "the installers are in BlueBuild's image of the module; `dnf` with `nonfree` brings rpmfusion and negativo17",
    {
        "install": Many(
            Text(
                choices=(
                    "rpmfusion",
                    "negativo17",
                    "ublue-update",
                    "1password",
                    "dconf-update-service",
                    "gnome-vrr",
                    "laptop",
                    "flatpaksync",
                )
            ),
            "What to install.",
        )
    },
    "install",
)
BREW = _foreign(
    "brew",
    "Homebrew.",
    "Homebrew and its services are in BlueBuild's image of the module",
    {
        "auto-update": Flag("Update Homebrew itself.", default=True),
        "update-interval": _interval("How often.", "6h"),
        "update-wait-after-boot": _interval("How long after boot at first.", "10min"),
        "auto-upgrade": Flag("Upgrade what it installed.", default=True),
        "upgrade-interval": _interval("How often.", "8h"),
        "upgrade-wait-after-boot": _interval("How long after boot at first.", "30min"),
        "nofile-limits": Flag("Let processes open more files.", default=False),
        "brew-analytics": Flag("Let Homebrew count its users.", default=True),
        "install": Many(_LINES, "Names of packages."),
    },
)
GNOME_EXTENSIONS = _foreign(
    "gnome-extensions",
    "Extensions of GNOME's shell.",
    "the right version of an extension has to be asked of extensions.gnome.org by a tool that base images lack",
    {
        "install": Many(
            Text(pattern=ONE_LINE, expected="one line", numbers=True), "Names or ids at extensions.gnome.org."
        ),
        "uninstall": Many(_LINES, "Names of extensions."),
    },
)
JUSTFILES = _foreign(
    "justfiles",
    "Recipes of just, for Universal Blue's ujust.",
    "ujust, which it extends, is Universal Blue's; use `files` for justfiles of your own",
    {
        "validate": Flag("Check the format of the files.", default=False),
        "include": Many(Text(pattern=PATH, expected=A_PATH), "Files or folders below `files/justfiles/`."),
        "install": Flag("Install just.", default=False),
    },
)
SIGNING = _foreign(
    "signing",
    "A policy that only takes images that were signed with the repository's key.",
    "a recipe says neither which registry the image goes to nor which key signs it; use `files` for both",
    {},
)
SOAR = _foreign(
    "soar",
    "The package manager soar.",
    "soar and its services are in BlueBuild's image of the module",
    {
        "auto-upgrade": Flag("Upgrade what it installed.", default=True),
        "upgrade-interval": _interval("How often.", "8h"),
        "upgrade-wait-after-boot": _interval("How long after boot at first.", "30min"),
        "unlock-repos": Flag("Use all of its repositories.", default=False),
    },
)
YAFTI = _foreign(
    "yafti",
    "A first-boot installer.",
    "yafti is Universal Blue's own installer",
    {"custom-flatpaks": Many(Table(_LINES), "Flatpaks by the names that people see.")},
)
