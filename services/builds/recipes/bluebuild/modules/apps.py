"""Modules that bring applications: default-flatpaks, fonts."""

from collections.abc import Mapping
from typing import Any

from services.builds.recipes.bluebuild.commands import run
from services.builds.recipes.bluebuild.module import (
    URL,
    CannotTranspile,
    Module,
    ModuleType,
    keys_of,
    versions,
)
from services.builds.recipes.commands import word
from services.builds.recipes.flatpaks import FLATHUB, install_flatpaks
from services.builds.recipes.shapes import ONE_LINE, ByKey, Flag, Many, Record, Shape, Text

_NERD_FONTS = "https://github.com/ryanoasis/nerd-fonts/releases/latest/download"
_FONTS = "/usr/share/fonts"
_ARCHIVE = "/tmp/font.tar"  # noqa: S108  # in the image that is being built, for the time of one RUN


def _default_flatpaks(module: Module) -> list[str]:
    """Read version 2's configurations; version 1 has one for the system and one for users, with other names."""
    keys = module.keys
    configurations = keys.get("configurations")
    if configurations is None:
        configurations = [_of_version_1(scope, keys[scope]) for scope in ("system", "user") if scope in keys]
    return install_flatpaks(configurations)


def _of_version_1(scope: str, options: Mapping[str, Any]) -> dict[str, Any]:
    names = {"url": "repo-url", "name": "repo-name", "title": "repo-title"}
    repo = {name: options[key] for name, key in names.items() if key in options}
    return {**options, "scope": scope, "repo": repo}


def _fonts(module: Module) -> list[str]:
    """Fetch fonts and unpack them, one folder each."""
    fonts = module.keys["fonts"]
    if fonts.get("google-fonts"):
        raise CannotTranspile("`google-fonts` needs a tool that reads Google's list of files, which base images lack")
    commands: list[str] = []
    for name in fonts.get("nerd-fonts", ()):
        archive = name.replace(" ", "")
        commands += _fetch(f"{_FONTS}/nerd-fonts/{archive}", f"{_NERD_FONTS}/{archive}.tar.xz")
    for font in fonts.get("url-fonts", ()):
        if font["url"].endswith(".zip"):
            raise CannotTranspile(f"unpacking {font['url']} needs unzip, which base images lack")
        commands += _fetch(f"{_FONTS}/url-fonts/{font['name']}", font["url"])
    if commands:
        commands.append("{ ! command -v fc-cache || fc-cache --system-only --really-force; }")
    return run(module, commands)


def _fetch(folder: str, url: str) -> list[str]:
    download = "curl -fsSL --retry 3"
    made = f"mkdir -p {word(folder)}"
    if url.endswith((".ttf", ".otf")):
        return [made, f"{download} -o {word(folder + '/' + url.rpartition('/')[2])} {word(url)}"]
    return [
        made,
        f"{download} -o {_ARCHIVE} {word(url)}",
        f"tar -xf {_ARCHIVE} -C {word(folder)}",
        f"rm {_ARCHIVE}",
    ]


_FLATPAK = Text(pattern=r"[A-Za-z0-9_][A-Za-z0-9_./-]*", expected="the id of a Flatpak")
_INSTALL = Many(_FLATPAK, "Ids of Flatpaks to install.")
_REPO_URL = Text("The address of a .flatpakrepo file.", pattern=URL, expected="an address", default=FLATHUB)
_REPO_NAME = Text("A short name.", pattern=r"[A-Za-z0-9_][A-Za-z0-9_.-]*", expected="one word", default="flathub")
_REPO_TITLE = Text(
    "A title for people.", pattern=r"[^\x00-\x1f\x7f\x22'\\]+", expected="one line without quotes or backslash"
)
_SCOPE_V1: dict[str, Shape] = {
    "repo-url": _REPO_URL,
    "repo-name": _REPO_NAME,
    "repo-title": _REPO_TITLE,
    "install": _INSTALL,
    "remove": Many(_FLATPAK, "Ids of Flatpaks to remove."),
}
_CONFIGURATION = Record(
    {
        "notify": Flag("Tell people when it is done. Slipway's service tells nobody.", default=True),
        "scope": Text("For the system, or for each user.", choices=("system", "user"), default="user"),
        "repo": Record({"url": _REPO_URL, "name": _REPO_NAME, "title": _REPO_TITLE}, "Flathub where there is none."),
        "install": _INSTALL,
    }
)
_V1 = keys_of(
    "default-flatpaks",
    "Flatpaks that are installed and removed after boot.",
    {
        "notify": Flag("Tell people when it is done. Slipway's service tells nobody.", default=False),
        "system": Record(_SCOPE_V1, "Flatpaks of the system."),
        "user": Record(_SCOPE_V1, "Flatpaks of each user."),
    },
    at="@v1",
)
_V2 = keys_of(
    "default-flatpaks",
    "Flatpaks that are installed after boot.",
    {"configurations": Many(_CONFIGURATION, "What to install from where.")},
    required=("configurations",),
    at="@v2",
)

DEFAULT_FLATPAKS = ModuleType(
    "default-flatpaks",
    {
        "default-flatpaks": ByKey({"configurations": _V2, "system": _V1, "user": _V1}, otherwise=_V2),
        "default-flatpaks@v1": _V1,
        "default-flatpaks@v2": _V2,
        "default-flatpaks@latest": _V2,
    },
    needs="`flatpak` and systemd; a service installs them after boot, without a notification",
    emit=_default_flatpaks,
)
FONTS = ModuleType(
    "fonts",
    versions(
        "fonts",
        keys_of(
            "fonts",
            "Fonts from Nerd Fonts, Google Fonts or an address.",
            {
                "fonts": Record(
                    {
                        "nerd-fonts": Many(
                            Text(pattern=r"[A-Za-z0-9][A-Za-z0-9 _.+-]*", expected="the name of a font"),
                            "Names without the suffix `Nerd Font`.",
                        ),
                        "google-fonts": Many(Text(pattern=ONE_LINE, expected="the name of a font"), "Names of fonts."),
                        "url-fonts": Many(
                            Record(
                                {
                                    "name": Text(
                                        "A name for the folder.",
                                        pattern=r"[A-Za-z0-9][A-Za-z0-9 _.+-]*",
                                        expected="the name of a font",
                                    ),
                                    "url": Text("A font, or an archive of them.", pattern=URL, expected="an address"),
                                },
                                required=("name", "url"),
                            ),
                            "Fonts by their addresses.",
                        ),
                    },
                    "Which fonts.",
                )
            },
            required=("fonts",),
        ),
    ),
    needs="`curl`, `tar`, `fc-cache` where there is one; no `google-fonts`, no .zip",
    emit=_fonts,
)
