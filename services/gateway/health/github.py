"""Whether GitHub answers the operator's account, for the health routes."""

import asyncio
import time
from typing import Final

import httpx

from libs.common.tasks import end
from services.builds.settings import GitHubSettings
from services.gateway.health.checks import Check

# A monitor asks every few seconds, from each gateway; GitHub is asked once a minute.
_LOOK_EVERY_S: Final = 60.0
_PATIENCE_S: Final = 10.0
# Whoever asks when it is time to look again waits this long for what is found: GitHub mostly answers in a third of it.
_WAIT_S: Final = 0.5


class GitHubCheck:
    """An AskCheck that looks now and then, and never lets anybody wait long for GitHub.

    It asks for the account's rate limit, which does not count against it. The operator's App has no token of its own,
    so with an App only the way to GitHub is tried.
    """

    def __init__(self, settings: GitHubSettings) -> None:
        self._url = f"{settings.api_url}/rate_limit"
        token = settings.token.reveal()
        self._headers = {"Accept": "application/vnd.github+json", "User-Agent": "slipway"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._found = Check(healthy=True, message="configured, not looked at yet")
        self._looked_at_s: float | None = None
        self._looking: asyncio.Task[None] | None = None

    async def __call__(self) -> Check:
        now = time.monotonic()
        if self._looked_at_s is None or now - self._looked_at_s > _LOOK_EVERY_S:
            self._looked_at_s, self._looking = now, asyncio.create_task(self._look())
        if self._looking is not None:
            await asyncio.wait({self._looking}, timeout=_WAIT_S)
        return self._found

    async def close(self) -> None:
        if self._looking is not None:
            await end(self._looking)

    async def _look(self) -> None:
        began = time.monotonic()
        try:
            async with httpx.AsyncClient(timeout=_PATIENCE_S) as client:
                answer = await client.get(self._url, headers=self._headers)
        except httpx.HTTPError as error:
            self._found = Check(healthy=False, message=f"{self._url} cannot be reached ({type(error).__name__})")
            return
        took_ms = round((time.monotonic() - began) * 1000, 2)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._found = Check(healthy=False, message="GitHub does not accept GITHUB_TOKEN", response_ms=took_ms)
        elif answer.is_server_error:
            self._found = Check(healthy=False, message=f"answers {answer.status_code}", response_ms=took_ms)
        else:  # 404: an Enterprise Server without rate limits
            self._found = Check(healthy=True, message="answers", response_ms=took_ms)
