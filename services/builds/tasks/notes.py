"""What a job that runs a workflow keeps between its steps: its checkpoint, and how fast it goes."""

from dataclasses import dataclass
from typing import Any

import msgspec


class Notes(msgspec.Struct, omit_defaults=True):
    """The checkpoint. Times are seconds since 1970 by the clock of the worker that wrote them.

    `after` is the intent: the newest run (for a rerun: the newest attempt) before GitHub was asked, None while it was
    not. `asked` counts how often it was asked, `asked_at` is the last time; `acted` says that GitHub did act, without
    saying what came of it. `attempt` is the attempt of the run that is followed, 0 while it is not known.
    `told` is what progress.news told, `lines` how many lines those were, `untold` the ones that may not be written yet.
    `interval_s` is the wait that ends at `due`. `misses` counts attempts in vain to read something, one after another.
    """

    after: int | None = None
    asked: int = 0
    asked_at: float = 0.0
    acted: bool = False
    attempt: int = 0
    told: dict[str, tuple[str, int]] = {}
    lines: int = 0
    untold: list[str] = []
    interval_s: float = 0.0
    due: float = 0.0
    misses: int = 0

    @classmethod
    def read(cls, checkpoint: dict[str, Any]) -> "Notes":
        return msgspec.convert(checkpoint, cls)

    def written(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long a job waits for what, in seconds. Tests are in more of a hurry.

    `first_s`: between looks at a run that changes; unchanged ones are looked at less often, up to the setting.
    `settle_s`: a run that GitHub shows at all it shows within a minute. `look_s`: between looks for it, and for a log
    that GitHub has not packed yet. `stop_s`: for a cancelled run to end, before it is forced; `force_s` after that;
    `stop_look_s` between looks at it.
    """

    first_s: float = 5.0
    settle_s: float = 60.0
    look_s: float = 3.0
    stop_s: float = 30.0
    force_s: float = 15.0
    stop_look_s: float = 2.0
