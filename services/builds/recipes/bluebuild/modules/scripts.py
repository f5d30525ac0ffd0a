"""The script module: snippets and script files."""

import re

from services.builds.recipes.bluebuild.commands import FILES, READ_OS_VERSION, run, run_script
from services.builds.recipes.bluebuild.module import A_PATH, PATH, Module, ModuleType, keys_of, versions
from services.builds.recipes.commands import word
from services.builds.recipes.shapes import Many, Text

_SNIPPET = r"[^\x00-\x08\x0b-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x08\x0b-\x1f\x7f]*"
_ONE_LINER = re.compile(r"(?![-\[#])(?!.*<<)[^\n]*[^\n\\]")  # what a builder reads as nothing else than a command


def _script(module: Module) -> list[str]:
    """Run the script files in one RUN, then each snippet in one of its own: no snippet sees the variables of another.

    Snippets run with the image's sh, which is bash on Fedora. The variables that BlueBuild sets are there where a
    snippet names them, and for all script files.
    """
    scripts = module.list("scripts")
    instructions: list[str] = []
    if scripts:
        commands = [f"find {FILES}/scripts -type f -exec chmod +x {{}} +"]
        commands += [f"( cd {FILES}/scripts && {word('./' + name)} )" for name in scripts]
        instructions += run(module, [*_exports(module, None), *commands])
    for snippet in map(str.strip, module.list("snippets")):
        exports = _exports(module, snippet)
        if _ONE_LINER.fullmatch(snippet):
            instructions += run(module, [*exports, snippet])
        else:
            instructions.append(run_script(module, "\n".join([*exports, snippet])))
    return instructions


def _exports(module: Module, snippet: str | None) -> list[str]:
    """Set BlueBuild's variables, those that the snippet names or (None) all of them."""
    known = {
        "CONFIG_DIRECTORY": [f"export CONFIG_DIRECTORY={FILES}"],
        "IMAGE_NAME": [f"export IMAGE_NAME={word(module.image.name)}"],
        "BASE_IMAGE": [f"export BASE_IMAGE={word(module.image.base)}"],
        # In one command, `export` would hide a failure to read the version (ShellCheck SC2155).
        "OS_VERSION": [f"OS_VERSION={READ_OS_VERSION}", "export OS_VERSION"],
    }
    return [
        command
        for name, commands in known.items()
        if snippet is None or re.search(rf"\$\{{?{name}\b", snippet)
        for command in commands
    ]


SCRIPT = ModuleType(
    "script",
    versions(
        "script",
        keys_of(
            "script",
            "Runs shell commands during the build.",
            {
                "snippets": Many(
                    Text(pattern=_SNIPPET, expected="a shell command"), "Shell commands, each in a shell of its own."
                ),
                "scripts": Many(
                    Text(pattern=PATH, expected=A_PATH), "Executable files below `files/scripts/` of the repository."
                ),
            },
        ),
        "v2",
    ),
    needs="`sh`; `files/scripts/` of the repository",
    emit=_script,
)
