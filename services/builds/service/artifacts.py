"""What stages of builds left behind in their pipelines' own stores. Slipway keeps where it is, not the thing."""

from typing import Any

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common import audit
from libs.common.audit import Actor
from libs.common.database import Database, utcnow
from libs.common.http.principal import Principal
from services.builds.errors import TooManyArtifacts, UnknownArtifact
from services.builds.models import BuildArtifact
from services.builds.schemas.reports import ARTIFACTS_MAX, NewArtifact
from services.builds.service.catalogue import visible_build
from services.builds.service.refs import build_to_change


class Artifacts:
    """Artifacts of builds, whatever state these are in. Raises UnknownBuild, and SharedIsReadOnly for changes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, principal: Principal, ref: str) -> list[Any]:
        """List a build's artifacts, newest first."""
        async with self._database.reading() as tx:
            build = await visible_build(tx, principal, ref)
            query = select(BuildArtifact.__table__).where(*_there(build.id)).order_by(BuildArtifact.id.desc())
            return list(await tx.execute(query))

    async def add(self, principal: Principal, actor: Actor, ref: str, new: NewArtifact) -> tuple[Any, Any]:
        """Note an artifact; answers the build's and its row. Raises TooManyArtifacts."""
        async with self._database.transaction() as tx:
            build = await build_to_change(tx, principal, ref)
            count = select(func.count()).select_from(BuildArtifact).where(*_there(build.id))
            if (await tx.execute(count)).scalar_one() >= ARTIFACTS_MAX:
                raise TooManyArtifacts(f"A build has {ARTIFACTS_MAX} artifacts at most; delete one of them first")
            values = {
                "build_id": build.id,
                "state_code": build.state_code if new.state_code is None else new.state_code,
                "name": new.artifact_name,
                "type": new.type,
                "path": new.path,
                "storage_backend": new.storage_backend,
                "checksum": new.checksum and new.checksum.lower(),
                "size_bytes": new.size_bytes,
                "is_resumable": new.is_resumable,
                "is_final": new.is_final,
                "expires_at": new.expires_at,
                "created_at": utcnow(),
            }
            added = await tx.execute(insert(BuildArtifact).values(values).returning(BuildArtifact.__table__))
            row = added.one()
            subject = ("build", build.uid)
            await audit.record(tx, actor, "build.artifact_added", subject, artifact=row.id, name=row.name)
        return build, row

    async def remove(self, principal: Principal, actor: Actor, ref: str, artifact_id: int) -> None:
        """Do not offer an artifact any more; what it names is its owner's to delete. Raises UnknownArtifact."""
        async with self._database.transaction() as tx:
            build = await build_to_change(tx, principal, ref)
            this = update(BuildArtifact).where(BuildArtifact.id == artifact_id, *_there(build.id))
            gone = await tx.execute(this.values(deleted_at=utcnow()).returning(BuildArtifact.name))
            name = gone.scalar_one_or_none()
            if name is None:
                raise UnknownArtifact("This build has no artifact of this id")
            subject = ("build", build.uid)
            await audit.record(tx, actor, "build.artifact_removed", subject, artifact=artifact_id, name=name)


async def resumable(tx: AsyncConnection, build_id: int) -> list[Any]:
    """The artifacts that a later run can go on from, newest first."""
    lasts = or_(BuildArtifact.expires_at.is_(None), BuildArtifact.expires_at > utcnow())
    query = select(BuildArtifact.__table__).where(*_there(build_id), BuildArtifact.is_resumable, lasts)
    return list(await tx.execute(query.order_by(BuildArtifact.id.desc())))


def _there(build_id: int) -> tuple[Any, Any]:
    return BuildArtifact.build_id == build_id, BuildArtifact.deleted_at.is_(None)
