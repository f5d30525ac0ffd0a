"""docs/github.md says what the code does."""

import re
from collections.abc import Iterator
from pathlib import Path

from services.builds.providers.github.actions import INPUT
from services.builds.service.workflows import INPUTS_CHARS_MAX, INPUTS_MAX
from tests.fakegithub.actions import Workflow
from tests.servers import ROOT

PAGE = (ROOT / "docs/github.md").read_text(encoding="utf-8")
# What the handler says comes from these, from the two errors of the service that it passes on, and from its settings.
SOURCES = [*ROOT.glob("services/builds/providers/github/*.py"), *ROOT.glob("services/builds/tasks/workflow*.py")]
OF_THE_SERVICE = {"REPOSITORY_GONE", "SECRETS_UNREADABLE"}


def codes_of(source: Path) -> Iterator[str]:
    for word in re.findall(r'"([A-Z]+(?:_[A-Z]+)*)"', source.read_text(encoding="utf-8")):
        if "_" in word or word == "TIMEOUT":
            yield word


def test_every_code_is_explained() -> None:
    """Whoever finds a code in a build finds it in the table, and the table names no other."""
    table = PAGE[PAGE.index("<!-- codes:") :]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    documented = {code for row in rows for code in re.findall(r"`([A-Z_]+)`", row)}
    assert documented == {code for source in SOURCES for code in codes_of(source)} | OF_THE_SERVICE


def test_the_documented_workflow_shows_its_mark() -> None:
    """What people copy takes the inputs of image builds, and titles its runs with the mark that finds them."""
    text = PAGE[PAGE.index("<!-- workflow:") :]
    example = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert example is not None
    workflow = Workflow(".github/workflows/build.yml", example[1])
    inputs = {
        "image_type",
        "distro_version",
        "enable_plymouth",
        "yaml_content",
        "window_manager",
        "desktop_environment",
    }
    assert workflow.dispatch is not None
    assert set(workflow.dispatch) == {INPUT, *inputs}
    assert workflow.title({INPUT: "kV3mXq0cTt2d9yqB7aXnUw"}) == "Build kV3mXq0cTt2d9yqB7aXnUw"


def test_the_documented_limits_are_those_that_are_checked() -> None:
    """25 inputs, 65,535 characters; our own input needs some room."""
    assert f"{INPUTS_MAX} inputs" in PAGE
    assert "65,535 characters" in PAGE
    assert 65_535 - 100 < INPUTS_CHARS_MAX < 65_535
