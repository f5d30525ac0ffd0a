"""`python -m benchmarks [name ...] [--quick]`: measure on real servers, print tables, keep JSON; assert nothing."""

import argparse
import asyncio
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from benchmarks import accept, breakage, builds, configurations, jobs, logins, reads, recipes, sse, states
from benchmarks.report import Report, machine
from benchmarks.servers import KINDS, ROOT, run_folder

BENCHMARKS = {
    "accept": accept,
    "reads": reads,
    "builds": builds,
    "states": states,
    "configurations": configurations,
    "recipes": recipes,
    "logins": logins,
    "jobs": jobs,
    "breakage": breakage,
    "sse": sse,
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(BENCHMARKS)}; none: all")
    parser.add_argument("--quick", action="store_true", help="small sizes: to see that it works, not to publish")
    parser.add_argument("--size", action="append", default=[], metavar="NAME=NUMBER", help="another size; see --sizes")
    parser.add_argument("--sizes", action="store_true", help="list the sizes and end")
    parser.add_argument("--database", action="append", choices=KINDS, help="measure on this one only")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks/results", help="folder of the JSON files")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    try:
        sizes = {
            name: _sized(BENCHMARKS[name].QUICK if chosen.quick else BENCHMARKS[name].Sizes(), chosen.size)
            for name in chosen.names or BENCHMARKS
        }
    except ValueError as error:
        parser.error(str(error))
    if chosen.sizes:
        print("\n".join(f"{name}: {some}" for name, some in sizes.items()))
        return 0
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    with run_folder():
        for name, some in sizes.items():
            report = Report(name, some)
            asyncio.run(BENCHMARKS[name].run(some, chosen.database or KINDS, report))
            print(f"-> {report.save(chosen.results)}")
    return 0


def _sized(sizes: Any, changes: list[str]) -> Any:
    """Change what `name=number` names, where this benchmark has such a size. Raises ValueError."""
    kinds = {field.name: type(getattr(sizes, field.name)) for field in fields(sizes)}
    for change in changes:
        name, separator, number = change.partition("=")
        if not separator:
            raise ValueError(f"--size {change}: must be NAME=NUMBER")
        if name in kinds:
            sizes = replace(sizes, **{name: kinds[name](number)})
    return sizes


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
