"""Recipes and files of Exousia's dialect for tests."""

import textwrap
from typing import Any

import yaml

from services.builds.recipes import Given, Options, Problem, transpile, validate
from tests.builds.recipes.builder import runs

FILES = Given(
    {
        "packages/window-managers/sway.yml": "metadata: {name: sway}\ngroups: [sway-desktop]\ncore: [sway, swaylock]",
        "packages/desktop-environments/kde.yml": "groups: ['@kde-desktop-environment']\napps: [kate]",
        "packages/common/base.yml": "tools: [htop, vim]\nshells: [zsh, htop]",
        "packages/common/remove.yml": "packages: [sddm, foot]",
        "packages/common/fonts.yml": "fonts: [fira-fonts]",
        "packages/features/media.yml": "players: [mpv]",
        "flatpaks.yml": "type: default-flatpaks\nconfigurations: [{scope: user, install: [org.a.B]}]",
    }
)


def recipe(*modules: Any, **top: Any) -> str:
    """Write a recipe with these modules."""
    return yaml.safe_dump({"name": "demo", "description": "a demo", **top, "modules": list(modules)}, sort_keys=False)


def made(*modules: Any, options: Options | None = None, **top: Any) -> str:
    """Return the Containerfile of these modules, from the first module's comment on."""
    text = transpile(recipe(*modules, **top), options or Options(), files=FILES)
    return text[text.index("# Module ") :]


def commands(*modules: Any, options: Options | None = None, **top: Any) -> list[str]:
    """Return the commands of the only RUN that these modules become, without those which fetch dnf5 and finish."""
    (body,) = runs(made(*modules, options=options, **top))
    lines = [line.strip() for line in body.replace("; ", ";\n").split("\n")]
    everywhere = ("set -euxo", "command -v dnf5", "ln -sf dnf5", "dnf upgrade -y", "dnf clean all")
    return [line.removesuffix(";") for line in lines if not line.startswith(everywhere)]


def problems(text: str) -> tuple[Problem, ...]:
    """Return what is said of a text."""
    return validate(textwrap.dedent(text), files=FILES).problems
