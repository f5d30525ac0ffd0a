"""Dotfiles by chezmoi (https://www.chezmoi.io): a user's home is made from a repository, and kept like it."""

from collections.abc import Mapping
from typing import Any

from services.builds.recipes.commands import chain, words, write

_RELEASE = "https://github.com/twpayne/chezmoi/releases/latest/download/chezmoi-linux"
_UNITS = "/usr/lib/systemd/user"
_CONFLICT = {"skip": "--no-tty --keep-going", "replace": "--no-tty --force"}


def apply_dotfiles(options: Mapping[str, Any]) -> list[str]:
    """Write one RUN that fetches chezmoi, and makes the units that run it for users.

    `options` are the keys that both dialects have: `repository`, `branch`, `all-users`, `run-every`, `wait-after-boot`,
    `disable-init`, `disable-update`, `file-conflict-policy`. The newest chezmoi is taken where the image has none.
    """
    units: list[str] = []
    commands = [
        'case "$(uname -m)" in x86_64) arch=amd64 ;; aarch64) arch=arm64 ;; *) exit 1 ;; esac',
        f'{{ [ -x /usr/bin/chezmoi ] || curl -fsSL --retry 3 -o /usr/bin/chezmoi "{_RELEASE}-${{arch}}"; }}',
        "chmod 0755 /usr/bin/chezmoi",
    ]
    if not options.get("disable-init", False):
        commands += write(f"{_UNITS}/chezmoi-init.service", _init(options))
        units.append("chezmoi-init.service")
    if not options.get("disable-update", False):
        commands += write(f"{_UNITS}/chezmoi-update.service", _update(options))
        commands += write(f"{_UNITS}/chezmoi-update.timer", _timer(options))
        units.append("chezmoi-update.timer")
    if units and options.get("all-users", True):
        commands.append(f"systemctl --global enable {words(units)}")
    return chain(commands)


def _init(options: Mapping[str, Any]) -> list[str]:
    branch = ["--branch", options["branch"]] if options.get("branch") else []
    arguments = words([*branch, options["repository"]]).replace("%", "%%")
    return [
        "[Unit]",
        "Description=Make the dotfiles of this user from a repository",
        "ConditionPathExists=!%h/.local/share/chezmoi/.git",
        "[Service]",
        "Type=oneshot",
        f"ExecStart=/usr/bin/chezmoi init --apply {arguments}",
        "[Install]",
        "WantedBy=default.target",
    ]


def _update(options: Mapping[str, Any]) -> list[str]:
    return [
        "[Unit]",
        "Description=Bring the dotfiles of this user up to date",
        "[Service]",
        "Type=oneshot",
        f"ExecStart=/usr/bin/chezmoi update {_CONFLICT[options.get('file-conflict-policy', 'skip')]}",
    ]


def _timer(options: Mapping[str, Any]) -> list[str]:
    return [
        "[Unit]",
        "Description=Bring the dotfiles of this user up to date from time to time",
        "ConditionPathExists=%h/.local/share/chezmoi",
        "[Timer]",
        f"OnBootSec={options.get('wait-after-boot', '5m')}",
        f"OnUnitInactiveSec={options.get('run-every', '1d')}",
        "[Install]",
        "WantedBy=timers.target",
    ]
