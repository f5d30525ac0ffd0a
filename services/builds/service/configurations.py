"""Configurations: recipes that people keep under a name, with every version that they saved.

A save makes a new version and keeps the old one; a save that changes nothing makes none. Who saves locks the name and
then the row, everybody in this order, so that two who save at once get two versions, one after the other, and neither
waits for ever.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from sqlalchemy import Select, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common import audit
from libs.common.audit import Actor
from libs.common.database import Database, utcnow
from libs.common.http.errors import Detail, invalid
from libs.common.http.preconditions import Seen
from libs.common.http.principal import Principal
from services.builds.errors import (
    ConfigurationExists,
    InvalidConfiguration,
    SharedIsReadOnly,
    UnknownConfiguration,
    UnknownVersion,
)
from services.builds.models import Configuration, ConfigurationVersion
from services.builds.schemas.configurations import Difference, FieldChange, NewConfiguration
from services.builds.service.lookup import one_at_a_time
from services.builds.service.recipes import Recipes
from services.builds.service.visible import visible_to

VERSIONS_KEPT: Final = 200
"""Of each configuration, the newest: some years of weekly changes. More would let a script fill the disk by itself."""

# All that a page answers at once, so that a hundred recipes of a megabyte do not stand in memory for each reader. A
# page of a hundred real ones has under one.
_PAGE_MAX_CHARS: Final = 4 * 1024 * 1024
# What a person may set; the columns of both tables.
_FIELDS: Final = NewConfiguration.__struct_fields__


class Configurations:
    """What people do with configurations.

    Everybody sees their own and shared ones (owner None); all others raise UnknownConfiguration, as if there were none.
    Shared ones are changed by those who make them, static keys, and by superusers: SharedIsReadOnly. Each change is one
    transaction with its audit entry.
    """

    def __init__(self, database: Database, recipes: Recipes) -> None:
        self._database = database
        self._recipes = recipes

    # --- reading ----------------------------------------------------------------------------------------------------

    async def find(self, principal: Principal, *, limit: int, offset: int) -> tuple[list[Any], int]:
        """List what the caller sees, the last saved first, with the number of all.

        Raises Invalid when the recipes of the page are too long together.
        """
        theirs = visible_to(principal, Configuration.owner)
        order = (Configuration.updated_at.desc(), Configuration.id.desc())
        lengths = select(func.length(Configuration.yaml_content)).where(theirs).order_by(*order)
        rows = select(Configuration.__table__).where(theirs).order_by(*order)
        async with self._database.reading() as tx:
            total = (await tx.execute(select(func.count()).select_from(Configuration).where(theirs))).scalar_one()
            if sum(await tx.scalars(lengths.limit(limit).offset(offset))) > _PAGE_MAX_CHARS:
                raise invalid([Detail(["query", "page_size"], "These recipes are long; ask for fewer", "value_error")])
            return list((await tx.execute(rows.limit(limit).offset(offset))).all()), total

    async def get(self, principal: Principal, config_id: int) -> Any:
        async with self._database.reading() as tx:
            return await _visible(tx, principal, config_id)

    async def versions(self, principal: Principal, config_id: int, *, limit: int, offset: int) -> tuple[list[Any], int]:
        """List the versions that are kept without their recipes, newest first, with the number of all."""
        table = ConfigurationVersion
        shown = select(table.version, table.name, table.actor, table.created_at, table.rolled_back_to)
        of_it = table.configuration_id == config_id
        async with self._database.reading() as tx:
            await _visible(tx, principal, config_id)
            total = (await tx.execute(select(func.count()).select_from(table).where(of_it))).scalar_one()
            rows = await tx.execute(shown.where(of_it).order_by(table.version.desc()).limit(limit).offset(offset))
            return list(rows.all()), total

    async def version(self, principal: Principal, config_id: int, version: int) -> tuple[Any, Any]:
        """Read a configuration and one of its versions. Raises UnknownVersion."""
        async with self._database.reading() as tx:
            row = await _visible(tx, principal, config_id)
            return row, await _version(tx, row, version)

    async def compare(self, principal: Principal, config_id: int, before: int | None, after: int | None) -> Difference:
        """Tell what changed between two versions. Raises UnknownVersion.

        `after` None is the newest, `before` None the one before `after`; the first is compared with itself.
        """
        async with self._database.reading() as tx:
            row = await _visible(tx, principal, config_id)
            new = await _version(tx, row, row.version if after is None else after)
            old = await _version(tx, row, max(1, new.version - 1) if before is None else before)
        names = [f"{one.name}, version {one.version}" for one in (old, new)]
        diff = await self._recipes.difference(old.yaml_content, new.yaml_content, *names)
        fields = [
            FieldChange(name, getattr(old, name), getattr(new, name))
            for name in _FIELDS
            if name != "yaml_content" and getattr(old, name) != getattr(new, name)
        ]
        return Difference(old.version, new.version, diff, fields)

    # --- changing ---------------------------------------------------------------------------------------------------

    async def create(self, principal: Principal, actor: Actor, new: NewConfiguration) -> Any:
        """Save a recipe under a new name. Raises InvalidConfiguration and ConfigurationExists."""
        await self._check(new)
        async with self._database.transaction() as tx:
            await _lock_name(tx, new.name)
            await _refuse_taken(tx, principal.user_id, new.name)
            return await _create(tx, principal, actor, new)

    async def replace(
        self, principal: Principal, actor: Actor, config_id: int, new: NewConfiguration, seen: Seen | None
    ) -> Any:
        """Save a configuration anew, whole; `seen` None: whatever it is by now.

        Raises InvalidConfiguration, ConfigurationExists when the new name is taken, and PreconditionFailed.
        """
        await self._check(new)
        async with self._database.transaction() as tx:
            await _lock_name(tx, new.name)
            row = await _changeable(tx, principal, config_id, seen)
            return await _save(tx, actor, row, msgspec.structs.asdict(new))

    async def upsert(self, principal: Principal, actor: Actor, new: NewConfiguration) -> Any:
        """Save under a name of the caller's, new or not. Raises InvalidConfiguration."""
        await self._check(new)
        async with self._database.transaction() as tx:
            await _lock_name(tx, new.name)
            # Who gives the name up at this moment is waited for, and then found no more.
            row = (await tx.execute(_named(principal.user_id, new.name).with_for_update())).one_or_none()
            if row is None:
                return await _create(tx, principal, actor, new)
            return await _save(tx, actor, row, msgspec.structs.asdict(new))

    async def roll_back(
        self, principal: Principal, actor: Actor, config_id: int, version: int, seen: Seen | None
    ) -> Any:
        """Save an earlier version again, name and all.

        Raises UnknownVersion, ConfigurationExists when its name is taken by now, and PreconditionFailed.
        """
        async with self._database.transaction() as tx:
            old = await _version(tx, await _visible(tx, principal, config_id), version)
            await _lock_name(tx, old.name)
            row = await _changeable(tx, principal, config_id, seen)
            return await _save(tx, actor, row, {name: getattr(old, name) for name in _FIELDS}, rolled_back_to=version)

    async def remove(self, principal: Principal, actor: Actor, config_id: int, seen: Seen | None) -> None:
        """Delete a configuration and its versions; builds that were made of it stay. Raises PreconditionFailed."""
        async with self._database.transaction() as tx:
            row = await _changeable(tx, principal, config_id, seen)
            await tx.execute(delete(Configuration).where(Configuration.id == row.id))
            await _record(tx, actor, "configuration.deleted", row)

    async def _check(self, new: NewConfiguration) -> None:
        """Raise InvalidConfiguration for a recipe that cannot be used."""
        found = await self._recipes.validate(new.yaml_content)
        if not found.valid:
            message = f"Invalid YAML configuration: {', '.join(found.errors)}"
            raise InvalidConfiguration(message, details=msgspec.to_builtins(found.problems))


async def _visible(tx: AsyncConnection, principal: Principal, config_id: int, *, lock: bool = False) -> Any:
    query = select(Configuration.__table__).where(
        Configuration.id == config_id, visible_to(principal, Configuration.owner)
    )
    row = (await tx.execute(query.with_for_update() if lock else query)).one_or_none()
    if row is None:
        raise UnknownConfiguration(f"Configuration {config_id} not found")
    return row


async def _changeable(tx: AsyncConnection, principal: Principal, config_id: int, seen: Seen | None) -> Any:
    """Read a configuration for a change by the caller; nobody else changes it before the commit."""
    row = await _visible(tx, principal, config_id, lock=True)
    if row.owner is None and principal.user_id is not None and not principal.is_superuser:
        raise SharedIsReadOnly("This configuration is shared: static API keys and superusers change it")
    if seen is not None:
        seen.check(row.version)
    return row


async def _version(tx: AsyncConnection, row: Any, version: int) -> Any:
    found = None
    if 0 < version <= row.version:  # any other number need not fit into the column
        of_it = ConfigurationVersion.configuration_id == row.id
        query = select(ConfigurationVersion.__table__).where(of_it, ConfigurationVersion.version == version)
        found = (await tx.execute(query)).one_or_none()
    if found is None:
        raise UnknownVersion(f"Configuration {row.id} has no version {version}; the newest {VERSIONS_KEPT} are kept")
    return found


async def _lock_name(tx: AsyncConnection, name: str) -> None:
    """Let nobody else take this name before the commit; always before a row is locked."""
    await one_at_a_time(tx, [f"configuration:{name}"])


def _named(owner: int | None, name: str) -> Select[Any]:
    """Ask for the owner's configuration of this name. The index cannot: to it, NULL owners are all different."""
    is_owners = Configuration.owner.is_(None) if owner is None else Configuration.owner == owner
    return select(Configuration.__table__).where(is_owners, Configuration.name == name)


async def _refuse_taken(tx: AsyncConnection, owner: int | None, name: str) -> None:
    """Raise ConfigurationExists when the owner has a configuration of this name, which is locked."""
    if (await tx.execute(_named(owner, name))).first() is not None:
        raise ConfigurationExists(f"Configuration '{name}' already exists")


async def _create(tx: AsyncConnection, principal: Principal, actor: Actor, new: NewConfiguration) -> Any:
    now = utcnow()
    values = msgspec.structs.asdict(new) | {"owner": principal.user_id, "version": 1}
    values |= {"created_at": now, "updated_at": now}
    row = (await tx.execute(insert(Configuration).values(values).returning(Configuration.__table__))).one()
    await _keep(tx, actor, row, None)
    await _record(tx, actor, "configuration.created", row)
    return row


async def _save(
    tx: AsyncConnection, actor: Actor, row: Any, fields: Mapping[str, Any], *, rolled_back_to: int | None = None
) -> Any:
    """Make a locked row's next version, if anything differs; its name is locked too."""
    changed = {name: value for name, value in fields.items() if value != getattr(row, name)}
    if not changed:
        return row
    if "name" in changed:
        await _refuse_taken(tx, row.owner, changed["name"])
    values = changed | {"version": row.version + 1, "updated_at": utcnow()}
    statement = update(Configuration).where(Configuration.id == row.id).values(values)
    row = (await tx.execute(statement.returning(Configuration.__table__))).one()
    await _keep(tx, actor, row, rolled_back_to)
    details = {} if rolled_back_to is None else {"rolled_back_to": rolled_back_to}
    await _record(tx, actor, "configuration.updated", row, version=row.version, changed=sorted(changed), **details)
    return row


async def _keep(tx: AsyncConnection, actor: Actor, row: Any, rolled_back_to: int | None) -> None:
    """Write down the row's version, and forget the oldest when there are too many."""
    values = {name: getattr(row, name) for name in _FIELDS} | {"configuration_id": row.id, "version": row.version}
    values |= {"actor": actor.name, "rolled_back_to": rolled_back_to, "created_at": row.updated_at}
    await tx.execute(insert(ConfigurationVersion).values(values))
    if row.version > VERSIONS_KEPT:
        of_it = ConfigurationVersion.configuration_id == row.id
        old = ConfigurationVersion.version <= row.version - VERSIONS_KEPT
        await tx.execute(delete(ConfigurationVersion).where(of_it, old))


async def _record(tx: AsyncConnection, actor: Actor, action: str, row: Any, **details: Any) -> None:
    await audit.record(tx, actor, action, ("configuration", str(row.id)), name=row.name, **details)
