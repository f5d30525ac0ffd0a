"""Channels: which build they offer for a cell of the matrix, and who may change that."""

import pytest
from sqlalchemy import select, update

from libs.common.audit.models import AuditEntry
from libs.common.database import Database
from libs.common.http.principal import Principal
from services.builds.errors import NotPromotable, NotPromoted, SharedIsReadOnly, UnknownBuild
from services.builds.models import Build
from services.builds.service.catalogue import BuildFilter, Catalogue
from services.builds.service.promotions import Promotions
from tests.images.conftest import ADA, BOB, PIPELINE, ROOT, acting
from tests.images.stored import CELL, store_build

pytestmark = pytest.mark.databases("sqlite", "postgresql")


async def offered(database: Database, principal: Principal) -> dict[str, list[str]]:
    """The channels of all builds that have some, by uid."""
    found, _ = await Catalogue(database).find(principal, BuildFilter(), limit=100, offset=0)
    return {one.row.uid: one.channels for one in found if one.channels}


async def test_the_newest_promotion_wins_and_a_revocation_falls_back(stored: Database) -> None:
    """A channel offers what was promoted last; revoked, it offers what was promoted before; each cell for itself."""
    promotions, acting_ada = Promotions(stored), acting(ADA)
    first, second, elsewhere = [
        (await store_build(stored, owner=1, **cell))[1] for cell in (CELL, CELL, CELL | {"platform": "azure"})
    ]
    for uid in (first, elsewhere, second):
        made = await promotions.promote(ADA, acting_ada, uid, "stable")
        assert made.channels == ["stable"]
    await promotions.promote(ADA, acting_ada, first, "testing")
    assert await offered(stored, ADA) == {first: ["testing"], second: ["stable"], elsewhere: ["stable"]}

    await promotions.promote(ADA, acting_ada, first, "stable")  # an older build again
    assert await offered(stored, ADA) == {first: ["stable", "testing"], elsewhere: ["stable"]}
    left = await promotions.revoke(ADA, acting_ada, first, "stable")
    assert left.channels == ["testing"]
    assert await offered(stored, ADA) == {first: ["testing"], second: ["stable"], elsewhere: ["stable"]}
    await promotions.revoke(ADA, acting_ada, second, "stable")
    with pytest.raises(NotPromoted):
        await promotions.revoke(ADA, acting_ada, second, "stable")
    assert await offered(stored, ADA) == {first: ["testing"], elsewhere: ["stable"]}


async def test_what_is_offered_already_is_promoted_once(stored: Database) -> None:
    """Promoting twice leaves one promotion and one entry in the audit log."""
    promotions = Promotions(stored)
    _, uid = await store_build(stored, owner=1, **CELL)
    for _ in range(2):
        assert (await promotions.promote(ADA, acting(ADA), uid, "stable")).channels == ["stable"]
    await promotions.revoke(ADA, acting(ADA), uid, "stable")
    async with stored.reading() as tx:
        entries = await tx.execute(select(AuditEntry.action, AuditEntry.subject_id).order_by(AuditEntry.id))
        assert [tuple(entry) for entry in entries] == [("build.promoted", uid), ("build.revoked", uid)]


async def test_a_build_that_is_not_good_any_more_is_passed_over(stored: Database) -> None:
    """A promoted build that runs again is not offered until it is good again; the one before is."""
    promotions = Promotions(stored)
    (_, first), (number, second) = [await store_build(stored, owner=1, **CELL) for _ in range(2)]
    for uid in (first, second):
        await promotions.promote(ADA, acting(ADA), uid, "stable")
    for status, expected in (("pending", first), ("success", second)):
        async with stored.transaction() as tx:
            await tx.execute(update(Build).where(Build.id == number).values(status=status))
        assert await offered(stored, ADA) == {expected: ["stable"]}


async def test_everybody_sees_what_is_offered_among_their_builds(stored: Database) -> None:
    """A private promotion changes nothing for others; shared ones count for all who have no newer one."""
    promotions = Promotions(stored)
    _, shared = await store_build(stored, owner=None, **CELL)
    _, private = await store_build(stored, owner=1, **CELL)
    await promotions.promote(PIPELINE, acting(PIPELINE), shared, "stable")
    await promotions.promote(ADA, acting(ADA), private, "stable")
    assert await offered(stored, ADA) == {private: ["stable"]}
    assert await offered(stored, BOB) == await offered(stored, PIPELINE) == {shared: ["stable"]}
    assert await offered(stored, ROOT) == {private: ["stable"]}


async def test_who_may_promote(stored: Database) -> None:
    """One's own builds; shared ones are promoted by keys that belong to nobody and by superusers."""
    promotions = Promotions(stored)
    _, shared = await store_build(stored, owner=None, **CELL)
    _, private = await store_build(stored, owner=1, **CELL)
    with pytest.raises(SharedIsReadOnly):
        await promotions.promote(ADA, acting(ADA), shared, "stable")
    with pytest.raises(UnknownBuild):
        await promotions.promote(BOB, acting(BOB), private, "stable")
    assert (await promotions.promote(ROOT, acting(ROOT), private, "stable")).channels == ["stable"]
    assert (await promotions.promote(ROOT, acting(ROOT), shared, "testing")).channels == ["testing"]


async def test_what_cannot_be_promoted(stored: Database) -> None:
    """A build that was not successful, or that makes no image, is in no channel."""
    promotions = Promotions(stored)
    _, failed = await store_build(stored, owner=1, status="failure", **CELL)
    _, no_image = await store_build(stored, owner=1)
    for uid in (failed, no_image):
        with pytest.raises(NotPromotable):
            await promotions.promote(ADA, acting(ADA), uid, "stable")
