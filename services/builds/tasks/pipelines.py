"""Queue in: what the builds worker does for each kind of job."""

from collections.abc import Mapping

from libs.common.errors import PermanentJobError, RetryableJobError
from libs.common.jobs.kinds import Cancelled, Done
from libs.common.worker.context import Context, Handler
from services.builds.errors import RepositoryGone, SecretsUnreadable
from services.builds.jobs import RunBuild
from services.builds.providers.base import BuildProvider, Outcome, OutcomeStatus
from services.builds.service import Builds, Reached, end_build, record_progress


def handlers(builds: Builds, providers: Mapping[str, BuildProvider]) -> list[Handler]:
    """The handlers of this slice; `providers` are those that this worker can use, by the executor's name."""

    async def run_build(job: RunBuild, ctx: Context) -> Done | Cancelled:
        job_id, worker = ctx.job.id, ctx.job.agent_id or "worker"
        try:
            async with ctx.transaction() as tx:
                executor, spec = await builds.begin(tx, job.build_id, job_id, worker)
        except RepositoryGone as error:
            return Cancelled(error.code, error.message)
        except SecretsUnreadable as error:
            raise PermanentJobError(error.message, code=error.code) from error
        provider = providers.get(executor)
        if provider is None:
            raise PermanentJobError(
                f"This worker has no provider {executor!r}: set LOCAL_PROVIDER=true to run pipelines on this machine",
                code="PROVIDER_OFF",
            )

        async def progress(*, stage: str | None = None, percent: int | None = None, commit: str | None = None) -> None:
            reached = Reached(stage=stage, percent=percent, commit=commit)
            await ctx.progress(
                stage=stage,
                percent=percent,
                commit=commit,
                also=lambda tx: record_progress(tx, job.build_id, job_id, worker, reached),
            )

        await ctx.check()
        return _answer(await provider.run(spec, log=ctx.log, progress=progress))

    return [Handler(RunBuild, run_build, on_end=end_build)]


def _answer(outcome: Outcome) -> Done | Cancelled:
    """Turn a run's end into the job's: raises JobError for a failure."""
    match outcome.status:
        case OutcomeStatus.SUCCESS:
            return Done(exit_code=0)
        case OutcomeStatus.CANCELLED:
            return Cancelled(outcome.code or "CANCELLED", outcome.message)
        case OutcomeStatus.FAILURE:
            error = RetryableJobError if outcome.retryable else PermanentJobError
            raise error(outcome.message, code=outcome.code or "BUILD_FAILED", exit_code=outcome.exit_code)
