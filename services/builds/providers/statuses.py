"""Posting commit statuses to forges.

Posting the same status twice is harmless, so nothing is looked up before it, and an answer that got lost is asked for
again. RetryableJobError: the forge does not answer now; PermanentJobError: it refuses.
"""

from typing import Final, Protocol
from urllib.parse import quote, urljoin, urlsplit

import httpx
import msgspec

from libs.common import metrics
from libs.common.errors import PermanentJobError, RetryableJobError
from services.builds.commitstatus import CommitStatus
from services.builds.providers.github.client import Server, path_of
from services.builds.providers.github.errors import Refused, Renamed, Waits

# Of an answer: what it says of a refusal stands at its beginning, and a stranger's server may send without end.
_ANSWER_MAX_BYTES: Final = 4096
_SAID_MAX_CHARS: Final = 200
_RENAMES_MAX: Final = 3  # as often as a repository is renamed while links to its first name are still in use
_RETRY_AFTER_MAX_S: Final = 3600.0


class StatusPoster(Protocol):
    """One kind of forge."""

    async def post(self, status: CommitStatus) -> None:
        """Post a status. Raises RetryableJobError and PermanentJobError."""


def posters(github: Server, *, allow_insecure: bool) -> dict[str, "StatusPoster"]:
    """Who posts to which forge; `github` is shared with whatever else speaks to it, and lends the others its pool."""
    gitea = GiteaStatuses(github, allow_insecure=allow_insecure)
    return {"github": GitHubStatuses(github), "gitea": gitea, "forgejo": gitea}


class GitHubStatuses:
    """GitHub and Enterprise Servers."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def post(self, status: CommitStatus) -> None:
        repository = status.repository
        for _ in range(_RENAMES_MAX):
            try:
                client = await self._server.client(status.token, repository)
                await client.send("POST", f"{path_of(repository)}/statuses/{status.sha}", json=_body(status))
            except Renamed as moved:
                repository = moved.full_name
            except Waits as error:
                raise RetryableJobError(
                    f"waits for {error.what}", code="FORGE_UNAVAILABLE", after_s=error.after_s
                ) from error
            except Refused as error:
                raise _refused(status, error.message) from error
            else:
                return
        raise _refused(status, f"it was renamed {_RENAMES_MAX} times, at last to {repository}")


class GiteaStatuses:
    """Gitea and Forgejo: POST /repos/{owner}/{repo}/statuses/{sha} of their API.

    `allow_insecure` sends tokens to http:// addresses too.
    """

    def __init__(self, connections: Server, *, allow_insecure: bool) -> None:
        self._connections = connections
        self._allow_insecure = allow_insecure

    async def post(self, status: CommitStatus) -> None:
        if status.api is None or status.token is None:
            raise _refused(status, "neither html_url nor clone_url names the forge's host")
        address = f"{status.api}/repos/{quote(status.repository)}/statuses/{status.sha}"
        for _ in range(_RENAMES_MAX):
            place = await self._try(status, address)
            if place is None:
                metrics.UPSTREAM_REQUESTS.labels(status.forge, "ok").inc()
                return
            moved = _at_the_same_host(address, place)
            if moved is None:  # the token is for this host only
                raise _refused(status, f"it redirects to another host: {place[:_SAID_MAX_CHARS]}")
            address = moved
        raise _refused(status, "it redirects in circles")

    async def _try(self, status: CommitStatus, address: str) -> str | None:
        """Post once; answers where a redirect leads, None when it was taken."""
        if not address.startswith("https://") and not self._allow_insecure:
            raise _refused(status, "its address is http://, which shows the token to others (ALLOW_INSECURE_CLONE)")
        headers = {"Authorization": f"token {status.token}", "Accept": "application/json"}
        try:
            async with self._connections.http.stream("POST", address, json=_body(status), headers=headers) as answer:
                if answer.is_success:
                    return None
                if answer.has_redirect_location:
                    return answer.headers["location"]
                said = await _beginning(answer)
        except httpx.InvalidURL as error:
            raise _refused(status, f"{address} is no address") from error
        except httpx.HTTPError as error:
            metrics.UPSTREAM_REQUESTS.labels(status.forge, "unreachable").inc()
            reason = f"{status.forge} does not answer ({type(error).__name__})"
            raise RetryableJobError(reason, code="FORGE_UNAVAILABLE") from error
        if answer.status_code in (408, 429) or answer.status_code >= 500:
            metrics.UPSTREAM_REQUESTS.labels(status.forge, "unreachable").inc()
            after_s = _retry_after_s(answer.headers.get("retry-after"))
            raise RetryableJobError(f"HTTP {answer.status_code}", code="FORGE_UNAVAILABLE", after_s=after_s)
        metrics.UPSTREAM_REQUESTS.labels(status.forge, "refused").inc()
        raise _refused(status, f"HTTP {answer.status_code}{_words(said)}")


def _body(status: CommitStatus) -> dict[str, str]:
    """The body that all these forges read; a link that there is none of is left out."""
    link = {"target_url": status.target_url} if status.target_url is not None else {}
    return {"state": status.state.value, "context": status.context, "description": status.description, **link}


def _refused(status: CommitStatus, why: str) -> PermanentJobError:
    return PermanentJobError(f"{status.forge} takes no status for {status.repository}: {why}", code="STATUS_REFUSED")


def _at_the_same_host(address: str, place: str) -> str | None:
    """Where a redirect leads, None when that is another scheme, host or port, or no address at all."""
    try:
        moved = urljoin(address, place)
        return moved if urlsplit(moved)[:2] == urlsplit(address)[:2] else None
    except ValueError:
        return None


async def _beginning(answer: httpx.Response) -> bytes:
    read = b""
    async for piece in answer.aiter_bytes(_ANSWER_MAX_BYTES):
        read += piece
        if len(read) >= _ANSWER_MAX_BYTES:
            break
    return read[:_ANSWER_MAX_BYTES]


def _words(said: bytes) -> str:
    """What the forge says of a refusal, when it says it as its API does."""
    try:
        found = msgspec.json.decode(said, type=_Said)
    except msgspec.MsgspecError:
        return ""
    return f": {found.message[:_SAID_MAX_CHARS]}" if found.message else ""


def _retry_after_s(header: str | None) -> float | None:
    """Seconds, as Gitea's proxies send them; a date is left to the back-off."""
    return min(float(header), _RETRY_AFTER_MAX_S) if header is not None and header.isdigit() else None


class _Said(msgspec.Struct):
    message: str = ""
