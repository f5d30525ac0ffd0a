"""docs/bluebuild.md says what the code does."""

import re

from services.builds.recipes import Dialect, Given, Options, transpile, validate
from services.builds.recipes.bluebuild.expansion import MAX_ENTRIES, MAX_FILES
from services.builds.recipes.bluebuild.modules import TYPES
from tests.servers import ROOT

PAGE = (ROOT / "docs/bluebuild.md").read_text(encoding="utf-8")
_ROW = re.compile(r"^\| `([\w-]+)` \| ([\w, ]+) \| (yes|no) \| (.+) \|$", re.MULTILINE)


def test_the_table_of_modules_is_the_code_s() -> None:
    """Each type of module has a row with its versions, whether it is transpiled, and what it needs or why not."""
    rows = {
        name: (set(versions.split(", ")), done == "yes", needs) for name, versions, done, needs in _ROW.findall(PAGE)
    }
    assert rows == {
        kind.name: (
            {spelling.partition("@")[2] for spelling in kind.shapes} - {"", "latest"},
            kind.emit is not None,
            kind.needs,
        )
        for kind in TYPES.values()
    }


def test_the_example_is_transpiled() -> None:
    """What people copy from the page is a recipe of the dialect that the page is about."""
    found = re.search(r"```yaml\n(name: .*?)```", PAGE, re.DOTALL)
    assert found is not None
    files = Given({"common.yml": "type: initramfs\n"})
    checked = validate(found[1], files=files)
    assert (checked.dialect, checked.problems) == (Dialect.BLUEBUILD, ())
    assert "# Module 5: initramfs" in transpile(found[1], Options(), files=files)


def test_the_example_of_a_message_is_real() -> None:
    """The page shows the message that people get."""
    source = (
        "name: a\ndescription: b\nbase-image: c\nimage-version: 1\nmodules:\n- {type: initramfs}\n- {type: signing}\n"
    )
    message = validate(source + "- {type: dnf, remove: {packages: [a, 5]}}\n").errors[0]
    assert f"    {message}\n" in PAGE


def test_the_bounds_are_the_code_s() -> None:
    """The page names the bounds that hold."""
    assert f"At most {MAX_FILES} files and {MAX_ENTRIES:,} modules and stages" in PAGE
