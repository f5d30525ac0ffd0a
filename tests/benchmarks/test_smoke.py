"""Each benchmark still runs: with tiny sizes, as `make bench` starts it. What it measures is nobody's matter here."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.processes import QUICK
from tests.servers import ROOT

# Small enough for a few seconds each, large enough that every row has something to measure.
SIZES: Final = {
    "accept": ("seconds=0.2", "warm_s=0.1"),
    "reads": ("jobs=200", "many=200", "seconds=0.2"),
    "builds": ("builds=200", "many=200", "seconds=0.2"),
    "states": ("seconds=0.3", "warm_s=0.1", "per_s=50", "builds=40"),
    "configurations": ("stored=50", "seconds=0.3"),
    "recipes": ("rounds=3",),
    "logins": ("seconds=0.3", "warm_s=0.1", "logins_per_s=50"),
    "jobs": ("jobs=100", "waits=2", "workers=1"),
    "breakage": ("running=3", "active=20", "idle_s=0.2"),
    "sse": ("few=3", "some=3", "many=3", "lines=1", "storm=3", "storm_lines=10"),
}
# What stands for "there is no figure here" by design.
NO_FIGURE: Final = {"of no storage", "CPU s/1,000", "all live again s", "run twice"}


@pytest.mark.slow
@pytest.mark.timeout(300)  # a dozen processes start one after the other
@pytest.mark.parametrize("name", SIZES)
def test_a_benchmark_fills_its_tables(name: str, tmp_path: Path) -> None:
    """It ends by itself, and each row of its JSON has a figure in every column."""
    argv = [sys.executable, "-m", "benchmarks", name, "--quick", "--database", "sqlite", "--results", str(tmp_path)]
    # Servers of its own: it must not end those of this run.
    environ = {key: value for key, value in os.environ.items() if key != "SLIPWAY_TEST_RUN"} | dict(QUICK)
    sizes = [part for size in SIZES[name] for part in ("--size", size)]
    ended = subprocess.run([*argv, *sizes], cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    result = json.loads((tmp_path / f"{name}.json").read_text())
    assert result["machine"]["cores"] > 0
    for table in result["tables"]:
        assert table["rows"], table["title"]
        for row in table["rows"]:
            missing = {column for column, figure in row.items() if figure is None or figure != figure}
            assert missing <= NO_FIGURE, row
            assert all(math.isfinite(figure) for figure in row.values() if isinstance(figure, float)), row


def test_an_unknown_benchmark_is_named() -> None:
    """A name that is none ends with an error that says so, before any server starts."""
    argv = [sys.executable, "-m", "benchmarks", "acept"]
    ended = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "there is no benchmark acept" in ended.stderr
