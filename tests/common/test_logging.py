import io
import json
import logging
import re
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from libs.common.logging import MASKED, bound_contextvars, configure, hide, mask
from libs.common.settings import Secret

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Put the process's logging back after each test."""
    root = logging.getLogger()
    handlers, level, hook = root.handlers, root.level, sys.excepthook
    yield
    root.handlers, sys.excepthook = handlers, hook
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


def fail(error: Exception) -> None:
    raise error


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().split("\n") if line]


def test_a_line_is_one_json_object_with_the_documented_keys_first(out: io.StringIO) -> None:
    """Time (UTC, ISO 8601), level and message come first, then what was bound and given."""
    configure(json=True, service="gateway", stream=out)
    with bound_contextvars(request_id="r1", job_id="j1"):
        structlog.get_logger().info("job_claimed", lease_no=3)
    (line,) = lines(out)
    assert list(line)[:3] == ["timestamp", "level", "message"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line.pop("timestamp"))
    assert line == {
        "level": "info",
        "message": "job_claimed",
        "service": "gateway",
        "request_id": "r1",
        "correlation_id": "r1",
        "job_id": "j1",
        "lease_no": 3,
    }


def test_bound_fields_end_with_their_block(out: io.StringIO) -> None:
    """A line after the request carries nothing of it."""
    configure(json=True, stream=out)
    with bound_contextvars(request_id="r1"):
        pass
    structlog.get_logger().info("later")
    assert "request_id" not in lines(out)[0]


def test_the_standard_library_goes_the_same_way(out: io.StringIO) -> None:
    """uvicorn's, sqlalchemy's and arq's lines have the same keys, the bound ids, and their logger's name."""
    configure(json=True, stream=out)
    with bound_contextvars(request_id="r1"):
        logging.getLogger("arq.worker").warning("took %d of %s", 3, "five")
    (line,) = lines(out)
    assert (line["level"], line["message"], line["logger"]) == ("warning", "took 3 of five", "arq.worker")
    assert (line["request_id"], line["correlation_id"]) == ("r1", "r1")


def test_lines_under_the_level_are_not_written(out: io.StringIO) -> None:
    """The level holds for both ways of logging."""
    configure("warning", json=True, stream=out)
    structlog.get_logger().info("quiet")
    logging.getLogger("x").info("quiet")
    structlog.get_logger().error("loud")
    assert [line["message"] for line in lines(out)] == ["loud"]


def test_warnings_are_logged(out: io.StringIO) -> None:
    """A library's warning is a log line, not stray text between JSON lines."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        configure(json=True, stream=out)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert "DeprecationWarning: old" in lines(out)[0]["message"]


@pytest.mark.parametrize("json_lines", [True, False])
@pytest.mark.parametrize("by", ["structlog", "logging"])
def test_no_secret_in_fields_or_tracebacks(out: io.StringIO, json_lines: bool, by: str) -> None:
    """Registered values and token shapes are masked in the message, every field, and the exception's text."""
    configure(json=json_lines, stream=out, secrets=["correct horse/battery"])
    try:
        fail(ValueError(f"cannot reach https://bob:swordfish9@host/ with correct horse/battery and {JWT}"))
    except ValueError:
        if by == "structlog":
            structlog.get_logger().exception(
                "said correct horse/battery",
                url="x?a=correct%20horse%2Fbattery",
                nested={"list": ["ghp_" + "a" * 36], "password": "swordfish9"},
                thing=Secret("swordfish9"),
                odd=RuntimeError("correct horse/battery"),
                authorization="swordfish9",
            )
        else:
            logging.getLogger("lib").exception("said %s", "correct horse/battery")
    text = out.getvalue()
    assert "ValueError" in text
    assert "https://bob:" in text
    for secret in ("correct", "swordfish9", JWT, "ghp_"):
        assert secret not in text
    if json_lines:
        (line,) = lines(out)
        assert "Traceback" in line["exception"]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("key slp_ab12cd34_" + "x" * 32, f"key {MASKED}"),
        ("github_pat_" + "A1" * 20, MASKED),
        ("glpat-" + "x" * 20, MASKED),
        (f"cookie={JWT};", f"cookie={MASKED};"),
        ("redis://:pw@h:6379/0", f"redis://:{MASKED}@h:6379/0"),
        ("postgresql+asyncpg://u:p%40w@h/d", f"postgresql+asyncpg://u:{MASKED}@h/d"),
        ("GET /x?token=abc&page=2", f"GET /x?token={MASKED}&page=2"),
        ('{"password": "abc", "page": 2}', f'{{"password": "{MASKED}", "page": 2}}'),
        ("Authorization: Bearer abcdefghijklmnop", f"Authorization: Bearer {MASKED}"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", MASKED),
        ("https://host/path?at=a@b", "https://host/path?at=a@b"),
        ("ssh://git@host:22/x", "ssh://git@host:22/x"),
        ("unexpected token: foo", "unexpected token: foo"),
        ("basic authentication", "basic authentication"),
        ("the job's tokens=3", "the job's tokens=3"),
    ],
)
def test_shapes_of_tokens_are_masked_and_ordinary_text_is_not(text: str, masked: str) -> None:
    """What looks like a credential is masked although nobody registered it."""
    assert mask(text) == masked


@pytest.mark.parametrize("rubbish", ["eyJ", "://", "://a:", "password=", "-----BEGIN PRIVATE KEY-----", "a", "bearer "])
@pytest.mark.timeout(5)
def test_masking_a_megabyte_of_rubbish_ends(rubbish: str) -> None:
    """No pattern is more than linear in the text's length (a quadratic one would take hours here)."""
    mask(rubbish * (1_000_000 // len(rubbish)))


def test_short_values_are_not_hidden() -> None:
    """Hiding a five-letter value would blank out ordinary words."""
    hide("build", "")
    assert mask("the build") == "the build"


@given(st.dictionaries(st.text(), st.recursive(st.none() | st.floats() | st.text() | st.binary(), st.lists)))
def test_whatever_is_logged_is_one_line_of_json(fields: dict[str, Any]) -> None:
    """No field value, lone surrogates and infinities included, breaks the line or the process."""
    out = io.StringIO()
    reserved = {"event", "message", "level", "timestamp", "exc_info", "stack_info", "self", "name", "_record"}
    configure(json=True, stream=out)
    structlog.get_logger().info("something", **{key: value for key, value in fields.items() if key not in reserved})
    assert lines(out)[0]["message"] == "something"


def test_a_terminal_gets_no_control_characters(out: io.StringIO) -> None:
    """A foreign header or branch name cannot repaint the operator's terminal."""
    configure(json=False, stream=out)
    structlog.get_logger().info("branch_pushed", branch="a\x1b[2Jb")
    assert "\x1b" not in out.getvalue()
    assert "branch_pushed" in out.getvalue()


def test_a_terminal_gets_short_lines(out: io.StringIO) -> None:
    """Who says what comes first; what only machines need is left out."""
    configure(json=False, stream=out, service="gateway")
    with bound_contextvars(request_id="r1", correlation_id="r1"):
        structlog.get_logger().info(
            "request", method="GET", path="/jobs", status_code=200, duration_ms=12.34, client="127.0.0.1"
        )
    assert re.fullmatch(r"\d\d:\d\d:\d\d \[info\] gateway: GET /jobs 200 in 12 ms request_id=r1\n", out.getvalue())


def test_an_uncaught_exception_is_logged_and_masked(out: io.StringIO) -> None:
    """What ends the process is a log line like every other."""
    configure(json=True, stream=out, secrets=["correct horse"])
    try:
        fail(RuntimeError("correct horse"))
    except RuntimeError as error:
        sys.excepthook(RuntimeError, error, error.__traceback__)
    (line,) = lines(out)
    assert (line["level"], line["message"]) == ("critical", "uncaught_exception")
    assert "correct horse" not in out.getvalue()
