"""What a benchmark prints and keeps: tables of figures, the machine they are from, one JSON file a benchmark."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Cell = str | float | int | None

_FIRST_WIDTH = 46  # what was measured, in words
_WIDTH = 12


def percentile(times: Sequence[float], share: float) -> float:
    """The value that `share` (0..1) of the sorted `times` do not exceed; nan when there are none."""
    return times[min(int(len(times) * share), len(times) - 1)] if times else float("nan")


@dataclass
class Table:
    """Rows under named columns, printed as they come: a full run takes long."""

    title: str
    columns: Sequence[str]
    rows: list[dict[str, Cell]] = field(default_factory=list)

    def row(self, *cells: Cell) -> None:
        """Add and print a row: one cell a column, None where there is no figure."""
        self.rows.append(dict(zip(self.columns, cells, strict=True)))
        print(_line([_text(cell) for cell in cells]), flush=True)


class Report:
    """All that one benchmark found."""

    def __init__(self, name: str, sizes: Any) -> None:
        """`sizes` is the dataclass that says how much is measured."""
        self.name = name
        self._sizes = asdict(sizes)
        self._began = datetime.now(UTC)
        self._load_before = _load()
        self.tables: list[Table] = []
        self.notes: list[str] = []

    def table(self, title: str, *columns: str) -> Table:
        """Begin a table and print its head."""
        table = Table(title, columns)
        self.tables.append(table)
        print(f"\n{title}\n{_line(columns)}", flush=True)
        return table

    def note(self, text: str) -> None:
        """Add and print a sentence that belongs to the tables."""
        self.notes.append(text)
        print(text, flush=True)

    def save(self, folder: Path) -> Path:
        """Write `<name>.json`, and the tables for docs/benchmarks.md as `<name>.md`, into the folder.

        They replace those of the run before. Answers the JSON file.
        """
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{self.name}.json"
        content = {
            "benchmark": self.name,
            "began_at": self._began.isoformat(timespec="seconds"),
            "machine": machine(),
            "load_before": self._load_before,
            "load_after": _load(),
            "sizes": self._sizes,
            "tables": [{"title": table.title, "rows": table.rows} for table in self.tables],
            "notes": self.notes,
        }
        file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        tables = "\n".join(_markdown(table) for table in self.tables)
        load = f"Load average {self._load_before} before and {_load()} after."
        (folder / f"{self.name}.md").write_text(f"{tables}\n{load}\n", encoding="utf-8")
        return file


def _markdown(table: Table) -> str:
    rows = [table.columns, ["---"] * len(table.columns)]
    rows += [[_text(cell) for cell in row.values()] for row in table.rows]
    return f"**{table.title}**\n\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def machine() -> dict[str, Cell]:
    """What the figures were made with; a load average far above 0 before a run says that something else ran too."""
    try:
        memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        memory_bytes = 0
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(memory_bytes / 2**30, 1),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
    }


def _load() -> float:
    """The load average of the last minute."""
    return round(os.getloadavg()[0], 2)


def _line(cells: Sequence[str]) -> str:
    return cells[0].ljust(_FIRST_WIDTH) + "".join(f" {cell:>{max(_WIDTH, len(cell))}}" for cell in cells[1:])


def _text(cell: Cell) -> str:
    match cell:
        case None:
            return "-"
        case float() if abs(cell) >= 100:
            return f"{cell:,.0f}"
        case float():
            return f"{cell:.3g}" if abs(cell) < 1 else f"{cell:.1f}"
        case int():
            return f"{cell:,}"
    return cell
