"""The builds slice's rows and their rules: the only writer of its tables."""

import uuid
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.crypto import Sealer
from libs.common.database import Database, utcnow
from libs.common.jobs.kinds import JobRules
from services.builds.buildspec import BuildSpec
from services.builds.errors import RepositoryExists, UnknownRepository
from services.builds.forges import ForgeEvent
from services.builds.jobs import RunBuild
from services.builds.models import Build, Repository
from services.builds.service import deliveries
from services.builds.service.accept import Acceptance, Verified
from services.builds.service.deliveries import Accepted, Ignored, Incoming
from services.builds.service.history import add_state, end_build, record_progress, retry_build
from services.builds.service.lookup import new_repository, one_at_a_time
from services.builds.settings import WebhookSettings
from services.builds.states import BuildStatus

__all__ = ["RULES", "Accepted", "Builds", "Ignored", "Incoming", "end_build", "record_progress"]

RULES = (JobRules(RunBuild, on_end=end_build, on_retry=retry_build),)
"""What builds do when their jobs end or are retried, for every process."""


class Builds:
    """Deliveries, repositories and builds."""

    def __init__(self, database: Database, sealer: Sealer, settings: WebhookSettings) -> None:
        self._database = database
        self._acceptance = Acceptance(database, settings)
        self._sealer = sealer
        self._settings = settings

    # --- deliveries -------------------------------------------------------------------------------------------------

    async def webhook_secrets(self, forge: str, address: str) -> list[str]:
        """The secrets that prove a delivery to this address, newest first; empty when none is configured.

        Raises UnknownRepository for an address that nobody was given.
        """
        if not address:
            return self._settings.secrets_of(forge)
        async with self._database.reading() as tx:
            query = select(Repository.sealed_webhook_secrets).where(
                Repository.uid == address, Repository.forge == forge
            )
            row = (await tx.execute(query)).one_or_none()
        if row is None:
            raise UnknownRepository("No repository has this webhook address")
        return self._open_list(row.sealed_webhook_secrets, f"webhook:{address}")

    async def refuse(self, incoming: Incoming, code: str, reason: str) -> None:
        """Keep what a delivery that proved nothing, or cannot be read, looked like; the newest 1,000 of them."""
        async with self._database.transaction() as tx:
            await deliveries.keep(tx, [deliveries.row(incoming, "refused", code=code, reason=reason)])
            await deliveries.forget_old_refusals(tx)

    async def accept(self, incoming: Incoming, event: ForgeEvent, fingerprint: str) -> Accepted | Ignored:
        """Take a verified delivery: one transaction writes it down and, when it is to be built, build and job.

        The caller announces `job` after this returns. Two requests of one delivery at the same time make one build.
        """
        return await self._acceptance.take(Verified(incoming, event, fingerprint))

    # --- repositories -----------------------------------------------------------------------------------------------

    async def register(
        self,
        forge: str,
        full_name: str,
        clone_url: str,
        *,
        owner: int | None = None,
        webhook_secrets: Sequence[str] = (),
    ) -> str:
        """Make a repository known; answers its uid, the end of its own address `/webhook/<forge>/<uid>`.

        `webhook_secrets` are those of that address, newest first; without any, it refuses all deliveries. Raises
        RepositoryExists when the owner has one of this name.
        """
        async with self._database.transaction() as tx:
            await one_at_a_time(tx, [f"{forge}:{full_name}"])
            if await _is_registered(tx, forge, full_name, owner):
                raise RepositoryExists(f"{full_name} on {forge} is registered already")
            values = new_repository(forge, full_name, clone_url, executor=self._settings.default_executor)
            uid: str = values["uid"]
            if webhook_secrets:
                values["sealed_webhook_secrets"] = self.seal(list(webhook_secrets), f"webhook:{uid}")
            await tx.execute(insert(Repository).values(values | {"owner": owner}))
        return uid

    # --- builds -----------------------------------------------------------------------------------------------------

    async def begin(self, tx: AsyncConnection, build_id: int, job_id: uuid.UUID, worker: str) -> tuple[str, BuildSpec]:
        """Mark a build as running and answer its executor and all that a provider needs (secrets included)."""
        build = (await tx.execute(select(Build.__table__).where(Build.id == build_id))).one()
        repository = (await tx.execute(select(Repository.__table__).where(Repository.id == build.repository_id))).one()
        if build.status != BuildStatus.IN_PROGRESS:
            now = utcnow()
            running: dict[str, Any] = {"status": BuildStatus.IN_PROGRESS.value, "updated_at": now}
            if build.started_at is None:
                running["started_at"] = now
            await tx.execute(update(Build).where(Build.id == build_id).values(running))
            await add_state(
                tx, build_id, job_id, BuildStatus.IN_PROGRESS, build.state_code, actor=worker, message="Build started"
            )
        credentials = self._open_object(repository.sealed_credentials, f"credentials:{repository.uid}")
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
            secrets=self._open_object(repository.sealed_secrets, f"secrets:{repository.uid}"),
            **credentials,
        )
        return build.executor, spec

    # --- sealed values ----------------------------------------------------------------------------------------------

    def seal(self, value: Any, purpose: str) -> bytes:
        """Seal a list or object of secrets for a repository's column; `purpose` is "<column>:<repository uid>"."""
        return self._sealer.seal(msgspec.json.encode(value), purpose)

    def _open_list(self, sealed: bytes | None, purpose: str) -> list[str]:
        return [] if sealed is None else msgspec.json.decode(self._sealer.open(sealed, purpose), type=list[str])

    def _open_object(self, sealed: bytes | None, purpose: str) -> dict[str, str]:
        return {} if sealed is None else msgspec.json.decode(self._sealer.open(sealed, purpose), type=dict[str, str])


async def _is_registered(tx: AsyncConnection, forge: str, full_name: str, owner: int | None) -> bool:
    same = (Repository.forge == forge) & (Repository.full_name == full_name)
    return bool(await tx.scalar(select(exists().where(same, Repository.owner.is_not_distinct_from(owner)))))
