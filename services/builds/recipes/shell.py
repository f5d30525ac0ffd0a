"""Shell scripts -> one RUN instruction.

A RUN of several lines is written in one of two ways. Where every line ends where a command ends, lines are joined for
the builder: `; \\` at their ends, or only ` \\` after `then`, `do`, `&&` and the like. That is what people expect in a
Containerfile, but it is wrong for a text in quotes over several lines, a heredoc, a comment behind a command, `case`:
there the script is passed on as it stands, in a heredoc of the RUN instruction itself (BuildKit since 2021, Buildah
since 1.33). The lexer below only has to recognise simple lines; whatever it does not know goes the second way.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

ONE_SCRIPT = "set -e"
SEVERAL_SCRIPTS = "set -euxo pipefail"

MAX_JOINED = 20_000  # characters, 500 lines: nobody reads a longer one for its layout, and to lex it takes time

_INDENT = "    "
_HEREDOC = re.compile(r"(?<!<)<<(?!<)")
# One token at a time. What no alternative takes (an open quote, `<<`, a backtick, a comment) is not a simple line.
_TOKEN = re.compile(
    r"""
      (?P<space>[ \t]+)
    | (?P<quoted>
          '[^'\n]*'
        | \$'(?:[^'\\\n]|\\[^\n])*'
        | \$?"(?:[^"\\$`\n]
              |\\[^\n]
              |\$(?![({])
              |\$\{[^{}"'`\\\n]*\}
              |\$\(\([^()"'`\\\n#]*\)\)
              |\$\([^()"'`\\\n#<]*\)
          )*"
      )
    | (?P<redirect><<<|<(?!<)[&>]?|&>>?|>[>&|]?)
    | (?P<separator>&&|\|\||\|&|;(?!;)|\||&)
    | (?P<open>\()
    | (?P<close>\))
    | (?P<word>(?:[^\s'"\\`$;|&()<>\#]|\\[^\n]|\$\{[^{}"'`\\\n]*\}|\$(?!['"{]))
               (?:[^\s'"\\`$;|&()<>]|\\[^\n]|\$\{[^{}"'`\\\n]*\}|\$(?!['"{]))*)
    """,
    re.VERBOSE,
)
_OPENING = frozenset({"if", "then", "else", "elif", "do", "while", "until", "!", "{"})
_NOT_SIMPLE = frozenset({"case", "function", "select", "coproc"})


def run(scripts: Sequence[str]) -> str | None:
    """Return the RUN instruction that runs these scripts in one shell, one after the other.

    One line of one script stands as it is; several lines of one script stop at the first failure; several scripts also
    at an unset variable or a failure in a pipe, and are traced. None: there is no command in them.
    """
    texts = [script.replace("\r\n", "\n") for script in scripts]
    lines = [line.strip() for text in texts for line in text.split("\n") if line.strip()]
    if all(line.startswith("#") for line in lines):
        return None
    if len(lines) == 1 and not lines[0].endswith("\\") and not _HEREDOC.search(lines[0]):
        return f"RUN {lines[0]}"
    options = ONE_SCRIPT if len(texts) == 1 else SEVERAL_SCRIPTS
    try:
        joined = [line for text in texts for line in _joined(text)]
    except _NotSimpleError:
        return _verbatim(options, texts)
    return "\n".join(_assembled(options, joined))


class _NotSimpleError(Exception):
    """Lines of this script cannot be joined."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a RUN; `glue` goes to its end when another command follows, None for a comment."""

    text: str
    glue: str | None
    indent: str = _INDENT


def _verbatim(options: str, texts: Sequence[str]) -> str:
    body = "\n".join([options, *(text.strip("\n") for text in texts)])
    lines = {line.strip() for line in body.split("\n")}
    word, number = "SCRIPT", 1
    while word in lines:
        number += 1
        word = f"SCRIPT{number}"
    return f"RUN <<'{word}'\n{body}\n{word}"


def _assembled(options: str, lines: Sequence[_Line]) -> Iterator[str]:
    last = max(index for index, line in enumerate(lines) if line.glue is not None)
    yield f"RUN {options}; \\"
    for index, line in enumerate(lines):
        if line.glue is None:
            yield line.text  # not indented: older builders know a comment between the lines by its first character
        else:
            yield line.indent + line.text + (line.glue if index < last else "")


def _joined(text: str) -> Iterator[_Line]:
    """Yield the lines of a script. Raises _NotSimpleError."""
    # Heredocs in quotes too: builders look for them before a shell reads the quotes.
    if len(text) > MAX_JOINED or _HEREDOC.search(text):
        raise _NotSimpleError
    lines = text.split("\n")
    index, state = 0, _State()
    while index < len(lines):
        first = index
        while _continues(lines[index]):
            index += 1
            if index == len(lines) or not lines[index].strip() or lines[index].lstrip().startswith("#"):
                raise _NotSimpleError
        parts, index = lines[first : index + 1], index + 1
        if not parts[0].strip():
            continue
        if parts[0].lstrip().startswith("#"):
            yield _Line(parts[0].strip(), None)
            continue
        state = _state_after(parts)
        yield from _parts(parts, state.glue)
    if state.is_open:
        raise _NotSimpleError


def _continues(line: str) -> bool:
    """Say whether the shell goes on in the next line; where a builder would read the end in another way, give up."""
    if not line.rstrip().endswith("\\") or line.lstrip().startswith("#"):
        return False
    if line.endswith("\\\\") or not line.endswith("\\"):
        raise _NotSimpleError
    return True


def _parts(parts: Sequence[str], glue: str) -> Iterator[_Line]:
    """Yield the physical lines of one command; the space that the shell sees between two of them stays there."""
    indent = _INDENT
    for index, part in enumerate(parts[:-1]):
        spaced = part[:-1] != part[:-1].rstrip() or parts[index + 1][:1] in " \t"
        text = part[:-1].strip()
        yield _Line(text + (" \\" if spaced else "\\"), "", indent)
        indent = _INDENT if spaced else ""
    text = parts[-1].strip()
    yield _Line(text, glue, indent)


def _state_after(parts: Sequence[str]) -> "_State":
    """Read a line to its end.

    Raises _NotSimpleError where it cannot be said how it ends, or where a quote or a parenthesis goes on behind it.
    """
    state = _State()
    for kind, text in _tokens(parts):
        state.take(kind, text)
    state.end()
    return state


def _tokens(parts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield (kind, text); parts of one word come as one."""
    line = "".join(part.removesuffix("\\") for part in parts[:-1]) + parts[-1].rstrip()
    joints, length = set(), 0
    for part in parts[:-1]:
        length += len(part) - 1
        joints.add(length)
    at, word = 0, ""
    while at < len(line):
        found = _TOKEN.match(line, at)
        if found is None or found.lastgroup is None:
            raise _NotSimpleError
        if (found.lastgroup == "quoted" or "${" in found[0]) and any(at < joint < found.end() for joint in joints):
            raise _NotSimpleError
        at = found.end()
        if found.lastgroup in ("word", "quoted"):
            word += found[0]
            continue
        if word:
            yield "word", word
            word = ""
        if found.lastgroup != "space":
            yield found.lastgroup, found[0]
    if word:
        yield "word", word


class _State:
    """What the shell would know at the end of a line: whether a command may begin here, and what stands open."""

    def __init__(self) -> None:
        self._may_begin = True
        self._last = ("", "")
        self._depth = 0
        self._tests = 0
        self._is_function = False

    def take(self, kind: str, text: str) -> None:
        if kind == "word":
            self._word(text)
        else:
            self._is_function = kind == "close" and self._last[0] == "open"
            self._depth += {"open": 1, "close": -1}.get(kind, 0)
            if self._depth < 0 or (kind == "separator" and self._last[0] in ("", "separator")):
                raise _NotSimpleError
            self._may_begin = kind in ("separator", "open")
        self._last = (kind, text)

    def _word(self, text: str) -> None:
        opens = self._may_begin or (text == "{" and self._is_function)
        if text in _NOT_SIMPLE and opens:
            raise _NotSimpleError
        self._tests += (text == "[[") - (text == "]]")
        self._may_begin = opens and text in _OPENING
        self._is_function = False

    @property
    def is_open(self) -> bool:
        """Whether the command has to go on in the next line: after `then`, `&&` and the like."""
        return self._may_begin and self._last not in (("", ""), ("separator", ";"), ("separator", "&"))

    @property
    def glue(self) -> str:
        """What stands between this line and the next: a semicolon where a command may end that has not ended yet."""
        return " \\" if self._may_begin else "; \\"

    def end(self) -> None:
        kind, text = self._last
        if self._depth or self._tests or self._is_function or kind == "redirect":
            raise _NotSimpleError
        if kind == "word" and text in _OPENING and not self._may_begin:
            raise _NotSimpleError  # `echo then`, or `if [[ x ]] then`: it needs a parser to tell
