"""Every group of settings there is, found by the rule of the tree: they stand in services/<name>/settings.py.

A process loads the groups that it needs. Two things need all of them: telling a typing error in the shared YAML file
from a setting of another process, and the documentation's tables. Nobody keeps a list, so none can be out of date; a
settings module imports nothing that only one process has, so any process may ask.
"""

import importlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from libs.common.settings import groups
from libs.common.settings.fields import Settings
from libs.common.settings.loading import Row, describe, table

_SERVICES: Final = Path(__file__).parents[3] / "services"
# <!-- settings: CoreSettings API_KEYS --> ... <!-- /settings -->; a word is a group, or one setting
_BLOCK: Final = re.compile(r"(<!-- settings: (?P<words>[\w ]+) -->\n).*?(<!-- /settings -->)", re.DOTALL)


def every_group() -> list[type[Settings]]:
    """Return the shared groups and then those of each service, in the order they are written."""
    names = sorted(file.parent.name for file in _SERVICES.glob("*/settings.py"))
    modules = [groups, *(importlib.import_module(f"services.{name}.settings") for name in names)]
    return [
        found
        for module in modules
        for found in vars(module).values()
        if isinstance(found, type) and issubclass(found, Settings) and found.__module__ == module.__name__
    ]


def filled(text: str) -> str:
    """Return a Markdown text with each table between its settings marks written anew.

    Raises KeyError for a mark that names neither a group nor a setting.
    """
    by_name: dict[str, list[Row]] = {}
    for group in every_group():
        rows = list(describe(group))
        by_name[group.__name__] = rows
        by_name |= {row.name: [row] for row in rows}

    def write(block: re.Match[str]) -> str:
        return f"{block[1]}{table(_rows(by_name, block['words'].split()))}{block[3]}"

    return _BLOCK.sub(write, text)


def _rows(by_name: dict[str, list[Row]], words: Iterable[str]) -> list[Row]:
    return [row for word in words for row in by_name[word]]
