"""Package managers of other distributions, for stages and for base images that are not Fedora's."""

from collections.abc import Sequence

from services.builds.recipes.bluebuild.commands import run
from services.builds.recipes.bluebuild.module import A_NAME, NAME, Module, ModuleType, keys_of, versions
from services.builds.recipes.commands import words
from services.builds.recipes.shapes import Many, Record, Text

_PACKAGES = Record(
    {"packages": Many(Text(pattern=NAME, expected=A_NAME), "Names of packages.")},
    "Which packages.",
    required=("packages",),
)


def _manager(name: str, refresh: Sequence[str], install: str, remove: str, clean: Sequence[str]) -> ModuleType:
    """Make the type of a package manager: it removes, then installs, in one RUN."""

    def emit(module: Module) -> list[str]:
        removed = module.keys.get("remove", {}).get("packages", ())
        installed = module.keys.get("install", {}).get("packages", ())
        commands = [f"{remove} {words(removed)}"] if removed else []
        if installed:
            commands += [*refresh, f"{install} {words(installed)}", *clean]
        return run(module, commands)

    tool = install.split(maxsplit=1)[0]
    shape = keys_of(name, f"Packages, by {name}.", {"remove": _PACKAGES, "install": _PACKAGES})
    return ModuleType(name, versions(name, shape), needs=f"`{tool}`", emit=emit)


APK = _manager("apk", (), "apk add --no-cache", "apk del", ())
APT = _manager(
    "apt",
    ("export DEBIAN_FRONTEND=noninteractive", "apt-get update"),
    "apt-get install -y",
    "apt-get remove -y",
    ("apt-get clean", "rm -rf /var/lib/apt/lists/*"),
)
PACMAN = _manager(
    "pacman", (), "pacman -Syu --noconfirm --needed", "pacman -Rs --noconfirm", ("rm -rf /var/cache/pacman/pkg/*",)
)
ZYPPER = _manager(
    "zypper",
    ("zypper --non-interactive refresh",),
    "zypper --non-interactive install",
    "zypper --non-interactive remove",
    ("zypper clean --all",),
)
