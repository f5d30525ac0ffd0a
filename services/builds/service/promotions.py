"""Putting builds into channels and taking them out again; what a channel then offers: channels.py."""

from sqlalchemy import and_, insert, select, update

from libs.common import audit
from libs.common.audit import Actor
from libs.common.database import Database, utcnow
from libs.common.http.principal import Principal
from services.builds.errors import NotPromotable, NotPromoted
from services.builds.models import Promotion
from services.builds.service.catalogue import Found, numbered_build
from services.builds.service.refs import build_to_change
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
            build = await build_to_change(tx, principal, ref)
            if build.status != BuildStatus.SUCCESS:
                raise NotPromotable(f"Only a successful build is promoted; this one is {build.status}")
            if None in (build.platform, build.os_version, build.image_type):
                raise NotPromotable("This build makes no image: it names no platform, OS version and image type")
            found = await numbered_build(tx, principal, build.id)
            if channel in found.channels:
                return found
            values = {"build_id": build.id, "channel": channel}
            values |= {"promoted_by": actor.name[:255], "promoted_at": utcnow()}
            await tx.execute(insert(Promotion).values(values))
            await audit.record(tx, actor, "build.promoted", ("build", build.uid), channel=channel)
            return await numbered_build(tx, principal, build.id)

    async def revoke(self, principal: Principal, actor: Actor, ref: str, channel: str) -> Found:
        """Let a channel offer this build no more; what was promoted before it is offered again.

        Raises UnknownBuild, SharedIsReadOnly and NotPromoted.
        """
        async with self._database.transaction() as tx:
            build = await build_to_change(tx, principal, ref)
            theirs = and_(Promotion.build_id == build.id, Promotion.channel == channel, Promotion.revoked_at.is_(None))
            if (await tx.scalar(select(Promotion.id).where(theirs).limit(1))) is None:
                raise NotPromoted(f"This build is not in the channel {channel}")
            revoked = {"revoked_by": actor.name[:255], "revoked_at": utcnow()}
            await tx.execute(update(Promotion).where(theirs).values(revoked))
            await audit.record(tx, actor, "build.revoked", ("build", build.uid), channel=channel)
            return await numbered_build(tx, principal, build.id)
