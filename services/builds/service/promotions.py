"""Putting builds into channels and taking them out again; what a channel then offers: channels.py."""

from typing import Any

from sqlalchemy import and_, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common import audit
from libs.common.audit import Actor
from libs.common.database import Database, utcnow
from libs.common.http.principal import Principal
from services.builds.errors import NotPromotable, NotPromoted, SharedIsReadOnly
from services.builds.models import Promotion
from services.builds.service.catalogue import Found, builds_seen_by, visible_build
from services.builds.service.channels import channels_of
from services.builds.states import BuildStatus


class Promotions:
    """What people and pipelines do with channels.

    Everybody promotes builds of their own; shared ones are promoted by static keys, which make them, and by superusers.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def promote(self, principal: Principal, actor: Actor, ref: str, channel: str) -> Found:
        """Let a channel offer this build for its cell; a build that it offers already stays as it is.

        Raises UnknownBuild, SharedIsReadOnly, and NotPromotable for a build that is not good or makes no image.
        """
        async with self._database.transaction() as tx:
            build = await _changeable(tx, principal, ref)
            if build.status != BuildStatus.SUCCESS:
                raise NotPromotable(f"Only a successful build is promoted; this one is {build.status}")
            if None in (build.platform, build.os_version, build.image_type):
                raise NotPromotable("This build makes no image: it names no platform, OS version and image type")
            found = await _with_channels(tx, principal, build)
            if channel in found.channels:
                return found
            values = {"build_id": build.id, "channel": channel}
            values |= {"promoted_by": actor.name[:255], "promoted_at": utcnow()}
            await tx.execute(insert(Promotion).values(values))
            await audit.record(tx, actor, "build.promoted", ("build", build.uid), channel=channel)
            return await _with_channels(tx, principal, build)

    async def revoke(self, principal: Principal, actor: Actor, ref: str, channel: str) -> Found:
        """Let a channel offer this build no more; what was promoted before it is offered again.

        Raises UnknownBuild, SharedIsReadOnly and NotPromoted.
        """
        async with self._database.transaction() as tx:
            build = await _changeable(tx, principal, ref)
            theirs = and_(Promotion.build_id == build.id, Promotion.channel == channel, Promotion.revoked_at.is_(None))
            if (await tx.scalar(select(Promotion.id).where(theirs).limit(1))) is None:
                raise NotPromoted(f"This build is not in the channel {channel}")
            revoked = {"revoked_by": actor.name[:255], "revoked_at": utcnow()}
            await tx.execute(update(Promotion).where(theirs).values(revoked))
            await audit.record(tx, actor, "build.revoked", ("build", build.uid), channel=channel)
            return await _with_channels(tx, principal, build)


async def _changeable(tx: AsyncConnection, principal: Principal, ref: str) -> Any:
    """Read a build for a change by the caller; nobody else changes it before the commit."""
    build = await visible_build(tx, principal, ref, lock=True)
    if build.owner is None and principal.user_id is not None and not principal.is_superuser:
        raise SharedIsReadOnly("This build is shared: pipelines' static keys and superusers promote it")
    return build


async def _with_channels(tx: AsyncConnection, principal: Principal, build: Any) -> Found:
    offered = await channels_of(tx, [build.id], seen=builds_seen_by(principal))
    return Found(build, offered.get(build.id, []))
