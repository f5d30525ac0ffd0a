"""The runner: `python -m services.builds.runner`, started and fed by a worker (libs/common/supervisor.py).

Runs wherever python3, git and PyYAML's Python files are: it imports nothing of ours but the pipeline file's parser, the
supervisor and what they need.
"""

import errno
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from libs.common.supervisor import Cancelled, Command, Exit, Supervisor, WorkerLost
from services.builds.pipeline import MAX_BYTES, Event, Pipeline, PipelineError, Step, parse
from services.builds.runner.checkout import Checkout
from services.builds.runner.report import Ended, Lines, Report
from services.builds.runner.spec import RunSpec
from services.builds.runner.workplace import Workplace, workplace

LOST_EXIT_CODE = 75  # EX_TEMPFAIL of sysexits.h; nobody is there to read it but a log
PASSING = (
    errno.EAGAIN,
    errno.ENOMEM,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EMFILE,
    errno.ENFILE,
)  # there may be room later
LEAST_STEP_S = 0.001  # what a step gets when the run's time is used up: it is started and stopped


def main() -> int:
    """Run one pipeline; 0 when the end was reported, whatever it is."""
    os.umask(0o022)  # the run's user has to read what we write
    supervisor = Supervisor()
    try:
        spec = RunSpec.from_line(supervisor.first_line())
        supervisor.silence_s, supervisor.grace_s = spec.silence_s, spec.grace_s
        report = Report(supervisor, spec.output_max_bytes)
        try:
            with workplace(supervisor, Path(spec.work_folder), spec.uid_base) as place:
                report.end(Run(spec, supervisor, report, place).execute())
                supervisor.flush()  # before the folder is removed, which may take a while
        except Ended as ended:  # no place to run in
            report.end(ended)
            supervisor.flush()
    except WorkerLost as lost:
        sys.stderr.write(f"stopped: {lost}\n")
        return LOST_EXIT_CODE
    return 0


class Run:
    """One run: clone, read the pipeline, judge `when`, run the steps."""

    def __init__(self, spec: RunSpec, supervisor: Supervisor, report: Report, place: Workplace) -> None:
        self._spec = spec
        self._supervisor = supervisor
        self._report = report
        self._place = place
        self._started = time.monotonic()
        self._commit = spec.commit or ""

    def execute(self) -> Ended:
        """Do everything and return how it ended."""
        try:
            pipeline = self._clone()
            self._judge(pipeline)
            env = self._environment(pipeline)
            for index, step in enumerate(pipeline.steps, start=1):
                self._step(pipeline, index, step, env)
        except Ended as ended:
            return self._said(ended)
        except Cancelled:
            return self._said(Ended("cancelled", "CANCELLED", "the build was cancelled"))
        except OSError as error:  # no git, no space, no process to be had
            message = f"the runner could not go on: {error}"
            return self._said(Ended("failure", "RUNNER_ERROR", message, retryable=error.errno in PASSING))
        return Ended("success", exit_code=0)

    def _said(self, ended: Ended) -> Ended:
        say = self._report.info if ended.outcome == "cancelled" else self._report.error
        say(ended.message)
        return ended

    def _clone(self) -> Pipeline:
        self._report.info("::group::clone")
        try:
            checkout = Checkout(self._supervisor, self._report, self._place, self._spec)
            self._report.info(f"{self._spec.repository} at {self._spec.commit or self._spec.tag or self._spec.branch}")
            checkout.make()
            self._commit = checkout.commit
            checkout.forget_credentials()
            return self._read(checkout)
        finally:
            self._report.info("::endgroup::")

    def _read(self, checkout: Checkout) -> Pipeline:
        path = PurePosixPath(self._spec.pipeline_path)
        if path.is_absolute() or ".." in path.parts:
            raise Ended("failure", "PIPELINE_INVALID", f"{path}: expected a path inside the repository")
        text = checkout.read(str(path), MAX_BYTES)
        if text is None:
            message = f"{path}: there is no such file at {self._commit}; expected a pipeline with steps"
            raise Ended("failure", "PIPELINE_MISSING", message)
        try:
            return parse(text, str(path))
        except PipelineError as error:
            raise Ended("failure", "PIPELINE_INVALID", str(error)) from error

    def _judge(self, pipeline: Pipeline) -> None:
        event = Event(self._spec.event, self._spec.branch, self._spec.changed_files)
        reason = pipeline.when.mismatch(event)
        if reason is not None:
            raise Ended("cancelled", "SKIPPED", f"the pipeline does not run for this: {reason}")

    def _environment(self, pipeline: Pipeline) -> dict[str, str]:
        """Make the variables of the steps; what stands further down wins, and nothing comes from the worker's own."""
        missing = [name for name in pipeline.secrets if name not in self._spec.secrets]
        if missing:
            raise Ended("failure", "SECRET_MISSING", f"the repository has no secret {', '.join(missing)}")
        spec, place = self._spec, self._place
        return {
            "PATH": spec.path,
            "HOME": str(place.home),
            "TMPDIR": str(place.tmp),
            "LANG": "C.UTF-8",
            **spec.env,
            **pipeline.env,
            **{name: spec.secrets[name] for name in pipeline.secrets},
            "CI": "true",
            "SLIPWAY_BUILD_ID": spec.build_id,
            "SLIPWAY_JOB_ID": spec.job_id,
            "SLIPWAY_REPOSITORY": spec.repository,
            "SLIPWAY_BRANCH": spec.branch or "",
            "SLIPWAY_TAG": spec.tag or "",
            "SLIPWAY_COMMIT": self._commit,
            "SLIPWAY_EVENT": spec.event,
        }

    def _step(self, pipeline: Pipeline, index: int, step: Step, env: dict[str, str]) -> None:
        """Run one step. Raises Ended when the run is not to go on after it."""
        count = len(pipeline.steps)
        run_left_s = pipeline.timeout_s - (time.monotonic() - self._started)
        timeout_s = max(min(step.timeout_s, run_left_s), LEAST_STEP_S)
        script = self._place.write(f"{index}.sh", step.run)
        self._report.step(step.name, "started", index=index, count=count)
        self._report.info(f"::group::{step.name}")
        lines = Lines(self._report)
        try:
            exit_ = self._sh(script, env, timeout_s, lines)
        except Cancelled:
            lines.close()
            self._report.info("::endgroup::")
            raise
        lines.close()
        run_over = exit_.timed_out and run_left_s <= step.timeout_s
        failed = exit_.timed_out or exit_.code != 0
        say = self._report.error if failed else self._report.info
        if exit_.timed_out:
            over = f"the run's {pipeline.timeout_s} s are" if run_over else f"its {step.timeout_s} s are"
            say(f"stopped: {over} over")
        say(f"exit code {exit_.code} after {exit_.duration_s:.1f} s")
        self._report.info("::endgroup::")
        passed = not failed or (step.allow_failure and not run_over)
        self._report.step(
            step.name, "finished", index=index, count=count, exit_code=exit_.code,
            duration_s=round(exit_.duration_s, 3), progress=step.state if passed else None,
        )  # fmt: skip
        if run_over:
            message = f"the run took longer than {pipeline.timeout_s} s; step {step.name} was stopped"
            raise Ended("failure", "RUN_TIMEOUT", message, exit_.code)
        if failed and step.allow_failure:
            self._report.info(f"step {step.name} is allowed to fail")
        elif exit_.timed_out:
            message = f"step {step.name} took longer than {step.timeout_s} s"
            raise Ended("failure", "STEP_TIMEOUT", message, exit_.code)
        elif failed:
            raise Ended("failure", "STEP_FAILED", f"step {step.name} failed with exit code {exit_.code}", exit_.code)

    def _sh(self, script: Path, env: dict[str, str], timeout_s: float, lines: Lines) -> Exit:
        argv: Sequence[str] = ("sh", "-e", str(script))
        return self._supervisor.run(Command(argv, self._place.source, env, timeout_s, self._spec.limits), lines.feed)


if __name__ == "__main__":
    sys.exit(main())
