"""Requests to GitHub's REST API: one connection pool per worker, one client per account.

githubkit authenticates (tokens, Apps with their installation tokens) and knows GitHub's rate limits; it is told neither
to retry nor to follow redirects, because only the job knows whether a request may be sent again. Its typed models are
not used: they are strict about fields that older Enterprise Servers leave out, and cost a second to load.
"""

import asyncio
import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx
import msgspec
from githubkit import AppAuthStrategy, GitHub, TokenAuthStrategy
from githubkit.auth import BaseAuthStrategy
from githubkit.cache import MemCacheStrategy
from githubkit.exception import GitHubException, RateLimitExceeded, RequestError, RequestFailed
from githubkit.response import Response

from libs.common import metrics
from libs.common.database import utcnow
from services.builds.providers.github.errors import GitHubError, Missing, RateLimited, Refused, Renamed, Unreachable
from services.builds.providers.github.shapes import Account, App, Complaint, Installation, NamedRepository
from services.builds.settings import GitHubSettings

T = TypeVar("T")
Answer = Response[Any, Any]

# GitHub answers in under a second or not at all; its own limit for a request is 10 s.
_TIMEOUT: Final = httpx.Timeout(20.0, connect=5.0)
# REST versions, newest first. A server that does not know one says so; None sends no version, as before there were any.
_VERSIONS: Final = ("2026-03-10", "2022-11-28", None)
# "wait for at least one minute" (docs.github.com, rate limits), where a secondary limit names no time.
_SECONDARY_WAIT: Final = timedelta(seconds=60)
# A primary limit ends within the hour; whoever names more is asked again then.
_LONGEST_WAIT_S: Final = 3600.0
# Short enough that an outage is over soon after GitHub's; long enough that a thousand builds do not prolong it.
UNREACHABLE_WAIT_S: Final = 10.0
# An App that is installed anew gets another id.
_INSTALLATION_KEPT_S: Final = 600.0
# Accounts that one worker speaks for; each is a few hundred bytes.
_CLIENTS_MAX: Final = 256
_SAID_MAX: Final = 500  # characters of GitHub's own words in a message of ours
_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class Server:
    """GitHub or an Enterprise Server, as one worker knows it. `close` ends its connections."""

    def __init__(self, settings: GitHubSettings) -> None:
        self._settings = settings
        self._http: httpx.AsyncClient | None = None
        self._clients: OrderedDict[str, Client] = OrderedDict()
        self._installations: dict[str, tuple[int, float]] = {}
        self._version = 0
        self._refuses_run_details_flag = False

    @property
    def version(self) -> str | None:
        """The REST version that this server understands, as far as known; None: none at all."""
        return _VERSIONS[self._version]

    @property
    def wants_run_details_flag(self) -> bool:
        """Whether a dispatch has to be asked to answer the run's id: the newest version does so by itself."""
        return self._version > 0 and not self._refuses_run_details_flag

    def refuse_run_details_flag(self) -> None:
        """Take note that this server does not know the flag."""
        self._refuses_run_details_flag = True

    def step_down(self, refused: str | None) -> bool:
        """Speak an older version after `refused` was; False when there is none."""
        if self.version == refused:
            if self._version == len(_VERSIONS) - 1:
                return False
            self._version += 1
        return True  # another request has found it out already

    async def client(self, token: str | None, repository: str) -> "Client":
        """The client of an account: a repository's own `token`, None: the operator's token or App.

        Raises Refused when the operator has neither, or the App is not installed there.
        """
        settings = self._settings
        if token is None and settings.app_id is not None:
            return await self._installed(repository)
        token = token or settings.token.reveal()
        if not token:
            raise Refused("GITHUB_NOT_CONFIGURED", "Slipway has no GITHUB_TOKEN and no GITHUB_APP_ID")
        return self._client(hashlib.sha256(token.encode()).hexdigest(), TokenAuthStrategy(token))

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()

    @property
    def http(self) -> httpx.AsyncClient:
        """The pool that all clients share; also for addresses that are not the API's. Proxies are the environment's."""
        if self._http is None:
            self._http = httpx.AsyncClient(timeout=_TIMEOUT)
        return self._http

    async def _installed(self, repository: str) -> "Client":
        settings = self._settings
        key = settings.app_private_key.reveal().replace("\\n", "\n")
        app = AppAuthStrategy(settings.app_id, key)
        known = self._installations.get(repository)
        if known is None or time.monotonic() - known[1] > _INSTALLATION_KEPT_S:
            asking = self._client("app", app)
            try:
                found = await asking.get(f"{path_of(repository)}/installation", Installation)
            except Missing as error:
                hint = f"The GitHub App {settings.app_id} is not installed for {repository}"
                raise Refused("GITHUB_APP_NOT_INSTALLED", hint, status=404) from error
            known = self._installations[repository] = (found.id, time.monotonic())
            await asyncio.to_thread(_load_app_models)
        return self._client(f"installation {known[0]}", app.as_installation(known[0]), app=self._client("app", app))

    def _client(self, key: str, auth: BaseAuthStrategy, app: "Client | None" = None) -> "Client":
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = Client(self, self._settings.api_url, auth, app)
            if len(self._clients) > _CLIENTS_MAX:
                self._clients.popitem(last=False)
        self._clients.move_to_end(key)
        return client


class Client:
    """One account's requests. Paths begin with a slash and are inside the API's address.

    Every method raises RateLimited, Unreachable, Renamed, Refused and Missing. While the account is over a rate limit
    nothing is sent at all.
    """

    def __init__(self, server: Server, api_url: str, auth: BaseAuthStrategy, app: "Client | None" = None) -> None:
        self.server = server
        self._app = app
        self._blocked: RateLimited | None = None
        self._blocked_until = 0.0
        self._login: str | None = None
        self._kit: GitHub[Any] = GitHub(
            auth,
            base_url=api_url,
            user_agent="slipway",
            follow_redirects=False,
            timeout=_TIMEOUT,
            async_transport=_Shared(server),
            cache_strategy=MemCacheStrategy(),
            http_cache=False,
            auto_retry=False,
        )

    async def get(self, path: str, shape: type[T], **params: Any) -> T:
        """Read something; an answer that is not of its shape is Unreachable."""
        return decoded(await self.send("GET", path, params=params), shape)

    async def send(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        redirects: bool = False,
    ) -> Answer:
        """Send a request once, again only where a server refused the REST version; answers 2xx and 304.

        With `redirects` the answer may also be a redirect: its place is the answer.
        """
        self._hold_back()
        while True:
            version = self.server.version
            sent = {**(headers or {}), **({"X-GitHub-Api-Version": version} if version else {})}
            try:
                answer: Answer = await self._kit.arequest(method, path, json=json, params=params, headers=sent)
            except (GitHubException, ValueError) as error:
                # ValueError: githubkit reads Retry-After as a whole number.
                failure = self._failure(error)
                if _is_about_the_version(failure) and self.server.step_down(version):
                    continue
                raise failure from error
            if 300 <= answer.status_code < 400 and answer.status_code != 304 and not redirects:
                raise await self._moved(path, answer)
            metrics.UPSTREAM_REQUESTS.labels("github", "ok").inc()
            return answer

    async def login(self) -> str | None:
        """Who this account is, as runs name their actor; None when GitHub does not tell."""
        if self._login is None:
            try:
                if self._app is None:
                    self._login = (await self.get("/user", Account)).login
                else:
                    self._login = f"{(await self._app.get('/app', App)).slug}[bot]"
            except Refused:
                return None
        return self._login

    def _hold_back(self) -> None:
        if self._blocked is not None and time.monotonic() < self._blocked_until:
            left_s = self._blocked_until - time.monotonic()
            raise RateLimited(self._blocked.until, left_s)

    def _failure(self, error: Exception) -> GitHubError:
        """Turn githubkit's error into ours, and take note of rate limits."""
        if isinstance(error, RequestError) and isinstance(error.exc, GitHubException):
            error = error.exc  # the request for an installation's token failed
        outcome: str
        failure: GitHubError
        match error:
            case RateLimitExceeded():
                outcome, failure = "rate_limited", self._limited(error.retry_after)
            case RequestFailed():
                outcome, failure = self._refusal(error.response)
            case RequestError() if isinstance(error.exc, httpx.HTTPError):
                sent = not isinstance(error.exc, _NOT_SENT)
                outcome, failure = "unreachable", Unreachable(_reason(error.exc), UNREACHABLE_WAIT_S, sent=sent)
            case RequestError():  # before anything was sent: a key that is none
                hint = f"GITHUB_APP_PRIVATE_KEY cannot be used: {type(error.exc).__name__}"
                outcome, failure = "refused", Refused("GITHUB_APP_KEY", hint)
            case _:
                outcome, failure = "unreachable", Unreachable("an answer that cannot be read", 60.0, sent=True)
        metrics.UPSTREAM_REQUESTS.labels("github", outcome).inc()
        return failure

    def _limited(self, retry_after: timedelta) -> RateLimited:
        after_s = min(max(retry_after.total_seconds(), 1.0), _LONGEST_WAIT_S)
        self._blocked = RateLimited(utcnow() + timedelta(seconds=after_s), after_s)
        self._blocked_until = time.monotonic() + after_s
        return self._blocked

    def _refusal(self, answer: Answer) -> tuple[str, GitHubError]:
        status, said = answer.status_code, _said(answer)
        if status in (403, 429) and "rate limit" in said.lower():
            return "rate_limited", self._limited(_SECONDARY_WAIT)
        if status >= 500 or status in (408, 429):
            return "unreachable", Unreachable(f"HTTP {status}", UNREACHABLE_WAIT_S, sent=True)
        if status in (404, 410):
            hint = "GitHub has no such thing, or the token may not see it"
            return "refused", Missing("GITHUB_NOT_FOUND", f"{hint} ({said})", status=status, said=said)
        code, hint = _REFUSALS.get(status, ("GITHUB_REFUSED", "GitHub refuses"))
        return "refused", Refused(code, f"{hint}: {said}", status=status, said=said)

    async def _moved(self, path: str, answer: Answer) -> GitHubError:
        """Find out what a repository is called now that its name answers with a redirect."""
        named = re.match(r"/repos/[^/]+/[^/]+", path)
        place = answer.headers.get("location", "")
        if named is None or not place:
            return Refused("GITHUB_MOVED", f"GitHub answers with a redirect to {place[:_SAID_MAX]}", status=301)
        answer = await self.send("GET", named[0], redirects=True)
        for _ in range(3):  # a name may have moved on more than once
            if answer.status_code not in (301, 302, 307, 308):
                return Renamed(decoded(answer, NamedRepository).full_name)
            answer = await self.send("GET", self._inside(answer.headers.get("location", "")), redirects=True)
        return Refused("GITHUB_MOVED", "GitHub sends us round in a circle", status=301)

    def _inside(self, place: str) -> str:
        """The path of an address of this API: a token is shown to nobody else. Raises Refused."""
        base, url = self._kit.config.base_url, httpx.URL(place)
        here = url.is_relative_url or (url.scheme, url.host, url.port) == (base.scheme, base.host, base.port)
        if not here or not url.path.startswith(base.path):
            raise Refused("GITHUB_MOVED", f"GitHub sends us to another place: {place[:_SAID_MAX]}", status=301)
        return "/" + url.path.removeprefix(base.path)


class _Shared(httpx.AsyncBaseTransport):
    """Gives every account's clients, which githubkit makes anew for each request, the worker's one pool.

    The pool is a client itself, because that is what knows the environment's proxies.
    """

    def __init__(self, server: Server) -> None:
        self._server = server

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._server.http.send(request, stream=True, auth=None, follow_redirects=False)

    async def aclose(self) -> None:
        """Nothing: the pool outlives the request."""


def path_of(repository: str) -> str:
    """The API's path of `owner/name`; raises Refused for what cannot be one."""
    parts = repository.split("/")
    if len(parts) != 2 or any(part in ("", ".", "..") for part in parts):
        raise Refused("GITHUB_NOT_FOUND", f"{repository} is no repository of GitHub: it must be owner/name")
    return "/repos/" + "/".join(quote(part, safe="") for part in parts)


def decoded(answer: Answer, shape: type[T]) -> T:
    """Read an answer's body; raises Unreachable for one that is not of this shape (a proxy's page, half a body)."""
    try:
        return msgspec.json.decode(answer.content, type=shape)
    except msgspec.MsgspecError as error:
        raise Unreachable("an answer that cannot be read", UNREACHABLE_WAIT_S, sent=True) from error


_REFUSALS: Final = {
    401: ("GITHUB_UNAUTHORIZED", "GitHub does not accept the token or App: it is wrong, expired or revoked"),
    403: ("GITHUB_FORBIDDEN", "The token or App may not do this: it needs write access to Actions of the repository"),
    409: ("GITHUB_CONFLICT", "The state on GitHub does not allow it"),
    422: ("GITHUB_REFUSED", "GitHub refuses the request"),
}


def _said(answer: Answer) -> str:
    """GitHub's own words, in one line."""
    try:
        said = msgspec.json.decode(answer.content, type=Complaint).message
    except msgspec.MsgspecError:
        said = f"HTTP {answer.status_code}"
    return " ".join(said.split())[:_SAID_MAX]


def _is_about_the_version(failure: GitHubError) -> bool:
    return isinstance(failure, Refused) and failure.status in (400, 422) and "version" in failure.said.lower()


def _reason(error: httpx.HTTPError) -> str:
    return "no answer in time" if isinstance(error, httpx.TimeoutException) else type(error).__name__


def _load_app_models() -> None:
    """Load what githubkit reads an installation's token with: half a second that must not stop the event loop."""
    from githubkit_schemas.latest import models  # noqa: PLC0415 - only Apps need it

    _ = models.InstallationToken
