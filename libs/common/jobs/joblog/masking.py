"""Hide secrets in a line of log before anything is stored. Pure: text in, text out.

What is hidden: the values that the job was given, also in the forms in which programs print them by accident (base64
at any alignment and wrapped, percent-encoded, JSON-escaped), and whatever has the shape of a well-known token.
A masker works on whole lines; `lines.LineBuffer` puts lines together that arrive in pieces, so no border between two
pieces can hide a value from it. Cost is linear in the line for a given set of secrets.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

from libs.common.jobs.joblog.ansi import SGR, clean

MASK = "***"
# A shorter value ("1", "yes") matches half of all lines: masking it hides nothing and, by the holes, gives it away.
# The documentation says so where secrets are entered.
SECRET_MIN_CHARS = 4
# Lines of a multi-line value (a key file) are hidden one by one; `}` or `EOF` alone says nothing.
SECRET_LINE_MIN_CHARS = 8
# A piece of base64 shorter than this is likely to be an ordinary word.
_BASE64_MIN_CHARS = 8
_WRAPS = (64, 76)  # openssl and RFC 7468; base64(1) and RFC 2045

# Each pattern starts at a fixed text behind a border and runs over one class of characters, so that no line of rubbish
# costs more than linear time.
_SHAPES = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?<![A-Za-z0-9])slp_[A-Za-z0-9]{6,}_[A-Za-z0-9]{16,}",  # our API keys
        r"(?<![A-Za-z0-9])gh[oprsu]_[A-Za-z0-9_]{20,}",  # GitHub tokens
        r"(?<![A-Za-z0-9])github_pat_[A-Za-z0-9_]{20,}",
        r"(?<![A-Za-z0-9])glpat-[A-Za-z0-9_.-]{16,}",  # GitLab
        r"(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])",  # AWS key ids
        r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*",  # JSON web tokens (RFC 7519)
        r"(?<=://)[^\s/:@?#]{0,256}:[^\s/@?#]{1,512}(?=@)",  # user:password@ of an address (RFC 3986)
    )
)


class Masker:
    """Hides a fixed set of secrets; make a new one when a secret is added."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Take the values; those under 4 characters are left alone (see SECRET_MIN_CHARS)."""
        self.secrets = frozenset(secrets)
        # Short ones first: the search of a line ends at the first one that is longer than the line.
        self._needles = sorted({needle for secret in self.secrets for needle in _forms(secret)}, key=len)
        self.longest = len(self._needles[-1]) if self._needles else 0

    def mask(self, line: str, limit: int | None = None) -> str:
        """Replace every secret in a line by `***`, colours inside of it kept behind it.

        With `limit` only the first that many characters are given back, and a secret that reaches over the border is
        masked as a whole; the caller passes at least `longest` characters more than the limit, if the line has them.
        """
        plain, places = _without_colours(line) if "\x1b" in line else (line, None)
        found = self._find(plain)
        if not found:
            return line[:limit]
        if places is not None:
            found = [(places[start], places[end - 1] + 1) for start, end in found]
        out: list[str] = []
        position = 0
        for start, end in found:
            if limit is not None and start >= limit:
                break
            out += (line[position:start], MASK, *SGR.findall(line, start, end))
            position = end
        out.append(line[position:limit])
        return "".join(out)

    def _find(self, plain: str) -> list[tuple[int, int]]:
        """All secrets' places, in order, those that touch or overlap made one."""
        found = [match.span() for shape in _SHAPES for match in shape.finditer(plain)]
        for needle in self._needles:
            if len(needle) > len(plain):
                break
            start = plain.find(needle)
            while start >= 0:
                found.append((start, start + len(needle)))
                start = plain.find(needle, start + 1)
        if len(found) < 2:
            return found
        found.sort()
        joined = [found[0]]
        for start, end in found[1:]:
            if start <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
            else:
                joined.append((start, end))
        return joined


def _without_colours(line: str) -> tuple[str, list[int]]:
    """Drop colour sequences (`grep --color` puts them inside of a value); also say where each character stood."""
    places: list[int] = []
    position = 0
    for match in SGR.finditer(line):
        places += range(position, match.start())
        position = match.end()
    places += range(position, len(line))
    return SGR.sub("", line), places


def _forms(secret: str) -> Iterator[str]:
    """The texts that give `secret` away; nothing for one that is too short to be hidden."""
    for value in {secret, secret.strip(), clean(secret)}:
        if len(value) < SECRET_MIN_CHARS:
            continue
        if "\n" not in value:
            yield value
        yield from (line.strip() for line in value.splitlines() if len(line.strip()) >= SECRET_LINE_MIN_CHARS)
        yield from (form for form in _escaped(value) if "\n" not in form)
        yield from _base64_forms(value.encode("utf-8", "replace"))


def _escaped(value: str) -> Iterator[str]:
    for form in (quote(value, safe=""), quote(value), quote_plus(value)):
        yield form
        yield re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), form)
    for ascii_only in (True, False):
        yield json.dumps(value, ensure_ascii=ascii_only)[1:-1]


def _base64_forms(value: bytes) -> Iterator[str]:
    """Base64 of the value, alone (also wrapped) and inside of something longer, where it may start at 3 alignments."""
    for altchars in (b"+/", b"-_"):
        alone = base64.b64encode(value, altchars).decode()
        yield from (alone, alone.rstrip("="))
        for width in _WRAPS:
            if len(alone) > width:
                rows = (alone[start : start + width] for start in range(0, len(alone), width))
                yield from (row for row in rows if len(row) >= _BASE64_MIN_CHARS)
        for before in range(3):
            encoded = base64.b64encode(b"\0" * before + value, altchars).decode()
            # The characters that mix bits of the value with bits of its neighbours depend on the neighbours.
            start = (before * 8 + 5) // 6
            end = (before + len(value)) * 8 // 6
            if end - start >= _BASE64_MIN_CHARS:
                yield encoded[start:end]
