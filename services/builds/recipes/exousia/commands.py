"""Commands of dnf, and of getting tools, that several modules need."""

import re
from collections.abc import Iterable, Sequence

CHUNK = 50  # packages of one dnf command, as upstream; a line stays readable, and far below what a kernel takes

DNF5 = (
    "command -v dnf5 >/dev/null || dnf install -y dnf5 || rpm-ostree install dnf5",
    "ln -sf dnf5 /usr/bin/dnf",
)
FINISH = ("dnf upgrade -y", "dnf clean all")
READ_FEDORA_VERSION = 'FEDORA_VERSION="$(rpm -E %fedora)"'

_RELEASE = re.compile(r"(?<![0-9])43(?![0-9])")


def address(url: str) -> str:
    """Quote an address. `$...` in it is the shell's, since recipes write `$(rpm -E %fedora)`; 43 is the release."""
    escaped = re.sub(r'(["\\`])', r"\\\1", url)
    return '"' + _RELEASE.sub("${FEDORA_VERSION}", escaped) + '"'


def chunks(names: Sequence[str]) -> Iterable[Sequence[str]]:
    """Cut a list of packages into what one command takes."""
    return (names[start : start + CHUNK] for start in range(0, len(names), CHUNK))


def need(command: str, package: str) -> str:
    """Write the command that installs a package where the command that it brings is missing."""
    return f"command -v {command} >/dev/null || dnf install -y {package}"
