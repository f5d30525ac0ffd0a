"""Modules whose work is done by systemd units once the image runs: default-flatpaks and chezmoi."""

from collections.abc import Iterator

from services.builds.recipes.document import List, Map, Scalar
from services.builds.recipes.dotfiles import apply_dotfiles
from services.builds.recipes.exousia.module import Image, Keys, ModuleType, keys_of
from services.builds.recipes.flatpaks import install_flatpaks
from services.builds.recipes.shapes import Finding, Flag, Many, Record, Text

_ADDRESS = r"[A-Za-z0-9][A-Za-z0-9._:/@~+-]*"  # no `%`, which units expand, and no quotes or spaces
# systemd.time(7). With the unit optional in the repetition, a long number would be tried in all its divisions.
_SPAN = r"[0-9]{1,9}|([0-9]{1,9}(us|ms|s|min|m|h|d|w|month|y))+"


# --- default-flatpaks ---


def _default_flatpaks(keys: Keys, _: Image) -> list[str]:
    return install_flatpaks(keys.get("configurations", ()))


def _flatpak_doubts(module: Map) -> Iterator[Finding]:
    configurations = module.get("configurations")
    for at, entry in enumerate(configurations.items if isinstance(configurations, List) else ()):
        notify = entry.get("notify") if isinstance(entry, Map) else None
        if isinstance(notify, Scalar) and notify.value is True:
            yield Finding(notify, f"configurations[{at}].notify", "has no effect: nobody is told of the installation")


DEFAULT_FLATPAKS = ModuleType(
    "default-flatpaks",
    keys_of(
        "default-flatpaks",
        "Installs Flatpaks of Flathub once the image runs.",
        {
            "configurations": Many(
                Record(
                    {
                        "notify": Flag("Has no effect.", default=False),
                        "scope": Text("For all users, or for each.", choices=("system", "user"), default="user"),
                        "install": Many(
                            Text(
                                pattern=r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+(/[A-Za-z0-9._-]*){0,2}",
                                expected="the id of a Flatpak such as org.gnome.Calculator",
                            ),
                            "Ids.",
                        ),
                    },
                    open=True,
                ),
                "What is installed, by scope.",
            )
        },
    ),
    _default_flatpaks,
    _flatpak_doubts,
)


# --- chezmoi ---


def _chezmoi(keys: Keys, _: Image) -> list[str]:
    return apply_dotfiles(keys if "repository" in keys else {**keys, "disable-init": True})


def _chezmoi_doubts(module: Map) -> Iterator[Finding]:
    disabled = module.get("disable-init")
    if "repository" not in module and not (isinstance(disabled, Scalar) and disabled.value is True):
        yield Finding(module, "", "has no repository, so nothing is fetched; give one, or say disable-init: true")


CHEZMOI = ModuleType(
    "chezmoi",
    keys_of(
        "chezmoi",
        "Fetches dotfiles for users with chezmoi, and keeps them up to date.",
        {
            "repository": Text("Address of the dotfiles.", pattern=_ADDRESS, expected="the address of a repository"),
            "branch": Text("Its branch.", pattern=r"[A-Za-z0-9][A-Za-z0-9._/-]*", expected="the name of a branch"),
            "all-users": Flag("For all users; else each one enables the units.", default=True),
            "file-conflict-policy": Text(
                "What becomes of a user's own changes.", choices=("skip", "replace"), default="skip"
            ),
            "run-every": Text("Time between updates.", pattern=_SPAN, expected="a time such as 1d", default="1d"),
            "wait-after-boot": Text("Time to the first.", pattern=_SPAN, expected="a time such as 5m", default="5m"),
            "disable-init": Flag("Fetch nothing.", default=False),
            "disable-update": Flag("Do not keep up to date.", default=False),
        },
    ),
    _chezmoi,
    _chezmoi_doubts,
)
