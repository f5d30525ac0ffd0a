"""The `local` build provider: pipelines run on the worker's own machine, by the runner, as supervised child processes.

It trusts the repositories that it builds. Under root each build has a user id of its own. Without root a build has the
worker's: it cannot read the worker's memory or environment (the worker marks itself undumpable), but it reaches that
user's files, can signal that user's processes and sees other builds of the same worker.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from libs.common import processes
from libs.common.children import Child, Children
from libs.common.supervisor import Limits
from services.builds.buildspec import BuildSpec
from services.builds.providers.base import LogSink, Outcome, OutcomeStatus, Progress
from services.builds.runner.spec import Credentials, RunSpec
from services.builds.settings import MB, LocalRunnerSettings

ROOT = Path(__file__).parents[3]  # where `services` and `libs` are imported from
AFTER_GRACE_S = 5.0  # a cancelled run reports its end this long after its steps' grace at the latest


class LocalProvider:
    """Starts one runner per build. `silence_s` and `grace_s`: see libs/common/supervisor.py."""

    name: ClassVar[str] = "local"

    def __init__(
        self, settings: LocalRunnerSettings, children: Children, *, silence_s: float = 8.0, grace_s: float = 10.0
    ) -> None:
        self._settings = settings
        self._children = children
        self._silence_s = silence_s
        self._grace_s = grace_s
        processes.hide_from_same_user()

    async def run(self, build: BuildSpec, *, log: LogSink, progress: Progress) -> Outcome:
        """Run the build; see BuildProvider.run."""
        log.add_secrets([secret for secret in _secrets_of(build) if secret])
        argv = [sys.executable, "-P", "-B", "-X", "utf8", "-m", "services.builds.runner"]
        env = {"PATH": os.defpath, "PYTHONPATH": str(ROOT)}
        line = self._spec(build).to_line()
        async with self._children.start(argv, first_line=line, env=env, cwd=ROOT, lease=build.job_id) as child:
            try:
                return await self._follow(child, log, progress)
            except asyncio.CancelledError:
                child.cancel()
                # The log is to show how it stopped; the outcome is the caller's: the task is being cancelled.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._grace_s + AFTER_GRACE_S):
                        await self._follow(child, log, progress)
                raise

    async def _follow(self, child: Child, log: LogSink, progress: Progress) -> Outcome:
        """Turn frames into log, progress and, with the last one, the outcome."""
        async for line in child.frames():
            frame: dict[str, Any] = json.loads(line)
            match frame["type"]:
                case "log":
                    await log.write(frame["text"], frame["level"])
                case "commit":
                    await progress(commit=frame["sha"])
                case "step" if frame["state"] == "started":
                    await progress(stage=frame["name"])
                case "step" if frame["progress"] is not None:
                    await progress(percent=frame["progress"])
                case "end":
                    return Outcome(
                        status=OutcomeStatus(frame["outcome"]),
                        code=frame["code"],
                        message=frame["message"],
                        exit_code=frame["exit_code"],
                        retryable=frame["retryable"],
                    )
        code = await child.wait()
        message = f"the runner ended with code {code} before the build did"
        await log.write(f"{message}\n{child.errors}".strip(), "error")
        return Outcome(status=OutcomeStatus.FAILURE, code="RUNNER_LOST", message=message, retryable=True)

    def _spec(self, build: BuildSpec) -> RunSpec:
        settings = self._settings
        return RunSpec(
            job_id=build.job_id,
            build_id=build.build_id,
            repository=build.repository,
            clone_url=build.clone_url,
            commit=build.commit,
            event=build.event,
            work_folder=str(settings.work_folder or f"/var/tmp/slipway-builds-{os.getuid()}"),  # noqa: S108  # runner checks it
            branch=build.branch,
            tag=build.tag,
            changed_files=build.changed_files,
            pipeline_path=build.pipeline_path,
            env=build.env,
            secrets=build.secrets,
            credentials=Credentials(build.username, build.password, build.ssh_key, build.ssh_known_hosts),
            allow_insecure_clone=settings.allow_insecure_clone,
            path=settings.path,
            uid_base=settings.uid_base,
            limits=Limits(
                cpu_s=settings.cpu_s,
                memory_bytes=settings.memory_mb * MB,
                processes=settings.processes,
                file_bytes=settings.file_mb * MB,
                open_files=settings.open_files,
            ),
            clone_timeout_s=settings.clone_timeout_s,
            silence_s=self._silence_s,
            grace_s=self._grace_s,
        )


def _secrets_of(build: BuildSpec) -> Iterator[str]:
    yield from build.secrets.values()
    yield build.password
    if "://" in build.clone_url:
        yield unquote(urlsplit(build.clone_url).password or "")
    for line in build.ssh_key.splitlines():  # a log would show it line by line
        if not line.startswith("-----"):
            yield line
