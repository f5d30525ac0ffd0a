"""How often somebody may ask, counted in Redis over all gateways.

    guards=[limits.around(authenticated)]           every request, for its caller or its client's address
    await count_login(request, data.username)       once more, in the handler of a login

A caller with valid credentials has an allowance a minute for their key (a person: for all their tokens and sessions
together). Everybody else, wrong credentials included, has one for their address. A login has one for the account that
it names, whichever address it comes from. Routes marked UNLIMITED are not counted at all.

A minute begins with its first request. Without Redis nobody waits and nobody is refused who keeps to the limit: each
process counts for itself. So neither an outage nor a flood that makes Redis slow to us lifts the limits.
"""

import asyncio
import ipaddress
import math
import time
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

import msgspec
from litestar.handlers import BaseRouteHandler
from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.common import keys
from libs.common.errors import RequestError, TooManyRequests
from libs.common.http.guards import Connection, Guard
from libs.common.http.principal import Principal
from libs.common.outage import Outage

# `opt` of a route or router that is not counted. Webhooks: a forge sends for all its repositories from one address, and
# a delivery that was refused is lost. Probes: refusing one makes an orchestrator kill a healthy process. Static files:
# a page loads dozens of them at once, and they cost nothing.
UNLIMITED: Final[dict[str, Any]] = {"unlimited": True}

# After Redis failed it is not asked for so long, so that an outage costs one request the wait, not each.
_PAUSE_S: Final = 1.0
# A process takes this part of an allowance at once: most requests then need no round trip. What it does not use up is
# lost for the minute, at most this part for each further gateway.
_SHARE: Final = 20
# 3 MB of memory; who falls out (a flood from countless addresses) is asked for again.
_KNOWN_MAX: Final = 10_000
# A host takes any address of its /64 that it likes (RFC 4862): limits for single addresses would be no limits.
_IPV6_PREFIX: Final = 64
_ADDRESS_MAX_CHARS: Final = 64

# KEYS: counter. ARGV: how many to take, length of the minute in ms. Answers {taken in all, ms until it is over}.
_SCRIPT: Final = """
local taken = redis.call('INCRBY', KEYS[1], ARGV[1])
local left_ms = redis.call('PTTL', KEYS[1])
if left_ms < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  left_ms = tonumber(ARGV[2])
end
return {taken, left_ms}
"""


class Standing(msgspec.Struct, frozen=True):
    """How one caller stands: requests a minute, how many are left, and seconds until there are `limit` again."""

    limit: int
    remaining: int
    reset_s: int
    refused: bool = False

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The three fields of draft-ietf-httpapi-ratelimit-headers-06.

        No draft became a standard, and 07 and 08 each changed the fields; these are what other APIs answer and client
        libraries read.
        """
        values = {"limit": self.limit, "remaining": self.remaining, "reset": self.reset_s}
        return [(f"ratelimit-{name}".encode(), str(value).encode()) for name, value in values.items()]


@dataclass(slots=True)
class _Share:
    """What this process knows of one allowance: how much it may give out by itself, and what Redis has left."""

    mine: int = 0
    elsewhere: int = 0
    ends_at: float = 0.0  # of the monotonic clock
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def decides(self) -> bool:
        """Tell whether the next request can be counted, or refused, without asking Redis."""
        return time.monotonic() < self.ends_at and (self.mine > 0 or self.elsewhere == 0)

    def spend(self, limit: int) -> Standing:
        """Count one request."""
        refused = self.mine == 0
        if not refused:
            self.mine -= 1
        reset_s = max(1, math.ceil(self.ends_at - time.monotonic()))
        return Standing(limit, self.mine + self.elsewhere, reset_s, refused)


class Limits:
    """Counts requests; one per process. Each limit is in requests a minute, 0: none."""

    def __init__(
        self,
        redis: Redis,
        *,
        per_key: int,
        per_address: int,
        per_login: int,
        patience_s: float = 0.05,
        minute_s: float = keys.RATE_TTL_S,
    ) -> None:
        """`patience_s` is how long a request waits for Redis, which answers within 1 ms when it is well.

        `minute_s` is how long a minute lasts; tests have shorter ones.
        """
        self._patience_s = patience_s
        self.per_key = per_key
        self.per_address = per_address
        self.per_login = per_login
        self._minute_ms = int(minute_s * 1000)
        self._take = redis.register_script(_SCRIPT)
        self._known: dict[str, _Share] = {}
        self._pause_ends_at = 0.0
        self._outage = Outage("rate_limits")

    def around(self, guard: Guard) -> Guard:
        """Make a guard that counts a request for the caller whom `guard` lets through, or else for its address.

        On an open route `guard` knows nobody. Raises TooManyRequests, and what `guard` raises.
        """

        async def counted(connection: Connection, handler: BaseRouteHandler) -> None:
            if handler.opt.get("unlimited"):
                await guard(connection, handler)
                return
            try:
                await guard(connection, handler)
            except RequestError:
                await self._count_address(connection)
                raise
            principal = connection.scope.get("user")
            if isinstance(principal, Principal):
                await self._count(connection, caller_name(principal), self.per_key)
            else:
                await self._count_address(connection)

        return counted

    async def count_login(self, connection: Connection, name: str) -> None:
        """Count a login of the account that `name` (an e-mail address or user name) means. Raises TooManyRequests."""
        digest = blake2b(name.strip().lower().encode(), digest_size=8).hexdigest()  # bounded, and no names in Redis
        await self._count(connection, f"login:{digest}", self.per_login)

    async def take(self, name: str, limit: int) -> Standing | None:
        """Take one request out of the allowance `name`; None: there is no limit."""
        if limit == 0:
            return None
        share = self._share(name)
        if share.decides():
            return share.spend(limit)
        async with share.asking:  # who comes meanwhile waits for the same answer
            if not share.decides():
                await self._fill(share, name, limit)
            return share.spend(limit)

    async def _count_address(self, connection: Connection) -> None:
        address = connection.scope.get("state", {}).get("client_address", "")
        if address:  # a Unix socket has none; who reaches it is on this machine
            await self._count(connection, address_name(address), self.per_address)

    async def _count(self, connection: Connection, name: str, limit: int) -> None:
        standing = await self.take(name, limit)
        if standing is None:
            return
        state: dict[str, Any] = connection.scope["state"]
        known: Standing | None = state.get("rate_limit")
        if known is None or standing.remaining < known.remaining or standing.refused:
            state["rate_limit"] = standing  # the edge shows it; of two the one that ends first
        if standing.refused:
            raise TooManyRequests(
                f"More than {limit} requests a minute; try again in {standing.reset_s} s",
                headers={"Retry-After": str(standing.reset_s)},
            )

    def _share(self, name: str) -> _Share:
        share = self._known.get(name)
        if share is None:
            if len(self._known) >= _KNOWN_MAX:
                del self._known[next(iter(self._known))]
            share = self._known[name] = _Share()
        return share

    async def _fill(self, share: _Share, name: str, limit: int) -> None:
        """Take a share of the allowance from Redis; when Redis does not answer, all of it for this process alone."""
        wanted = max(1, limit // _SHARE)
        answer = await self._ask(name, wanted)
        if answer is None:
            share.mine, share.elsewhere, left_ms = limit, 0, self._minute_ms
        else:
            taken, left_ms = answer
            share.mine = max(0, min(wanted, limit - (taken - wanted)))
            share.elsewhere = max(0, limit - taken)
        share.ends_at = time.monotonic() + left_ms / 1000

    async def _ask(self, name: str, wanted: int) -> tuple[int, int] | None:
        """Take `wanted` from Redis: how much is taken in all, and ms to the minute's end; None: it does not answer."""
        if time.monotonic() < self._pause_ends_at:
            return None
        try:
            async with asyncio.timeout(self._patience_s):
                taken, left_ms = await self._take(keys=[keys.rate(name)], args=[wanted, self._minute_ms])
        except (RedisError, OSError, TimeoutError) as error:
            self._outage.failed(error)
            self._pause_ends_at = time.monotonic() + _PAUSE_S
            return None
        self._outage.over()
        return taken, left_ms


async def count_login(connection: Connection, name: str) -> None:
    """Count a login by the limits of the app, if it has any. Call it before the password is looked at.

    `name` is what was given as e-mail address or user name; whether there is such a user makes no difference. A person
    who has both has an allowance for each. Raises TooManyRequests.
    """
    limits: Limits | None = connection.app.state.get("limits")
    if limits is not None:
        await limits.count_login(connection, name)


def caller_name(principal: Principal) -> str:
    """Name the allowance of a caller: that of the key, or of the person behind a token or session."""
    return f"key:{principal.key_id}" if principal.key_id else f"user:{principal.user_id}"


def address_name(address: str) -> str:
    """Name the allowance of a client's address; IPv6 by its /64. What is no address is taken as it stands."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return f"address:{address[:_ADDRESS_MAX_CHARS]}"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return f"address:{parsed.ipv4_mapped}"
        return f"address:{ipaddress.ip_network((parsed.packed, _IPV6_PREFIX), strict=False)}"
    return f"address:{parsed}"
