"""The documentation agrees with the code where it states what the code decides."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.common.jobs.states import ALLOWED, JobStatus
from services.builds.forges import supported
from services.builds.pipeline import Event, PipelineError, parse
from services.builds.runner.report import Ended
from services.builds.settings import WebhookSettings
from tests.servers import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE_ROW = re.compile(r"^\| `([A-Z_]+)` \|", re.MULTILINE)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def anchors(text: str) -> set[str]:
    """The names that GitHub gives to a page's headings."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(text)}


def links() -> Iterator[tuple[Path, str]]:
    for file in PAGES:
        for target in _LINK.findall(file.read_text(encoding="utf-8")):
            if "://" not in target:
                yield file, target


@pytest.mark.parametrize(("file", "target"), list(links()), ids=lambda value: str(value).removeprefix(f"{ROOT}/"))
def test_links_lead_somewhere(file: Path, target: str) -> None:
    """A link inside the project names a file that is there, and a heading that stands in it."""
    name, _, anchor = target.partition("#")
    found = file.parent / name if name else file
    assert found.exists()
    if anchor:
        assert anchor in anchors(found.read_text(encoding="utf-8"))


def test_every_decision_is_in_the_index() -> None:
    """A record that nobody can find decides nothing."""
    index = page("docs/decisions/README.md")
    records = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    assert [record.name for record in records if f"]({record.name})" not in index] == []
    for number, record in enumerate(records, start=1):
        assert record.name.startswith(f"{number:04d}-")
        text = record.read_text(encoding="utf-8")
        assert text.startswith(f"# {number}. ")
        for part in ("Context", "Decision", "Consequences", "Alternatives"):
            assert f"**{part}.**" in text, record.name


def test_the_transition_table_is_the_code_s() -> None:
    """A client's author reads the same transitions as the code allows."""
    rows = dict(re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", page("docs/jobs.md"), re.MULTILINE))
    documented = {JobStatus(name): {word.strip() for word in after.split(",")} - {""} for name, after in rows.items()}
    assert documented == {status: set(map(str, after)) for status, after in ALLOWED.items()}


def test_the_example_pipeline_is_one() -> None:
    """What people copy from the page is read as the page says."""
    example = re.search(r"```yaml\n(.*?)```", page("docs/pipelines.md"), re.DOTALL)
    assert example is not None
    pipeline = parse(example[1])
    test, lint = pipeline.steps
    assert (pipeline.timeout_s, test.timeout_s, lint.timeout_s) == (1800, 600, 300)
    assert (test.state, lint.state, lint.allow_failure) == (70, 100, True)
    assert pipeline.secrets == ("DEPLOY_TOKEN",)
    assert pipeline.when.mismatch(Event("push", "release/1.0", ["src/a.py"])) is None
    assert pipeline.when.mismatch(Event("tag", None, None)) is None
    assert pipeline.when.mismatch(Event("push", "main", ["docs/a.md"])) is not None
    assert pipeline.when.mismatch(Event("push", "topic", ["src/a.py"])) is not None


def test_the_example_of_a_problem_is_real() -> None:
    """The page shows the line that the log shows."""
    with pytest.raises(PipelineError) as caught:
        parse("steps:\n  - name: test\n    script: make test\n")
    assert f"    {str(caught.value).splitlines()[-1]}\n" in page("docs/pipelines.md")


def test_codes_of_ends_are_documented_and_real() -> None:
    """Every code that the runner gives is explained, and every code that is explained is given by somebody."""
    documented = set(_CODE_ROW.findall(page("docs/pipelines.md")))
    assert documented >= set(re.findall(r"\b[A-Z]+_[A-Z]+\b|SKIPPED|CANCELLED", Ended.__doc__ or ""))
    folders = ("libs/common", "services/builds")
    source = "".join(file.read_text() for folder in folders for file in (ROOT / folder).rglob("*.py"))
    explained = documented | set(_CODE_ROW.findall(page("docs/jobs.md")))
    assert [code for code in sorted(explained) if f'"{code}"' not in source] == []


def test_every_forge_has_its_row() -> None:
    """Whoever connects a forge finds its address and its setting."""
    text = page("docs/operations.md")
    for forge in supported():
        assert f"/webhook/{forge}`" in text
        assert hasattr(WebhookSettings(), forge)
        assert f"`{forge.upper()}_WEBHOOK_SECRET`" in text
