"""Builds that ended long ago are forgotten, but for those that somebody needs."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from libs.common.database import Database, utcnow
from services.builds.models import Build, BuildState
from services.builds.service.promotions import Promotions
from services.gateway.retention import Retention
from tests.images.conftest import ADA, acting
from tests.images.stored import CELL, store_build

OLD = utcnow() - timedelta(days=91)


@pytest.mark.databases("sqlite", "postgresql")
async def test_what_is_forgotten_and_what_stays(stored: Database) -> None:
    """Old ended builds go with their histories; what runs, is young, promoted or the newest good of its cell stays."""
    promoted = await store_build(stored, owner=1, created_at=OLD, **CELL)
    await Promotions(stored).promote(ADA, acting(ADA), promoted[1], "stable")
    gone = [await store_build(stored, owner=1, created_at=OLD, history=[("success", 100, 1)], **CELL) for _ in "ab"]
    gone += [await store_build(stored, created_at=OLD, status=status) for status in ("failure", "cancelled", "success")]
    kept = [
        promoted,
        await store_build(stored, owner=1, created_at=OLD, **CELL),  # the newest good one
        await store_build(stored, owner=2, created_at=OLD, **CELL),  # another's newest good one
        await store_build(stored, owner=None, created_at=OLD, **CELL),  # the shared one
        await store_build(stored, owner=1, created_at=OLD, status="in_progress", finished_at=None, **CELL),
        await store_build(stored, owner=1, status="failure", **CELL),
        await store_build(stored, created_at=OLD, finished_at=utcnow()),  # it ran long
    ]
    await Retention(stored, audit_days=0, build_days=0).sweep()
    async with stored.reading() as tx:
        assert await tx.scalar(select(func.count()).select_from(Build)) == len(kept) + len(gone)
    await Retention(stored, audit_days=0, build_days=90).sweep()
    async with stored.reading() as tx:
        assert list(await tx.scalars(select(Build.id).order_by(Build.id))) == sorted(number for number, _ in kept)
        assert await tx.scalar(select(func.count()).select_from(BuildState)) == 0


@pytest.mark.databases("sqlite")
async def test_all_that_is_old_goes_in_one_sweep(stored: Database) -> None:
    """A sweep goes on until nothing is left to forget."""
    for _ in range(201):
        await store_build(stored, created_at=OLD)
    await Retention(stored, audit_days=0, build_days=90).sweep()
    async with stored.reading() as tx:
        assert await tx.scalar(select(func.count()).select_from(Build)) == 0
