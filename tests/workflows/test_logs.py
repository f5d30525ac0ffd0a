"""A run's log is fetched at its end: whole, once, and never a danger to the worker."""

import io
import zipfile

import pytest

from services.builds.providers.github import archive
from tests.fakegithub.faults import Fault, instead, refused, truncated, unavailable
from tests.fakegithub.forge import FakeGitHub
from tests.workflows.site import Site, open_site
from tests.world import eventually

LOGS = "actions/download-workflow-run-attempt-logs"
STORE = "/_logs"

pytestmark = pytest.mark.databases("sqlite")


def packed(*files: tuple[str, str]) -> io.BytesIO:
    """An archive of these files, in this order."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as writing:
        for name, text in files:
            writing.writestr(name, text)
    return made


def read(file: io.BytesIO, *, max_bytes: int = 10**6, after: archive.Position | None = None) -> list[str]:
    return [line.text for line in archive.lines(file, max_bytes=max_bytes, after=after)]


# --- reading (pure) -------------------------------------------------------------------------------------------------


def test_steps_become_groups_in_their_order() -> None:
    """Times go, marks of GitHub's become ours, an error is told as one; files that are no logs are left out."""
    file = packed(
        ("1_test.txt", "unused: its steps are there"),
        ("0_build.txt", "\ufeff2026-11-20T18:00:00.0000000Z whole\n"),
        ("test/10_Last.txt", "2026-11-20T18:00:03.0000000Z ##[error]broken\r\n"),
        ("test/2_First.txt", "2026-11-20T18:00:01.0000000Z ##[group]Run make\n2026-11-20T18:00:02Z ##[endgroup]\n"),
        ("test/system.txt", "of the runner"),
        ("../../etc/passwd", "of nobody"),
    )
    assert read(file) == [
        *("::group::build", "whole", "::endgroup::"),
        *("::group::test / First", "▸ Run make", "::endgroup::"),
        *("::group::test / Last", "broken", "::endgroup::"),
    ]
    assert [line.level for line in archive.lines(file, max_bytes=1000) if line.text == "broken"] == ["error"]


def test_reading_goes_on_behind_any_line() -> None:
    """From each position on come exactly the lines that follow it."""
    file = packed(("0_a.txt", "1\n2\n"), ("1_b.txt", "3\n4"))
    every = list(archive.lines(file, max_bytes=1000))
    for number, line in enumerate(every):
        assert list(archive.lines(file, max_bytes=1000, after=line.at)) == every[number + 1 :]


def test_an_archive_that_unpacks_to_too_much_is_cut() -> None:
    """A few kilobytes of zeros, a gigabyte of lines: what came before the limit is good."""
    bomb = packed(("0_build.txt", "begin\n" + "0" * 50_000_000))
    lines = archive.lines(bomb, max_bytes=1_000_000)
    assert [next(lines).text for _ in range(2)] == ["::group::build", "begin"]
    with pytest.raises(archive.TooLarge):
        list(lines)


def test_an_endless_line_does_not_fill_the_memory() -> None:
    """It is cut long before it is whole."""
    [_, line, _] = read(packed(("0_build.txt", "0" * 5_000_000)), max_bytes=10**7)
    assert len(line) < 400_000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not an archive",
        packed(("0_a.txt", "text\n" * 1000)).getvalue()[:-30],
        packed(("0_a.txt", "text\n" * 1000)).getvalue().replace(b"PK\x01\x02", b"PK\x09\x09"),
    ],
)
def test_what_is_no_archive_is_unreadable(content: bytes) -> None:
    """Whatever GitHub, or a proxy, sends instead of a log."""
    with pytest.raises(archive.Unreadable):
        read(io.BytesIO(content))


def test_a_directory_that_would_fill_the_memory_is_refused() -> None:
    """An archive of a million empty files is small; its directory, which is read at once, is not."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as writing:
        for number in range(20_000):
            writing.writestr(f"{number}_{'x' * 200}.txt", "")
    with pytest.raises(archive.Unreadable, match="too many files"):
        read(made)


# --- fetching -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(unavailable(503), id="503", marks=pytest.mark.slow),
        pytest.param(refused(404, {"message": "Not Found"}), id="not packed yet"),
        pytest.param(Fault(cut=True), id="connection cut", marks=pytest.mark.slow),
    ],
)
async def test_a_log_that_is_not_there_yet_is_asked_for_again(site: Site, github: FakeGitHub, fault: Fault) -> None:
    """GitHub packs it some seconds after the run's end."""
    github.inject(fault, LOGS, times=2)
    async with site.worker():
        job = await site.trigger()
        (await site.followed(job)).finish()
        await site.world.ended(job)
        assert (await site.log(job)).count("output of Build") == 1


@pytest.mark.parametrize("fault", [truncated(200), instead(b"no archive")])
async def test_a_broken_download_repeats_no_line(site: Site, github: FakeGitHub, fault: Fault) -> None:
    """The download is begun anew, the log goes on where it broke off."""
    async with site.worker():
        job = await site.trigger()
        run = await site.followed(job)
        run.jobs[0].steps[0].lines += [f"line {number}" for number in range(2000)]
        github.inject(fault, STORE)
        run.finish()
        await site.world.ended(job)
        log = await site.log(job)
    assert [line for line in log if line.startswith("line ")] == [f"line {number}" for number in range(2000)]


async def test_a_log_that_is_gone_does_not_fail_the_build(site: Site, github: FakeGitHub) -> None:
    """The build ends as its run did; the log says where to look."""
    async with site.worker():
        job = await site.trigger()
        run = await site.followed(job)
        run.logs_deleted = True
        run.finish()
        assert (await site.world.ended(job)).view.status == "success"
        assert any("could not be fetched" in line and f"/runs/{run.id}" in line for line in await site.log(job))


async def test_a_log_that_is_too_large_is_cut(database: str, redis: str, github: FakeGitHub) -> None:
    """Packed or unpacked: the build ends, the log says that the rest is on GitHub."""
    async with open_site(database, redis, github) as site, site.worker(log_max_bytes=10_000):
        job = await site.trigger()
        run = await site.followed(job)
        run.jobs[0].steps[0].lines += ["0" * 1000] * 1000
        run.finish()
        assert (await site.world.ended(job)).view.status == "success"
        assert any("the rest is on GitHub" in line for line in await site.log(job))


async def test_a_worker_that_stops_in_the_middle_of_the_log_leaves_no_gap(site: Site, github: FakeGitHub) -> None:
    """Another one goes on behind the last line that was written."""
    lines = [f"line {number}" for number in range(20_000)]
    async with site.worker() as first:
        job = await site.trigger()
        run = await site.followed(job)
        run.jobs[0].steps[0].lines += lines
        run.finish()

        async def has_begun() -> bool:
            return any(line.startswith("line ") for line in await site.log(job))

        await eventually(has_begun, "no line came")
        first.stop()
    async with site.worker():
        await site.world.ended(job)
    log = await site.log(job)
    assert [line for line in log if line.startswith("line ")] == lines
    assert sum(line.startswith("▶ build: started") for line in log) == 1
