"""The runs that a worker follows, looked up together: one listing per repository, however many builds run in it."""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from services.builds.providers.github import actions
from services.builds.providers.github.client import Client
from services.builds.providers.github.shapes import Run

# Repositories that one worker remembers the listing of, half a megabyte each at most.
_LISTINGS_MAX: Final = 100


@dataclass(slots=True)
class _Listing:
    """What a repository's listing answered last; `asked_s` is when that request was begun (monotonic)."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    runs: list[Run] = field(default_factory=list)
    etag: str | None = None
    asked_s: float = float("-inf")


class Listings:
    """The newest dispatched runs of repositories: whoever asks shortly after another shares the answer."""

    def __init__(self) -> None:
        self._listings: OrderedDict[tuple[Client, str], _Listing] = OrderedDict()

    async def newest(self, client: Client, repository: str, *, max_age_s: float = 0.0) -> list[Run]:
        """The newest runs, newest first, as they were `max_age_s` seconds ago or later. Raises what Client raises."""
        needed_s = time.monotonic() - max_age_s
        listing = self._of(client, repository)
        async with listing.lock:
            if listing.asked_s < needed_s:
                asked_s = time.monotonic()
                changed = await actions.newest_runs(client, repository, listing.etag)
                if changed is not None:
                    listing.runs, listing.etag = changed
                listing.asked_s = asked_s
            return listing.runs

    async def run(self, client: Client, repository: str, run_id: int, *, max_age_s: float = 0.0) -> Run:
        """One run, from the listing while it is among the newest; Refused with RUN_DELETED when it was deleted."""
        for run in await self.newest(client, repository, max_age_s=max_age_s):
            if run.id == run_id:
                return run
        return await actions.get_run(client, repository, run_id)

    def _of(self, client: Client, repository: str) -> _Listing:
        key = (client, repository)  # what one account sees another may not
        listing = self._listings.setdefault(key, _Listing())
        self._listings.move_to_end(key)
        if len(self._listings) > _LISTINGS_MAX:
            self._listings.popitem(last=False)
        return listing
