"""Commands that know BlueBuild's folders and words; see services.builds.recipes.commands."""

from collections.abc import Sequence

from services.builds.recipes.bluebuild.module import Module
from services.builds.recipes.commands import chain, word

FILES = "/tmp/files"  # noqa: S108  # where a RUN finds the repository's files/ folder; BlueBuild's own place for it
OS_VERSION = "%OS_VERSION%"  # BlueBuild's word for the base image's VERSION_ID in addresses and file names
READ_OS_VERSION = '"$(. /usr/lib/os-release && echo "${VERSION_ID}")"'

_MOUNT_FILES = f"--mount=type=bind,source=files,target={FILES},rw"  # rw: scripts are made executable, nothing is kept
_IN_DOUBLE_QUOTES = str.maketrans({character: f"\\{character}" for character in '\\"$`'})


def versioned(text: str) -> str:
    """Quote one word in which %OS_VERSION% becomes the version of the base image; `run` sets the variable."""
    if OS_VERSION not in text:
        return word(text)
    return '"' + text.translate(_IN_DOUBLE_QUOTES).replace(OS_VERSION, "${OS_VERSION}").replace("<<", '<""<') + '"'


def run(module: Module, commands: Sequence[str]) -> list[str]:
    """Join the commands of a module to one RUN; none for none.

    The module's `env` is set. Where the commands name them, OS_VERSION is set and the repository's files are mounted.
    """
    if not commands:
        return []
    body = "".join(commands)
    if "${OS_VERSION}" in body and "OS_VERSION=" not in body:
        commands = [f"OS_VERSION={READ_OS_VERSION}", *commands]
    return chain([*exports(module), *commands], options=_MOUNT_FILES if FILES in body else "")


def exports(module: Module) -> list[str]:
    """Write the commands that set the variables of the module's `env`."""
    return [f"export {name}={word(text)}" for name, text in module.keys.get("env", {}).items()]


def run_script(module: Module, text: str) -> str:
    """Write the RUN that runs a text of several lines as it stands, in a shell of its own.

    A here-document of the instruction itself: BuildKit since 2021, Buildah since 1.33. An empty line stands behind it,
    without which hadolint does not read on.
    """
    lines = [*exports(module), *text.strip("\n").split("\n")]
    end, number = "SNIPPET", 1
    while end in (line.strip() for line in lines):
        number += 1
        end = f"SNIPPET{number}"
    mount = f"{_MOUNT_FILES} " if FILES in text else ""
    return "\n".join([f"RUN {mount}<<'{end}'", *lines, end, ""])
