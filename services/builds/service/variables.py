"""Values that pipelines keep with their builds, for a later run. Sensitive ones are sealed and shown to nobody."""

from typing import Any, Final

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common import audit
from libs.common.audit import Actor
from libs.common.crypto import Sealer
from libs.common.database import Database, utcnow
from libs.common.http.principal import Principal
from services.builds.errors import TooManyVariables, UnknownVariable
from services.builds.models import BuildVariable
from services.builds.schemas.reports import VARIABLES_MAX, NewVariable
from services.builds.service.catalogue import visible_build
from services.builds.service.refs import build_to_change

MASK: Final = "********"


class Variables:
    """Variables of builds, whatever state these are in. Raises UnknownBuild, and SharedIsReadOnly for changes."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def find(self, principal: Principal, ref: str) -> list[Any]:
        """List a build's variables by their keys; what is shown of each is `shown_value`."""
        async with self._database.reading() as tx:
            build = await visible_build(tx, principal, ref)
            return await _of_build(tx, build.id)

    async def set(self, principal: Principal, actor: Actor, ref: str, new: NewVariable) -> Any:
        """Give a variable a value, whether or not it has one; answers its row. Raises TooManyVariables."""
        async with self._database.transaction() as tx:
            build = await build_to_change(tx, principal, ref)  # locked: nobody else sets one of its variables now
            sealed = self._sealer.seal(new.value.encode(), purpose(build.uid, new.key)) if new.is_sensitive else None
            values = {
                "value": None if new.is_sensitive else new.value,
                "sealed_value": sealed,
                "state_code": build.state_code,
                "updated_at": utcnow(),
            }
            known = update(BuildVariable).where(BuildVariable.build_id == build.id, BuildVariable.key == new.key)
            row = (await tx.execute(known.values(values).returning(BuildVariable.__table__))).one_or_none()
            if row is None:
                count = select(func.count()).select_from(BuildVariable).where(BuildVariable.build_id == build.id)
                if (await tx.execute(count)).scalar_one() >= VARIABLES_MAX:
                    raise TooManyVariables(f"A build has {VARIABLES_MAX} variables at most")
                made = insert(BuildVariable).values(build_id=build.id, key=new.key, **values)
                row = (await tx.execute(made.returning(BuildVariable.__table__))).one()
            subject = ("build", build.uid)
            await audit.record(tx, actor, "build.variable_set", subject, key=new.key, sealed=new.is_sensitive)
        return row

    async def remove(self, principal: Principal, actor: Actor, ref: str, key: str) -> None:
        """Forget a variable. Raises UnknownVariable."""
        async with self._database.transaction() as tx:
            build = await build_to_change(tx, principal, ref)
            this = delete(BuildVariable).where(BuildVariable.build_id == build.id, BuildVariable.key == key)
            if (await tx.execute(this.returning(BuildVariable.id))).one_or_none() is None:
                raise UnknownVariable("This build has no variable of this name")
            await audit.record(tx, actor, "build.variable_removed", ("build", build.uid), key=key)


def purpose(build_uid: str, key: str) -> str:
    """What a sealed value is bound to: it can be moved neither to another build nor to another key."""
    return f"variable:{build_uid}:{key}"


def shown_value(row: Any) -> str:
    """The value of a variable's row, asterisks for a sealed one."""
    return MASK if row.value is None else str(row.value)


async def shown(tx: AsyncConnection, build_id: int) -> dict[str, str]:
    """A build's variables by key, secrets masked."""
    return {row.key: shown_value(row) for row in await _of_build(tx, build_id)}


async def _of_build(tx: AsyncConnection, build_id: int) -> list[Any]:
    query = select(BuildVariable.__table__).where(BuildVariable.build_id == build_id).order_by(BuildVariable.key)
    return list(await tx.execute(query))
