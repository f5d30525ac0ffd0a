"""A run's log archive: fetched to disk in bounded size, and read line by line.

GitHub packs a file for each job (`0_build.txt`) and, not always, one for each of its steps (`build/3_Push.txt`). Each
line begins with its time; `##[group]` and `##[error]` mark as they do in GitHub's own pages. Steps become groups of our
log, and the groups inside of them plain lines, since groups of groups are not shown.

Nothing of it is trusted: an archive may be cut off, lie about its sizes or hold a gigabyte of zeros.
"""

import asyncio
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Final, Literal, NamedTuple

import httpx

from services.builds.providers.github.errors import Unreachable

# Slower than this is no download any more; the step's own time-out is ten minutes.
_FETCH_S: Final = 300.0
# 256 jobs of a matrix with some dozens of steps each, at 400 bytes for a file.
_DIRECTORY_MAX_BYTES: Final = 4 * 1024**2
_END: Final = struct.Struct("<4s4H2LH")
_READ_BYTES: Final = 64 * 1024
# Longer lines are cut by the job's log anyway; none is put together in memory beyond this.
_LINE_MAX_BYTES: Final = 256 * 1024
_TIME: Final = re.compile(r"^\ufeff?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z ?")
_FILE: Final = re.compile(r"(?:(?P<folder>[^/]+)/)?(?P<number>\d+)_(?P<name>[^/]+)\.txt")

Level = Literal["stdout", "error"]


class TooLarge(Exception):
    """The archive is larger than it may be."""


class Unreadable(Exception):
    """The archive is broken off or no archive at all."""


class Position(NamedTuple):
    """Where a line stands: its file in the order of reading, and its number in that, both from 0."""

    file: int
    line: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line for the job's log, and where it stands."""

    at: Position
    text: str
    level: Level = "stdout"


async def fetch(http: httpx.AsyncClient, address: str, into: IO[bytes], *, max_bytes: int) -> None:
    """Stream an archive into a file; raises TooLarge, and Unreachable when it does not come.

    The address speaks for itself for a minute and belongs to another host: no token goes with it.
    """
    try:
        async with asyncio.timeout(_FETCH_S), http.stream("GET", address, follow_redirects=True) as answer:
            if answer.status_code != 200:
                raise Unreachable(f"HTTP {answer.status_code} for the log", 5.0, sent=True)
            size = 0
            async for part in answer.aiter_bytes():
                size += len(part)
                if size > max_bytes:
                    raise TooLarge(f"The log's archive is larger than {max_bytes // 1024**2} MB")
                await asyncio.to_thread(into.write, part)
    except (httpx.HTTPError, TimeoutError) as error:
        raise Unreachable(f"{type(error).__name__} while the log came", 5.0, sent=True) from error


def lines(file: IO[bytes], *, max_bytes: int, after: Position | None = None) -> Iterator[Line]:
    """Yield an archive's lines in the order of jobs and steps, those up to `after` left out.

    Raises TooLarge once `max_bytes` were unpacked, and Unreadable where the archive is broken;
    what came before is good.
    Unpacks small parts, so a few milliseconds pass between two lines at most.
    """
    budget = _Budget(max_bytes)
    try:
        _check_directory(file)
        with zipfile.ZipFile(file) as archive:
            for number, (title, member) in enumerate(_members(archive)):
                if after is not None and number < after.file:
                    continue
                with archive.open(member) as packed:
                    for line, (text, level) in enumerate(_grouped(title, _texts(packed, budget))):
                        if after is None or (number, line) > after:
                            yield Line(Position(number, line), text, level)
    # RuntimeError: encrypted. NotImplementedError: a compression that nobody uses.
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise Unreadable(f"The log's archive cannot be read: {error}") from error


@dataclass(slots=True)
class _Budget:
    left_bytes: int

    def take(self, count: int) -> None:
        self.left_bytes -= count
        if self.left_bytes < 0:
            raise TooLarge("The unpacked log is larger than a job's log may be")


def _check_directory(file: IO[bytes]) -> None:
    """Refuse an archive whose directory alone would fill the memory; zipfile reads all of it at once.

    Its end says how long it is (PKWARE APPNOTE 4.3.16). The 64-bit form is for archives larger than we fetch.
    """
    size = file.seek(0, 2)
    start = max(0, size - _END.size - 65_535)  # a comment of that length may stand behind it
    file.seek(start)
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise zipfile.BadZipFile("its end is missing")
    directory_bytes = _END.unpack_from(tail, at)[5]
    if directory_bytes > _DIRECTORY_MAX_BYTES or tail[max(0, at - 20) : at].startswith(b"PK\x06\x07"):
        raise zipfile.BadZipFile("it has too many files")


def _members(archive: zipfile.ZipFile) -> list[tuple[str, zipfile.ZipInfo]]:
    """The files to read with their titles: for each job those of its steps, or the whole one where there are none."""
    jobs: list[tuple[int, str, zipfile.ZipInfo]] = []
    steps: dict[str, list[tuple[int, str, zipfile.ZipInfo]]] = {}
    for member in archive.infolist():
        found = _FILE.fullmatch(member.filename)
        if found is None:
            continue
        entry = (int(found["number"][:9]), found["name"], member)
        if found["folder"] is None:
            jobs.append(entry)
        else:
            steps.setdefault(found["folder"], []).append(entry)
    members: list[tuple[str, zipfile.ZipInfo]] = []
    for _, job, whole in sorted(jobs, key=lambda entry: entry[:2]):
        of_job = sorted(steps.pop(job, []), key=lambda entry: entry[:2])
        members += [(f"{job} / {step}", member) for _, step, member in of_job] or [(job, whole)]
    for job, of_job in sorted(steps.items()):
        members += [(f"{job} / {step}", member) for _, step, member in sorted(of_job, key=lambda entry: entry[:2])]
    return members


def _grouped(title: str, texts: Iterator[str]) -> Iterator[tuple[str, Level]]:
    yield f"::group::{title}", "stdout"
    for text in texts:
        mark, found, rest = text.partition("]")
        match mark if found else "":
            case "##[group":
                yield f"▸ {rest}", "stdout"
            case "##[endgroup":
                pass
            case "##[error":
                yield rest, "error"
            case "##[warning" | "##[notice":
                yield f"{mark[3:]}: {rest}", "stdout"
            case "##[command":
                yield f"$ {rest}", "stdout"
            case _:
                yield text, "stdout"
    yield "::endgroup::", "stdout"


def _texts(packed: IO[bytes], budget: _Budget) -> Iterator[str]:
    """Split a file into lines without their times; what is longer than a line may be is cut."""
    held = b""
    while part := packed.read(_READ_BYTES):
        budget.take(len(part))
        *whole, held = (held + part).split(b"\n")
        yield from map(_text, whole)
        held = held[:_LINE_MAX_BYTES]
    if held:
        yield _text(held)


def _text(line: bytes) -> str:
    return _TIME.sub("", line.removesuffix(b"\r").decode("utf-8", "replace"), count=1)
