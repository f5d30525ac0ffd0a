"""Secrets do not reach the log, whatever form they come in and wherever a program's output is torn."""

import base64
import json
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.jobs.joblog.ansi import clean, last_overprint
from libs.common.jobs.joblog.lines import LineBuffer
from libs.common.jobs.joblog.masking import MASK, SECRET_MIN_CHARS, Masker

LINE_MAX_BYTES = 16 * 1024
# Printable, without the mask's own character, from which a mask beside text could make up a value again.
CHARACTERS = st.characters(
    min_codepoint=0x20, max_codepoint=0x2FF, exclude_characters="*\x7f", exclude_categories=["Cc"]
)
SECRETS = st.text(CHARACTERS, min_size=SECRET_MIN_CHARS, max_size=40).filter(lambda text: len(text.strip()) >= 4)


def read(text: str, *secrets: str, cuts: list[int] | None = None, max_bytes: int = LINE_MAX_BYTES) -> list[str]:
    """What the log holds of `text` when it comes in pieces that end at `cuts`."""
    buffer, masker = LineBuffer(max_bytes), Masker(secrets)
    borders = [0, *sorted(cuts or []), len(text)]
    lines: list[str] = []
    for start, end in pairwise(borders):
        lines += buffer.feed(text[start:end], masker, more=True)
    return lines + list(buffer.flush(masker))


@given(SECRETS, st.text(CHARACTERS, max_size=50), st.text(CHARACTERS, max_size=50), st.data())
def test_no_secret_survives_any_chunking(secret: str, before: str, after: str, data: st.DataObject) -> None:
    """A value is masked as it is, percent-encoded, JSON-escaped and in base64, wherever the output is cut."""
    forms = [
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        base64.b64encode(secret.encode()).decode(),
        base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
    ]
    text = "\n".join(f"{before}{form}{after}" for form in forms)
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=6))
    out = "\n".join(read(text, secret, cuts=cuts))
    for form in forms:
        assert form not in out


@given(st.binary(max_size=20), st.text(CHARACTERS, min_size=12, max_size=40), st.binary(max_size=20))
def test_base64_of_something_longer(before: bytes, secret: str, after: bytes) -> None:
    """A value inside of an encoded text (an Authorization header) is masked at each of the three alignments."""
    encoded = base64.b64encode(before + secret.encode() + after).decode()
    [line] = read(f"Basic {encoded}", secret)
    # At most the characters that mix in bits of the neighbours stay.
    assert len(line.replace(MASK, "")) <= len("Basic ") + (len(before) + len(after)) * 4 // 3 + 8


@given(st.lists(SECRETS, min_size=2, max_size=5))
def test_overlapping_secrets(secrets: list[str]) -> None:
    """Values that overlap are masked as one, so that no rest of either stays."""
    for first in secrets:
        for second in secrets:
            [line] = read(first[:-1] + second, *secrets) or [""]
            assert second not in line


def test_multi_line_secret() -> None:
    """Each line of 8 or more characters of a key file is masked, also in wrapped base64 and as a JSON string."""
    key = "-----BEGIN KEY-----\n" + "\n".join(f"MIIEvQIBADANBgkqhkiG9w0BAQEFAASC{n:032d}" for n in range(5)) + "\n}\n"
    wrapped = base64.encodebytes(key.encode()).decode()
    out = read(f"{key}{wrapped}{json.dumps({'key': key})}\n", key)
    assert not [line for line in out if "MIIE" in line]
    assert out[:7] == [MASK] * 6 + ["}"]
    assert set(out[7:-1]) == {MASK}
    assert out[-1] == '{"key": "***"}'


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ("key slp_ab12cd34_0123456789abcdef0123456789abcdef.", "key ***."),
        ("GH ghp_0123456789abcdefghijABCDEFGHIJ012345 gho_0123456789abcdefghijABCDEFGHIJ012345", "GH *** ***"),
        ("github_pat_11ABCDEFG0123456789_abcdefghijklmnop", "***"),
        ("glpat-abcdefGHIJ0123456789", "***"),
        ("id AKIAIOSFODNN7EXAMPLE", "id ***"),
        ("Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N", "Bearer ***"),
        ("clone https://me:s3cr3t@example.org/x.git", "clone https://***@example.org/x.git"),
        ("https://example.org:8080/a@b and a time 12:30", "https://example.org:8080/a@b and a time 12:30"),
        ("ghp_short AKIAshort eyJ.eyJ.x", "ghp_short AKIAshort eyJ.eyJ.x"),
    ],
)
def test_token_shapes(line: str, masked: str) -> None:
    """Well-known tokens are masked without having been announced; ordinary text is not."""
    assert read(line) == [masked]


def test_short_values_stay() -> None:
    """A value under four characters is not masked: the holes would show it and half of the log would be gone."""
    assert read("one 1 on abc", "1", "on", "abc", "") == ["one 1 on abc"]


def test_secret_with_colours_inside() -> None:
    """A value that a program coloured in the middle is masked and its colours stay."""
    assert read("x=s3c\x1b[31mret\x1b[0m!", "s3cret") == ["x=***\x1b[31m\x1b[0m!"]


@given(st.integers(0, 40), st.integers(1, 3))
def test_secret_over_the_cut_of_a_long_line(shift: int, copies: int) -> None:
    """A value that reaches over the place where a long line is cut leaves no part of itself."""
    secret = "correct-horse-battery-staple"
    [line] = read("x" * (300 - shift) + secret * copies + "y" * 20_000, secret, max_bytes=300)
    assert "corr" not in line
    assert line.endswith("bytes cut]")


def test_long_lines_cost_linear_time_and_bounded_memory() -> None:
    """A line of 16 MB without an end is kept at some KB, and the message says how much was cut."""
    buffer, masker = LineBuffer(LINE_MAX_BYTES), Masker(["s3cret-value"])
    for _ in range(1024):
        assert list(buffer.feed("eyJ://:" * 2340, masker, more=True)) == []
        assert len(buffer._held) < 8 * LINE_MAX_BYTES
    [line] = buffer.flush(masker)
    kept, _, note = line.partition(" [... ")
    assert len(kept) <= LINE_MAX_BYTES
    assert int(note.split()[0]) + len(kept) == 1024 * 2340 * 7


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[1;32mok\x1b[0m", "\x1b[1;32mok\x1b[0m"),
        ("\x1b[2K\x1b[1Gdone\x1b[?25h", "done"),
        ("\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b", "ab"),
        ("\x1bPq#0\x1b\\c\x1b(Bd\x1b7", "cd"),
        ("bell\x07 nul\x00 back\x08 tab\t del\x7f c1\x9b", "bell nul back tab\t del c1"),
        ("\x1b]never ends", "never ends"),
        ("broken \ud800 half", "broken ? half"),
    ],
)
def test_control_sequences(raw: str, shown: str) -> None:
    """Colours and tabs stay; whatever else steers a terminal is dropped."""
    assert clean(raw) == shown


@given(st.text(max_size=300))
def test_clean_is_safe_to_store(text: str) -> None:
    """What is kept of any text can be encoded and holds no control character but tab, newline, return and colours."""
    kept = clean(text)
    kept.encode()
    assert not [char for char in kept.replace("\x1b", "") if ord(char) < 0x20 and char not in "\t\n\r"]


@pytest.mark.parametrize(
    ("raw", "lines"),
    [
        ("a\r\nb\n", ["a", "b"]),
        ("10%\r50%\r100%\ndone", ["100%", "done"]),
        ("10%\r50%\r\n", ["50%"]),
        ("\n\nx", ["", "", "x"]),
        ("", []),
    ],
)
def test_line_ends(raw: str, lines: list[str]) -> None:
    """CRLF is a newline; of a progress bar's lone carriage returns the last state stays."""
    assert read(raw) == lines
    assert read(raw, cuts=list(range(len(raw)))) == lines


def test_progress_bar_without_end() -> None:
    """A progress bar of many MB without a newline needs little memory and shows its last state."""
    buffer, masker = LineBuffer(LINE_MAX_BYTES), Masker()
    for n in range(20_000):
        assert list(buffer.feed(f"\r{n:>100}", masker, more=True)) == []
    assert len(buffer._held) < 8 * LINE_MAX_BYTES
    assert [line.strip() for line in buffer.flush(masker)] == ["19999"]


def test_overprint_keeps_what_is_shown() -> None:
    """A carriage return at the end of a line clears nothing."""
    assert last_overprint("50%\r") == "50%"
