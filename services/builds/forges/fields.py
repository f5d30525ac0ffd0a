"""Reading fields of JSON that anybody could have written: no type is trusted, BadPayload is all that is ever raised.

What a build needs to be right is an *identity* (repository, ref, URL, sha): refused when it is not usable as it is,
since a changed identity would name something else. What is only shown is *text*: cut and cleaned instead, because a
build must not be lost over an odd commit message.
"""

import re
from collections.abc import Mapping
from typing import TypeGuard

from services.builds.forges.errors import BadPayload

IDENTITY_MAX_CHARS = 255  # the width of our columns; forges cap refs (GitHub 244, Gitea 255) and full names below it
URL_MAX_CHARS = 2048  # what proxies and browsers agree on
TEXT_MAX_CHARS = 255  # a person's name, a title
MESSAGE_MAX_CHARS = 4096  # a page of commit message; the rest is one click away

_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.IGNORECASE)
_UNFIT_IN_IDENTITY = re.compile("[\x00-\x20\x7f\ud800-\udfff]")  # git allows none of these in a ref either
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL's text has no NUL, UTF-8 no surrogates


def at(value: object, *path: str) -> object:
    """Walk down objects by key; None where the way ends early or leads through something that is not an object."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def text(value: object, max_chars: int = TEXT_MAX_CHARS) -> str | None:
    """Return a text to show, cut and cleaned; None when it is empty or no string."""
    if not is_text(value):
        return None
    return _UNSTORABLE.sub("\ufffd", value[:max_chars])


def first_text(*values: object) -> str | None:
    """Return the first of the values that is a text, None when none is."""
    return next((found for value in values if (found := text(value)) is not None), None)


def number(value: object) -> int | None:
    """Return a positive number that a 64-bit column holds, else None."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63:
        return value
    return None


def is_text(value: object) -> TypeGuard[str]:
    """Tell whether a field is there with something in it."""
    return isinstance(value, str) and value != ""


def items(value: object) -> list[object]:
    """Return a list as it is and anything else as an empty one."""
    return value if isinstance(value, list) else []


def identity(value: object, path: str, max_chars: int = IDENTITY_MAX_CHARS) -> str | None:
    """Return a name unchanged; None when it is absent (missing, null, empty).

    Raises BadPayload when it is no string, too long, or holds control characters, spaces or lone surrogates.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise _unfit(path, "a string was expected")
    if len(value) > max_chars:
        raise _unfit(path, f"longer than {max_chars} characters")
    if _UNFIT_IN_IDENTITY.search(value):
        raise _unfit(path, "spaces and control characters are not allowed")
    return value


def url(value: object, path: str) -> str | None:
    """Return a URL unchanged, None when absent; BadPayload as identity."""
    return identity(value, path, URL_MAX_CHARS)


def sha(value: object, path: str) -> str | None:
    """Return an object id in lower case, None when absent or all zeros (git's word for "no object")."""
    found = identity(value, path)
    if found is None:
        return None
    if not _SHA.fullmatch(found):
        raise _unfit(path, "40 or 64 hexadecimal digits were expected")
    return found.lower() if found.strip("0") else None


def required(value: str | None, path: str) -> str:
    """Return a value that a build cannot do without; BadPayload when it is None."""
    if value is None:
        raise _unfit(path, "is missing")
    return value


def _unfit(path: str, problem: str) -> BadPayload:
    return BadPayload(f"The payload's {path}: {problem}", code="INVALID_PAYLOAD")
