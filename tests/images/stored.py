"""Builds put into the tables as the services leave them, for tests of what is made of them."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert

from libs.common.database import Database, utcnow
from services.builds.models import Build, BuildState

CELL: dict[str, Any] = {"platform": "aws", "os_version": "rhel-9.2", "image_type": "base"}
"""One cell of the matrix, in the columns of a build."""

Entry = tuple[str, int, float]
"""One entry of a history: status, state code, seconds after the build was made."""


async def store_build(database: Database, *, history: Sequence[Entry] = (), **columns: Any) -> tuple[int, str]:
    """Store a build that was successful unless `columns` say otherwise, and its history; answers its id and uid."""
    now: datetime = columns.pop("created_at", None) or utcnow()
    uid = secrets.token_urlsafe(16)
    values = {"uid": uid, "executor": "external", "status": "success", "state_code": 100}
    values |= {"created_at": now, "started_at": now, "finished_at": now, "updated_at": now} | columns
    async with database.transaction() as tx:
        build_id: int = (await tx.execute(insert(Build).values(values).returning(Build.id))).scalar_one()
        for status, state_code, after_s in history:
            entry = {"build_id": build_id, "status": status, "state_code": state_code, "actor": "pipeline"}
            await tx.execute(insert(BuildState).values(entry | {"created_at": now + timedelta(seconds=after_s)}))
    return build_id, uid
