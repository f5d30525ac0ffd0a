"""What tests of the local provider need: a log and a progress to look at, a folder builds can work in, a heartbeat."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from libs.common.children import Children
from services.builds.buildspec import BuildSpec
from services.builds.providers.base import Level, Outcome
from services.builds.providers.local import LocalProvider
from services.builds.settings import LocalRunnerSettings
from tests.builds.repositories import Repository
from tests.common.alive import beating


class Log:
    """A job log that keeps what was written. `lines` holds (level, line)."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.secrets: list[str] = []

    async def write(self, text: str, level: Level = "stdout") -> None:
        self.lines += [(level, line) for line in text.split("\n")]

    def add_secrets(self, values: Iterable[str]) -> None:
        self.secrets += values

    def text(self, *levels: str) -> str:
        """Return the lines of these levels (none: of all), joined."""
        return "\n".join(line for level, line in self.lines if not levels or level in levels)


class Progress:
    """Keeps what was reported, in order: names of stages, percents and commits."""

    def __init__(self) -> None:
        self.reports: list[str | int] = []

    async def __call__(
        self, *, stage: str | None = None, percent: int | None = None, commit: str | None = None
    ) -> None:
        self.reports += [report for report in (stage, percent, commit) if report is not None]


@contextmanager
def open_folder() -> Iterator[Path]:
    """Make a folder that builds of another user may enter (pytest's tmp_path is closed to others)."""
    folder = Path(tempfile.mkdtemp(prefix="slipway-test-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


class Ground:
    """A folder of repositories below an address, and a provider that builds them."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.log = Log()
        self.progress = Progress()
        self.children = Children()
        self.job_id = uuid4().hex  # its processes are looked for on the whole machine

    def repository(self, pipeline: str | None, name: str = "hello") -> tuple[Repository, str]:
        """Make a repository with this pipeline file; returns it and its head."""
        repository = Repository.make(self.folder / "repositories", name)
        return repository, repository.commit({".slipway.yml": pipeline} if pipeline is not None else {"a": "b"})

    def spec(self, commit: str | None, **other: Any) -> BuildSpec:
        """Return a build of the repository hello, with what differs from the ordinary."""
        fields: dict[str, Any] = {
            "job_id": self.job_id, "build_id": "build-1", "repository": "ada/hello", "clone_url": f"{self.url}/hello",
            "commit": commit, "event": "push", "branch": "main",
        }  # fmt: skip
        return BuildSpec(**fields | other)

    def provider(self, *, silence_s: float = 8.0, grace_s: float = 2.0, **settings: Any) -> LocalProvider:
        """Return a provider with what differs from the default settings."""
        given = {"allow_insecure_clone": True, "work_folder": self.folder / "work", **settings}
        return LocalProvider(
            LocalRunnerSettings(enabled=True, **given), self.children, silence_s=silence_s, grace_s=grace_s
        )

    async def build(self, spec: BuildSpec, provider: LocalProvider | None = None) -> Outcome:
        """Run one build with a heartbeat."""
        async with beating(self.children):
            return await (provider or self.provider()).run(spec, log=self.log, progress=self.progress)

    async def pipeline(self, text: str | None, provider: LocalProvider | None = None, /, **other: Any) -> Outcome:
        """Build a new repository with this pipeline file."""
        _, commit = self.repository(text)
        return await self.build(self.spec(commit, **other), provider)

    def work(self) -> list[str]:
        """Return the names of the work folders that are there."""
        work = self.folder / "work"
        return [path.name for path in work.iterdir()] if work.exists() else []
