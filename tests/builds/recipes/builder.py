"""How a builder reads a Containerfile, written from the reference and not from our generator.

https://docs.docker.com/reference/dockerfile/#format: a line that ends in a backslash goes on in the next one, comment
lines in between are dropped, and the lines behind an instruction with `<<WORD` belong to it until WORD.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass

BASH = shutil.which("bash") or "bash"
_CONTINUES = re.compile(r"\\[ \t]*$")
_HEREDOC = re.compile(r"^\d*<<-?(['\"]?)([A-Za-z0-9_]+)\1$")


@dataclass(frozen=True)
class Instruction:
    """One instruction: `body` as the shell gets it where the instruction is a RUN."""

    keyword: str
    body: str


def instructions(text: str) -> list[Instruction]:
    """Read a Containerfile; a heredoc or an instruction that never ends is an error."""
    found = []
    lines = iter(text.split("\n"))
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        whole = line
        while _CONTINUES.search(whole):
            whole = _CONTINUES.sub("", whole)
            following = next(lines)
            while following.startswith("#"):
                following = next(lines)
            assert following.strip(), "an empty line in a continued instruction"
            whole += following
        keyword, _, body = whole.partition(" ")
        heredocs = [match[2] for word in body.split() if (match := _HEREDOC.match(word))] if keyword == "RUN" else []
        contents = []
        for word in heredocs:
            content = []
            while (following := next(lines)) != word:
                content.append(following)
            contents.append("\n".join(content))
        found.append(Instruction(keyword, contents[0] if body.startswith("<<") else "\n".join([body, *contents])))
    return found


def runs(text: str) -> list[str]:
    """Return what the shell gets of each RUN."""
    return [one.body for one in instructions(text) if one.keyword == "RUN"]


def is_shell(script: str) -> bool:
    """Say whether bash can read the script."""
    return _bash(script, "-n").returncode == 0


def meaning(script: str) -> str | None:
    """Return the script as bash prints it after it has read it, the same for scripts that do the same.

    None: it is no script, or one that would end the function that it is put into.
    """
    printed = _bash(f"f() {{\n{script}\n}}\ndeclare -f f\n")
    return printed.stdout if printed.returncode == 0 and printed.stdout and not printed.stderr else None


def _bash(script: str, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([BASH, *options], input=script, capture_output=True, text=True, check=False)
