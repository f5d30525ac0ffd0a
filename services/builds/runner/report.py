"""What the runner tells its worker: frames, one JSON object a line on standard output. Standard library only.

    {"type": "log", "level": "stdout", "text": "one line\\nanother"}     whole lines, without the end of the last
    {"type": "commit", "sha": "8d5a0e5f..."}                            what the ref is, when no commit was asked for
    {"type": "step", "name": "test", "state": "started", "index": 1, "count": 3}
    {"type": "step", "name": "test", "state": "finished", "index": 1, "count": 3, "exit_code": 0, "duration_s": 1.25,
     "progress": 30}                                                    progress only when the step is behind us
    {"type": "end", "outcome": "success|failure|cancelled", "code": "STEP_FAILED", "message": "...", "exit_code": 2,
     "retryable": false}                                                always the last; code null for a success

Levels: `stdout` and `stderr` are what a step wrote, `info` and `error` the runner's own words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

LINE_BYTES = 16 * 1024  # the job log's longest line
_CUT_NOTE = " [line cut at 16 KB]"


class Sink(Protocol):
    """Where frames go: the supervisor."""

    def send(self, frame: Mapping[str, Any], /) -> None: ...


@dataclass
class Ended(Exception):
    """The run is over. `outcome` is success, failure or cancelled; `code` None for a success.

    SKIPPED (cancelled), PIPELINE_MISSING, PIPELINE_INVALID, SECRET_MISSING, CLONE_FORBIDDEN, CLONE_DENIED,
    CLONE_FAILED, CLONE_TIMEOUT, COMMIT_MISSING, STEP_FAILED, STEP_TIMEOUT, RUN_TIMEOUT, CANCELLED (cancelled),
    RUNNER_ERROR. `retryable`: the same run may go well a little later.
    """

    outcome: str
    code: str | None = None
    message: str = ""
    exit_code: int | None = None
    retryable: bool = False

    def __post_init__(self) -> None:
        super().__init__(self.message)


class Report:
    """Writes frames; holds the budget of output that a run may send."""

    def __init__(self, sink: Sink, output_max_bytes: int) -> None:
        self._sink = sink
        self._output_left = output_max_bytes

    def info(self, text: str) -> None:
        self._sink.send({"type": "log", "level": "info", "text": text})

    def error(self, text: str) -> None:
        self._sink.send({"type": "log", "level": "error", "text": text})

    def commit(self, sha: str) -> None:
        self._sink.send({"type": "commit", "sha": sha})

    def step(self, name: str, state: str, **facts: Any) -> None:
        self._sink.send({"type": "step", "name": name, "state": state, **facts})

    def end(self, ended: Ended) -> None:
        self._sink.send(
            {
                "type": "end",
                "outcome": ended.outcome,
                "code": ended.code,
                "message": ended.message,
                "exit_code": ended.exit_code,
                "retryable": ended.retryable,
            }
        )

    def output(self, level: str, text: str) -> None:
        """Pass on what a step wrote, until the run has used up its output; then say `[truncated]`, once."""
        if self._output_left <= 0:
            return
        self._output_left -= len(text) + 1  # characters: near enough, and free of another pass over the text
        self._sink.send({"type": "log", "level": level, "text": text})
        if self._output_left <= 0:
            self.error("[truncated] the output of this run is over its limit; the rest is not kept")


class Lines:
    """Turns the bytes of one step's two streams into whole lines of text.

    Bytes that are no UTF-8 become U+FFFD. A line over LINE_BYTES is cut and says so; no more than that is kept of a
    line that does not end, so a stream without line ends costs no memory.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._begun = {"stdout": bytearray(), "stderr": bytearray()}

    def feed(self, stream: str, data: bytes) -> None:
        """Take what was read, cut anywhere. This is a `libs.common.supervisor.Output`."""
        begun = self._begun[stream]
        head, end, rest = data.rpartition(b"\n")
        if end:
            self._report.output(stream, _text(bytes(begun) + head))
            begun.clear()
        begun += rest[: LINE_BYTES + 1 - len(begun)]  # one byte more shows that the line is too long

    def close(self) -> None:
        """Pass on lines that the step did not end."""
        for stream, begun in self._begun.items():
            if begun:
                self._report.output(stream, _text(bytes(begun)))
                begun.clear()


def _text(data: bytes) -> str:
    lines = data.split(b"\n")
    if max(map(len, lines)) * 3 <= LINE_BYTES:  # even if each byte became a U+FFFD of three bytes
        return data.decode("utf-8", "replace")
    return "\n".join(_cut(line) for line in lines)


def _cut(line: bytes) -> str:
    text = line[: LINE_BYTES + 1].decode("utf-8", "replace")
    encoded = text.encode()
    if len(encoded) <= LINE_BYTES:
        return text
    return encoded[: LINE_BYTES - len(_CUT_NOTE)].decode("utf-8", "ignore") + _CUT_NOTE
