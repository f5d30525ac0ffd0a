"""Logs: one JSON object a line, or readable lines on a terminal; no secret in either.

`configure` is called once by each process. Everything that is logged, by structlog or by the standard library
(uvicorn, sqlalchemy, arq), goes through the same steps and the same renderer. Log a constant event name with fields:

    log = structlog.get_logger()
    log.info("job_claimed", lease_no=3)

Fields of all lines of a request or job are bound once: `with bound_contextvars(request_id=..., job_id=...):`.
"""

import json as stdlib_json
import logging
import os
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from datetime import datetime
from types import TracebackType
from typing import Any, TextIO
from urllib.parse import quote

import msgspec
import structlog
from structlog.contextvars import bound_contextvars

__all__ = ["bound_contextvars", "configure", "hide", "mask", "masked"]

MASKED = "********"
# Shorter "secrets" (a password `a`) would blank out half of every line and hide nothing.
_SECRET_MIN_CHARS = 6

# Every pattern starts at a fixed text or at a word's start and has bounded parts, so that a long line of rubbish costs
# linear time. A group named `keep` stays in front of the mask.
_SHAPES = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?<!\w)slp_\w{16,}",  # our API keys
        r"(?<!\w)(?:gh[opsur]|github_pat)_\w{20,}",  # GitHub
        r"(?<![\w-])glpat-[\w-]{20,}",  # GitLab
        r"(?<![\w-])eyJ[\w-]{8,}\.eyJ[\w-]{4,}(?:\.[\w-]*)?",  # JSON web tokens (RFC 7519)
        r"(?P<keep>://[^\s/:@?#]{0,256}:)[^\s/?#]{1,512}(?=@)",  # user:password@ of an address (RFC 3986)
        r"(?i:(?P<keep>(?<![a-z])(?:password|passwd|pwd|secret|token|api[_-]?key)(?:=|[\"']\s?[=:]\s?[\"']?))[^\s&;,\"']+)",
        r"(?i:(?P<keep>(?<![a-z])(?:bearer|basic)\s)[\w.~+/=-]{16,})",  # Authorization headers (RFC 7617, 6750)
        r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]{0,16384}(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?",
    )
)
# A field of one of these names is masked whatever it holds.
_SECRET_FIELDS = frozenset(
    {"password", "passwd", "secret", "token", "access_token", "api_key", "authorization", "cookie", "set_cookie"}
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_FIRST = ("timestamp", "level", "message")
# These say at info what our own lines say, per request, statement, start or stop.
_CHATTY = {
    "uvicorn.access": logging.ERROR,
    "uvicorn.error": logging.WARNING,
    "sqlalchemy.engine": logging.WARNING,
    "httpx": logging.WARNING,
}
# What a person at a terminal does not need: the request id says it, or nobody else is on the line.
_NOT_FOR_PEOPLE = ("correlation_id", "client", "logger")

_known: set[str] = set()
_known_pattern: re.Pattern[str] | None = None


def hide(*values: str) -> None:
    """Mask these values, also in their URL form, in every later line of this process.

    Values under 6 characters are left alone: they would match ordinary words.
    """
    global _known_pattern
    for value in values:
        if len(value) >= _SECRET_MIN_CHARS:
            _known.update((value, quote(value, safe="")))
    if _known:
        longest_first = sorted(_known, key=len, reverse=True)
        _known_pattern = re.compile("|".join(map(re.escape, longest_first)))


def mask(text: str) -> str:
    """Replace hidden values and whatever has the shape of a token or password by asterisks."""
    if _known_pattern is not None:
        text = _known_pattern.sub(MASKED, text)
    for shape in _SHAPES:
        text = shape.sub(_keep_front, text)
    return text


def _keep_front(match: re.Match[str]) -> str:
    return (match.groupdict().get("keep") or "") + MASKED


def configure(
    level: str = "info",
    *,
    json: bool | None = None,
    service: str | None = None,
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Set up logging of this process; a later call replaces an earlier one.

    `level` is the least level that is written. `json` None means JSON lines unless `stream` (default: standard output)
    is a terminal. `service` names the process in each line. `secrets` are values that must never be written.
    """
    stream = sys.stdout if stream is None else stream
    as_json = not stream.isatty() if json is None else json
    hide(*secrets)
    steps: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        _Common(service),
        structlog.processors.add_log_level,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.EventRenamer("message"),
        _clean,
    ]
    if as_json:
        render: list[structlog.types.Processor] = [_to_json]
    else:
        colors = stream.isatty() and not os.environ.get("NO_COLOR")
        # Messages are short event names; padding them to structlog's 30 would push the fields off a narrow terminal.
        console = structlog.dev.ConsoleRenderer(colors=colors, event_key="message", pad_event_to=0, pad_level=False)
        render = [_printable, _for_people, console]

    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*steps, *render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,  # a cached logger would keep the stream of an earlier call
    )
    _configure_stdlib(number, stream, steps, render)
    sys.excepthook = _log_uncaught


def _configure_stdlib(
    number: int, stream: TextIO, steps: list[structlog.types.Processor], render: list[structlog.types.Processor]
) -> None:
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.PositionalArgumentsFormatter(), _logger_name, *steps],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(number)
    for name, least in _CHATTY.items():
        logging.getLogger(name).setLevel(max(least, number))
    logging.captureWarnings(capture=True)


class _Common:
    """Add what every line has: the service, and the correlation id, which has the request id's value here."""

    def __init__(self, service: str | None) -> None:
        self._service = service

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if self._service is not None:
            event.setdefault("service", self._service)
        if "request_id" in event:
            event.setdefault("correlation_id", event["request_id"])
        return event


def _logger_name(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    record = event.get("_record")
    if isinstance(record, logging.LogRecord):
        event["logger"] = record.name
    return event


def _clean(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask every field, traceback included, and put timestamp, level and message first."""
    ordered: dict[str, Any] = {key: None for key in _FIRST if key in event}
    for key, value in event.items():
        if key in ("_record", "_from_structlog"):
            ordered[key] = value
        else:
            ordered[key] = MASKED if key.lower() in _SECRET_FIELDS and value else masked(value)
    return ordered


def masked(value: Any) -> Any:
    """Mask the texts inside a value; what is neither text, number nor container becomes its masked repr."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return mask(value)
        case Mapping():
            return {
                str(key): MASKED if str(key).lower() in _SECRET_FIELDS and item else masked(item)
                for key, item in value.items()
            }
        case list() | tuple() | set() | frozenset():
            return [masked(item) for item in value]
        case _:
            return mask(repr(value))


def _printable(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Show control characters instead of sending them to a terminal (JSON escapes them by itself)."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", value)
    return event


def _for_people(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Shorten a line for a terminal: local time of day, who speaks in front, a request as one phrase."""
    event["timestamp"] = datetime.fromisoformat(event["timestamp"]).astimezone().strftime("%H:%M:%S")
    for key in _NOT_FOR_PEOPLE:
        event.pop(key, None)
    if event["message"] == "request":
        asked = " ".join(str(event.pop(key, "")) for key in ("method", "path", "status_code"))
        event["message"] = f"{asked} in {event.pop('duration_ms', 0):.0f} ms"
    if (service := event.pop("service", None)) is not None:
        event["message"] = f"{service}: {event['message']}"
    return event


def _to_json(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    try:
        return msgspec.json.encode(event).decode()
    except UnicodeEncodeError:  # lone surrogates, from file names and foreign payloads
        return stdlib_json.dumps(event)


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    structlog.get_logger().critical("uncaught_exception", exc_info=(kind, error, trace))
