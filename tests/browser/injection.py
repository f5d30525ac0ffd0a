"""Text that tries to become markup or script, and how it is shown instead."""

from typing import Final

# OWASP's and our own: each runs something where text becomes HTML, an attribute, an address or a script.
CORPUS: Final = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "'\"><svg onload=alert(1)>",
    "javascript:alert(1)//",
    "{{constructor.constructor('alert(1)')()}}",
    "</title><script>alert(1)</script>",
    "<a href=javascript:alert(1)>x</a>",
    "\u202egnp.exe",
)


def shown(text: str) -> str:
    """How a hostile text is shown: as it is, but for what would turn the direction of reading."""
    return text.replace("\u202e", r"\u202e")
