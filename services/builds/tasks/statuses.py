"""Telling a forge how a build of one of its commits is."""

from collections.abc import Mapping

from libs.common.errors import PermanentJobError
from libs.common.jobs.kinds import Done
from libs.common.worker.context import Context, Handler
from services.builds.errors import SecretsUnreadable
from services.builds.jobs import ReportStatus
from services.builds.providers.statuses import StatusPoster
from services.builds.service.commit_statuses import read_status
from services.builds.service.sealed import Vault


def handler(vault: Vault, posters: Mapping[str, StatusPoster], public_url: str | None) -> Handler:
    """The handler of ReportStatus; `posters` by the forge's name, `public_url` is where people reach Slipway."""

    async def report_status(job: ReportStatus, ctx: Context) -> Done:
        try:
            async with ctx.transaction() as tx:
                status = await read_status(tx, job.build_id, vault, public_url)
        except SecretsUnreadable as error:
            raise PermanentJobError(error.message, code=error.code) from error
        if status is None:
            return Done()
        await ctx.check()
        await posters[status.forge].post(status)
        return Done(result={"state": status.state.value, "context": status.context})

    return Handler(ReportStatus, report_status)
