"""Runs of a branch or tag without a commit id: the newest commit is found, told and built."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.builds.providers.base import OutcomeStatus
from tests.builds.repositories import serve_http
from tests.builds.running import Ground, open_folder

PIPELINE = "steps: [{name: say, run: 'echo $SLIPWAY_COMMIT $SLIPWAY_BRANCH $SLIPWAY_TAG'}]"


@pytest.fixture
def ground() -> Iterator[Ground]:
    """Repositories behind smart HTTP."""
    with open_folder() as folder:
        (folder / "repositories").mkdir()
        with serve_http(folder / "repositories") as url:
            yield Ground(folder, url)


async def test_the_newest_commit_of_a_branch(ground: Ground) -> None:
    """The branch as it stands now is built; its commit is reported before the first step and given to the steps."""
    repository, _ = ground.repository(PIPELINE)
    newest = repository.commit({"more": "x"})
    outcome = await ground.build(ground.spec(None, event="manual", branch="main"))
    assert outcome.status is OutcomeStatus.SUCCESS, ground.log.text()
    assert ground.progress.reports[:2] == [newest, "say"]
    assert ("stdout", f"{newest} main") in ground.log.lines


async def test_the_commit_of_an_annotated_tag(ground: Ground) -> None:
    """A tag's own object is followed to the commit."""
    repository, first = ground.repository(PIPELINE)
    repository.git("tag", "-a", "-m", "first", "v1", first)
    repository.commit({"more": "x"})
    outcome = await ground.build(ground.spec(None, event="manual", branch=None, tag="v1"))
    assert outcome.status is OutcomeStatus.SUCCESS, ground.log.text()
    assert ground.progress.reports[0] == first
    assert ("stdout", f"{first} v1") in ground.log.lines


@pytest.mark.parametrize("ref", [{"branch": "v1"}, {"branch": None, "tag": "main"}, {"branch": "-x"}])
async def test_a_ref_that_is_not_there(ground: Ground, ref: dict[str, str | None], tmp_path: Path) -> None:
    """A branch is not looked for among the tags, nor the other way round; the failure names what is missing."""
    repository, first = ground.repository(PIPELINE)
    repository.git("tag", "v1", first)
    outcome = await ground.build(ground.spec(None, event="manual", **ref))
    assert (outcome.status, outcome.code) == (OutcomeStatus.FAILURE, "COMMIT_MISSING")
    name = ref["branch"] or ref.get("tag")
    assert outcome.message == f"the repository has no {'branch' if ref['branch'] else 'tag'} {name}"
    assert not outcome.retryable
