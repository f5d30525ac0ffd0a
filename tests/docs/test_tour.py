"""The README's tour, run line by line as it stands there, against standalone mode in a folder of its own."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import ROOT, free_port

_TOUR = re.compile(r"<!-- tour: .*?-->(.*)<!-- /tour -->", re.DOTALL)
_BASH = re.compile(r"```bash\n(.*?)```", re.DOTALL)
_DOCUMENTED_ADDRESS = "127.0.0.1:8000"
_MARK = "--- next block ---"
_ENOUGH_S = 100  # the tour takes some ten seconds; a stuck one is to end before pytest's own time-out, with its output


def blocks() -> list[str]:
    """The tour's pieces in order: the start, then what is typed into the second terminal."""
    tour = _TOUR.search((ROOT / "README.md").read_text())
    assert tour is not None
    return _BASH.findall(tour[1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The newcomer's folder, with a `make` that does what `make run` does once everything is installed."""
    make = tmp_path / "bin" / "make"
    make.parent.mkdir()
    make.write_text(f'#!/bin/sh\n[ "$*" = run ] && cd "{ROOT}" && exec "{sys.executable}" -m workers.standalone\n')
    make.chmod(0o755)
    return tmp_path


@pytest.fixture
def environ(folder: Path) -> dict[str, str]:
    """The newcomer's environment: nothing of Slipway's, but a port and a data folder that nobody else uses."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "PORT": str(free_port()), "SLIPWAY_DATA": str(folder / "data")}


@pytest.fixture
def running(folder: Path, environ: dict[str, str]) -> Iterator[list[str]]:
    """What the first terminal shows, up to the end of the lines that say where everything is."""
    # `exec` lets the shell's process become the product's: Ctrl-C reaches the whole line in a terminal, us only one.
    start = blocks()[0].replace("make run", "exec make run")
    with subprocess.Popen(
        ["bash", "-c", start], cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("Ctrl-C"):
                break
        try:
            yield said
        finally:
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0, "".join(said) + rest


def test_every_line_of_the_tour_works(folder: Path, environ: dict[str, str], running: list[str]) -> None:
    """A newcomer who copies each block sees a push become a running build with a live log, and can steer it."""
    assert any(line.startswith("Slipway is ready: ") for line in running), "".join(running)
    typed = f"\necho '{_MARK}'\n".join(blocks()[1:])
    assert typed.count(_DOCUMENTED_ADDRESS) == 1
    script = typed.replace(_DOCUMENTED_ADDRESS, f"127.0.0.1:{environ['PORT']}")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder, env=environ, capture_output=True, text=True, timeout=_ENOUGH_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    ready, made, pushed, watched, read, steered, person, recipe, reported, tidied = done.stdout.split(f"{_MARK}\n")

    assert json.loads(ready)["overall"] is True
    assert made == ""
    accepted = json.loads(pushed)
    assert accepted["duplicate"] is False
    _watched_live(watched)
    _read_at_the_end(read, accepted["job_id"])
    _steered(steered, accepted["job_id"])
    assert json.loads(person)["is_superuser"] is True
    _described(recipe)
    _reported(reported)
    assert tidied == ""


def _watched_live(stream: str) -> None:
    """The log came in pieces, in order and whole, and then the end."""
    events = [event for event in stream.split("\n\n") if "data: " in event]
    batches = [json.loads(event.partition("data: ")[2]) for event in events if "event: " not in event]
    lines = [line["message"] for batch in batches for line in batch]
    assert [line for line in lines if line.startswith("line ")] == [f"line {i}" for i in range(1, 6)]
    assert [line["id"] for batch in batches for line in batch] == list(range(1, len(lines) + 1))
    assert len(batches) > 1, "the log came all at once"
    assert "event: end" in events[-1]
    assert '"status":"success"' in events[-1]


def _read_at_the_end(text: str, job: str) -> None:
    view, _, log = text.partition("::group::clone")
    ended = json.loads(view)
    assert (ended["id"], ended["status"], ended["exit_code"]) == (job, "success", 0)
    assert f"Hello from ada/hello at {ended['commit']}\n" in log


def _steered(text: str, job: str) -> None:
    decoder = json.JSONDecoder()
    cancelled, end = decoder.raw_decode(text)
    listed = json.loads(text[end:])
    assert cancelled["retry_of"] == job
    assert cancelled["status"] == "cancelled" or cancelled["cancel_requested"] is True
    assert [one["id"] for one in listed["jobs"]] == [cancelled["id"], job]


def _described(text: str) -> None:
    """The recipe is sound, becomes a Containerfile, and is kept."""
    checked, made, kept = map(json.loads, text.splitlines())
    assert (checked["valid"], checked["dialect"]) == (True, "exousia")
    assert "htop" in made["containerfile"]
    assert (kept["name"], kept["version"]) == ("demo", 1)


def _reported(text: str) -> None:
    """The build took its states, stood failed until the reset, and is counted as completed."""
    made, *states, failed, reset, last, summary = map(json.loads, text.splitlines())
    assert made["status"] == "created"
    assert [state["new_state"] for state in states] == [10, 25, 50, 75]
    assert (failed["status"], reset["state_code"], last["new_state"]) == ("recorded", 75, 100)
    assert summary["status_counts"]["completed"] >= 1
