"""Terminal control in a program's output: colours stay, everything else that moves a cursor goes. Pure."""

import re

# Select graphic rendition (ECMA-48, 8.3.117): colours and weights, which a viewer can show.
SGR = re.compile(r"\x1b\[[0-9;:]*m")

# One alternative per kind of sequence, each of which stops at the next ESC, so that the scan is linear.
_CONTROL = re.compile(
    r"(?P<sgr>\x1b\[[0-9;:]*m)"
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: cursor, erase, modes
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC: window titles, links
    r"|\x1b[PX^_][^\x1b]*\x1b\\"  # DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]"  # two-character sequences
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"  # control characters, C1 ones too; not tab, newline, return
)
_SUSPECT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def clean(text: str) -> str:
    """Drop control sequences and control characters except colours, tab, newline and carriage return.

    What begins like a sequence and never ends loses only its beginning. Surrogates, which no JSON carries, become `?`.
    """
    if _SUSPECT.search(text):
        text = _CONTROL.sub(lambda match: match["sgr"] or "", text)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-8", "replace").decode()
    return text


def last_overprint(line: str) -> str:
    """What a terminal would show of a line that was overprinted by lone carriage returns (a progress bar)."""
    if "\r" not in line:
        return line
    return next((part for part in reversed(line.split("\r")) if part), "")
