"""Flatpaks that an image wants, installed after it has booted: /var, where they live, is not part of an image."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from services.builds.recipes.commands import chain, words, write

FLATHUB = "https://dl.flathub.org/repo/flathub.flatpakrepo"

_STATE = {"system": "/var/lib/slipway", "user": "%h/.local/state/slipway"}
_UNITS = {"system": "/usr/lib/systemd/system", "user": "/usr/lib/systemd/user"}
_TARGETS = {"system": "multi-user.target", "user": "default.target"}


def install_flatpaks(configurations: Sequence[Mapping[str, Any]]) -> list[str]:
    """Write one RUN that makes a systemd service for each configuration, and enables it.

    A configuration has `scope` ("system" or "user", the default), `repo` {url, name, title}, Flathub by default, and
    the ids of `install` and `remove`. The service runs at boot or log-in until it has succeeded once, then never again
    for the same configuration, so that what a person removes stays away; an update of the image that changes the
    configuration runs it anew. Nobody is notified: `notify` has no effect.
    """
    commands: list[str] = []
    for configuration in configurations:
        if not configuration.get("install") and not configuration.get("remove"):
            continue
        scope = configuration.get("scope", "user")
        lines, unit = _service(scope, configuration)
        commands += write(f"{_UNITS[scope]}/{unit}", lines)
        commands.append(f"systemctl {'--global ' if scope == 'user' else ''}enable {unit}")
    return chain(commands)


def _service(scope: str, configuration: Mapping[str, Any]) -> tuple[list[str], str]:
    """Return the lines of the unit and its name, which is made from what it does."""
    repo = configuration.get("repo", {})
    name, url, title = repo.get("name", "flathub"), repo.get("url", FLATHUB), repo.get("title")
    install, remove = configuration.get("install", ()), configuration.get("remove", ())
    flatpak = f"/usr/bin/flatpak {{}} --{scope} --noninteractive"
    steps = [f"ExecStart=-{flatpak.format('uninstall')} {_arguments(remove)}"] if remove else []
    if install:
        titled = f" {_arguments([f'--title={title}'])}" if title else ""
        steps += [
            f"ExecStart=/usr/bin/flatpak remote-add --{scope} --if-not-exists{titled} {_arguments([name, url])}",
            f"ExecStart={flatpak.format('install')} {_arguments([name, *install])}",
        ]
    key = hashlib.sha256("\n".join([scope, *steps]).encode()).hexdigest()[:12]
    done = f"{_STATE[scope]}/flatpaks-{key}"
    lines = [
        "[Unit]",
        "Description=Install the Flatpaks that this image wants",
        *(["Wants=network-online.target", "After=network-online.target"] if scope == "system" else []),
        f"ConditionPathExists=!{done}",
        "[Service]",
        "Type=oneshot",
        *steps,
        f"ExecStartPost=/usr/bin/mkdir -p {_STATE[scope]}",
        f"ExecStartPost=/usr/bin/touch {done}",
        "Restart=on-failure",
        "RestartSec=60",  # the network may come later, and user units cannot wait for it
        "[Install]",
        f"WantedBy={_TARGETS[scope]}",
    ]
    return lines, f"slipway-flatpaks-{key}.service"


def _arguments(texts: Sequence[str]) -> str:
    """Quote arguments for a unit: systemd.service(5) reads quotes as a shell does, and expands `%` and `$`."""
    return words(texts).replace("%", "%%").replace("$", "$$")
