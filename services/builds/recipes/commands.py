"""Shell commands for RUN instructions, quoted so that a shell and every builder read them alike.

Builders look for here-documents (`<<EOF`) in the text of a RUN before a shell sees it, and read past quotes while they
do; so no `<<` ever stands in a word that is written here.
"""

import shlex
from collections.abc import Iterable, Sequence


def word(text: str) -> str:
    """Quote one line of text as one word for any POSIX shell."""
    return shlex.quote(text).replace("<<", "<''<")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\"'\"'").replace("<<", "<''<") + "'"


def words(texts: Iterable[str]) -> str:
    """Quote texts as words with spaces between them."""
    return " ".join(map(word, texts))


def write(path: str, lines: Sequence[str]) -> list[str]:
    """Write commands that make a file of these lines, and its folder."""
    content = " \\\n".join(f"        {_quoted(line)}" for line in lines)
    return [f"mkdir -p {word(path.rpartition('/')[0])}", f"printf '%s\\n' \\\n{content} \\\n        > {word(path)}"]


def chain(commands: Sequence[str], *, options: str = "") -> list[str]:
    """Join commands to one RUN that ends at the first one that fails; no commands, no instruction."""
    if not commands:
        return []
    prefix = f"{options} \\\n    " if options else ""
    return [f"RUN {prefix}" + " && \\\n    ".join(commands)]
