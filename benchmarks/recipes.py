"""Recipes read, validated and transpiled, beside the parsing of the same text by PyYAML alone.

No server and no database: this is what a request costs before and behind which nothing else happens. The largest
example that comes with Slipway, a recipe as long as the longest ones that are known, and the worst that is read at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import yaml

from benchmarks.report import Report, percentile
from services.builds.recipes import Dialect, Options, TranspilationFailed, definition, definitions, transpile, validate
from services.builds.recipes.document import MAX_BYTES, MAX_NODES, parse

_COLUMNS = ("recipe", "KB", "PyYAML ms", "parse ms", "validate ms", "transpile ms", "transpile p99")
_HEAD = "name: long\ndescription: a long recipe\nimage-type: fedora-bootc\nmodules:\n"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LINTED = Options(lint=True)


@dataclass(frozen=True)
class Sizes:
    """How often each text is read; the worst ones a tenth as often."""

    rounds: int = 500
    modules: int = 28


QUICK = Sizes(rounds=50)


async def run(sizes: Sizes, kinds: Sequence[str], report: Report) -> None:  # noqa: ARG001  # there is no database in it
    """Measure, once for all kinds of database."""
    table = report.table("Reading recipes (p50 where nothing else is said)", *_COLUMNS)
    for name, text, rounds in _texts(sizes):
        assert validate(text, dialect=Dialect.EXOUSIA).valid
        plain = _times(partial(yaml.load, text, Loader=_LOADER), rounds)
        read = _times(partial(parse, text), rounds)
        checked = _times(partial(validate, text), rounds)
        made = _times(partial(_transpiled, text), rounds)
        middles = [percentile(times, 0.5) for times in (plain, read, checked, made)]
        table.row(name, round(len(text) / 1000, 1), *middles, percentile(made, 0.99))
    report.note(f"PyYAML {yaml.__version__} with libyaml: {yaml.__with_libyaml__}.")


def _texts(sizes: Sizes) -> list[tuple[str, str, int]]:
    """Return (what it is, the text, how often it is read)."""
    examples = {one.filename: definition(one.filename) or "" for one in definitions()}
    largest = max(examples, key=lambda name: len(examples[name]))
    few = max(sizes.rounds // 10, 1)
    script = "- type: script\n  scripts:\n  - |\n"
    line = '    [ -f "/etc/$x" ] && echo "$(rpm -E %fedora)" >> /etc/notes\n'
    values = "- type: package-loader\n  include_common: false\n  extras:\n"
    return [
        (largest, examples[largest], sizes.rounds),
        (f"{sizes.modules} modules", _HEAD + _module() * sizes.modules, sizes.rounds),
        ("1 MB of scripts", _HEAD + (script + line * 300) * (MAX_BYTES // 20_000), few),
        (f"{MAX_NODES:,} values", _HEAD + values + "".join(f"  - p{at}\n" for at in range(MAX_NODES - 20)), few),
    ]


def _module() -> str:
    """Write a module of ten lines, as real recipes have them."""
    lines = "".join(f"    echo {at} > /etc/setting-{at}\n" for at in range(6))
    return f'- type: script\n  condition: image-type == "fedora-bootc"\n  scripts:\n  - |\n{lines}'


def _transpiled(text: str) -> str:
    try:
        return transpile(text, _LINTED)
    except TranspilationFailed:  # the longest texts make lines that no builder takes; it is known at the end
        return ""


def _times(work: Callable[[], object], rounds: int) -> list[float]:
    """Return the sorted milliseconds of each round, after one that warms up."""
    work()
    times = []
    for _ in range(rounds):
        began = perf_counter()
        work()
        times.append((perf_counter() - began) * 1000)
    return sorted(times)
