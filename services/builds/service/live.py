"""What browsers are told of builds while they look: one event for each change that no job tells of."""

from datetime import datetime
from typing import Any

import msgspec

from libs.common.jobs.live import Happening


class BuildEvent(msgspec.Struct, frozen=True):
    """The data of an event `build`: where the build stands now."""

    id: int
    uid: str
    status: str
    state_code: int
    stage: str | None
    updated_at: datetime


def build_changed(build: Any) -> Happening:
    """The event of a build's change; `build` is a row (or anything else) with the event's fields and `owner`."""
    data = BuildEvent(*(getattr(build, name) for name in BuildEvent.__struct_fields__))
    return Happening("build", build.owner, f"build:{build.id}", msgspec.json.encode(data))
