"""The builds slice's rows and their rules: the only writer of its tables."""

import uuid
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.crypto import Sealer
from libs.common.database import Database, utcnow
from libs.common.jobs.kinds import JobRules
from services.builds.buildspec import BuildSpec
from services.builds.errors import RepositoryGone, UnknownRepository
from services.builds.forges import ForgeEvent
from services.builds.jobs import ReportStatus, RunBuild, RunWorkflow
from services.builds.models import Build, Repository
from services.builds.service import deliveries
from services.builds.service.accept import Acceptance, Verified
from services.builds.service.commit_statuses import tell_again
from services.builds.service.deliveries import Accepted, Ignored, Incoming
from services.builds.service.history import Reached, add_state, end_build, record_progress, retry_build
from services.builds.service.sealed import Vault
from services.builds.service.workflows import retry_workflow
from services.builds.settings import WebhookSettings
from services.builds.states import BuildStatus

__all__ = ["RULES", "Accepted", "Builds", "Ignored", "Incoming", "Reached", "end_build", "record_progress"]

RULES = (
    JobRules(RunBuild, on_end=end_build, on_retry=retry_build),
    JobRules(RunWorkflow, on_end=end_build, on_retry=retry_workflow),
    JobRules(ReportStatus, on_retry=tell_again),
)
"""What builds do when their jobs end or are retried, for every process."""


class Builds:
    """Deliveries as they come in, and builds as workers run them."""

    def __init__(self, database: Database, sealer: Sealer, settings: WebhookSettings) -> None:
        self._database = database
        self._acceptance = Acceptance(database, settings)
        self._vault = Vault(sealer)
        self._settings = settings

    # --- deliveries -------------------------------------------------------------------------------------------------

    async def webhook_secrets(self, forge: str, address: str) -> list[str]:
        """The secrets that prove a delivery to this address, newest first; empty when none is configured.

        Raises UnknownRepository for an address that nobody was given, and SecretsUnreadable.
        """
        if not address:
            return self._settings.secrets_of(forge)
        async with self._database.reading() as tx:
            query = select(Repository.uid, Repository.sealed_webhook_secrets).where(
                Repository.uid == address, Repository.forge == forge
            )
            row = (await tx.execute(query)).one_or_none()
        if row is None:
            raise UnknownRepository("No repository has this webhook address")
        now = utcnow()
        return [one.secret for one in self._vault.webhook_secrets(row) if one.is_valid(now)]

    async def refuse(self, incoming: Incoming, code: str, reason: str) -> None:
        """Keep what a delivery that proved nothing, or cannot be read, looked like; the newest 1,000 of them."""
        async with self._database.transaction() as tx:
            sent_to = select(Repository.id).where(Repository.uid == incoming.address)
            repository_id = await tx.scalar(sent_to) if incoming.address else None
            row = deliveries.row(incoming, "refused", code=code, reason=reason, repository_id=repository_id)
            await deliveries.keep(tx, [row])
            await deliveries.forget_old_refusals(tx)

    async def accept(self, incoming: Incoming, event: ForgeEvent, fingerprint: str) -> Accepted | Ignored:
        """Take a verified delivery: one transaction writes it down and, when it is to be built, build and job.

        The caller announces `job` after this returns. Two requests of one delivery at the same time make one build.
        """
        return await self._acceptance.take(Verified(incoming, event, fingerprint))

    # --- builds -----------------------------------------------------------------------------------------------------

    async def begin(self, tx: AsyncConnection, build_id: int, job_id: uuid.UUID, worker: str) -> tuple[str, BuildSpec]:
        """Mark a build as running and answer its executor and all that a provider needs (secrets included).

        Raises RepositoryGone when the repository was deleted while the build waited, and SecretsUnreadable.
        """
        build = (await tx.execute(select(Build.__table__).where(Build.id == build_id))).one()
        repository = await _repository_of(tx, build)
        if build.status != BuildStatus.IN_PROGRESS:
            now = utcnow()
            running: dict[str, Any] = {"status": BuildStatus.IN_PROGRESS.value, "updated_at": now}
            if build.started_at is None:
                running["started_at"] = now
            await tx.execute(update(Build).where(Build.id == build_id).values(running))
            await add_state(
                tx, build_id, job_id, BuildStatus.IN_PROGRESS, build.state_code, actor=worker, message="Build started"
            )
        credentials = self._vault.credentials(repository)
        spec = BuildSpec(
            job_id=str(job_id),
            build_id=str(build_id),
            repository=repository.full_name,
            clone_url=repository.clone_url,
            commit=build.commit_sha,
            event=build.event,
            branch=build.branch,
            tag=build.tag,
            changed_files=None if build.changed_files is None else tuple(build.changed_files),
            pipeline_path=repository.pipeline_path,
            env=repository.env or {},
            secrets=self._vault.secrets(repository),
            username=credentials.username,
            password=credentials.password,
            ssh_key=credentials.ssh_key,
            ssh_known_hosts=credentials.ssh_known_hosts,
        )
        return build.executor, spec


async def _repository_of(tx: AsyncConnection, build: Any) -> Any:
    found = await tx.execute(select(Repository.__table__).where(Repository.id == build.repository_id))
    repository = found.one_or_none()
    if repository is None:
        raise RepositoryGone("The repository of this build was deleted")
    return repository
