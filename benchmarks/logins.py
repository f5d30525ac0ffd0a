"""Status reads while somebody guesses passwords: a login costs 31 ms of processor time, a read 0.3 ms.

One gateway, 200 reads of a job's status a second, and beside them logins with wrong passwords, each from another
address: where they are refused before the password is looked at, at a fixed rate far above what could be looked at;
where they are not, from 32 connections as fast as they are answered.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from benchmarks.load import Answers, Driver, driver, flood, paced
from benchmarks.report import Report, Table
from benchmarks.servers import Running, gateway, servers
from benchmarks.traffic import Pushes, Reads

_COLUMNS = ("beside the reads", "logins/s", "reads p50 ms", "reads p99 ms")
_PERSON = {"BOOTSTRAP_ADMIN_EMAIL": "ada@example.org", "BOOTSTRAP_ADMIN_PASSWORD": "correct horse battery"}
# Each login names an address of its own, which is believed as a proxy's word.
_BEHIND_A_PROXY = {**_PERSON, "TRUSTED_PROXIES": "1", "RATE_LIMIT_PER_ADDRESS": "100"}


@dataclass(frozen=True)
class Sizes:
    """`seconds` of each load, less than the minute after which a login is looked at again."""

    seconds: float = 10.0
    warm_s: float = 1.0
    per_s: int = 200
    logins_per_s: int = 500


QUICK = Sizes(seconds=2.0, warm_s=0.5)


class WrongLogins:
    """Logins with wrong passwords, to one account or each to another one."""

    def __init__(self, *, one_account: bool) -> None:
        self._one_account = one_account
        self._numbers = count()

    def __call__(self) -> bytes:
        number = next(self._numbers)
        name = "ada@example.org" if self._one_account else f"nobody{number}@example.org"
        body = json.dumps({"username": name, "password": f"guess {number}"}).encode()
        address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        head = (
            "POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"X-Forwarded-For: {address}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


async def run(sizes: Sizes, kinds: Sequence[str], report: Report) -> None:
    """Measure on each kind of database."""
    with driver() as reader, driver() as guesser:
        for kind in kinds:
            with servers(kind) as at:
                table = report.table(f"Status reads beside logins on {kind}", *_COLUMNS)
                beside = _Beside(sizes, reader, guesser, table)
                one, others = WrongLogins(one_account=True), WrongLogins(one_account=False)
                with gateway(at, **_BEHIND_A_PROXY, RATE_LIMIT_PER_LOGIN="5") as limited:
                    await beside.nothing(limited)
                    await beside.refused("wrong passwords of one account", limited, one)
                    await beside.checked("wrong passwords, each of another", limited, others)
                with gateway(at, **_BEHIND_A_PROXY, RATE_LIMIT_PER_LOGIN="0") as free:
                    await beside.nothing(free)
                    await beside.checked("one account, without the limit", free, one)


@dataclass(frozen=True)
class _Beside:
    """The reads of one table, from a process of their own, and the logins beside them, from another."""

    sizes: Sizes
    reader: Driver
    guesser: Driver
    table: Table

    async def nothing(self, server: Running) -> None:
        await self._reads(server, seconds=self.sizes.warm_s)
        self._row("nothing", await self._reads(server, seconds=self.sizes.seconds), 0)

    async def refused(self, what: str, server: Running, guesses: WrongLogins) -> None:
        """Beside logins of an account whose allowance is used up: at a fixed rate, for they cost next to nothing."""
        seconds = self.sizes.seconds
        for _ in range(5):
            await _ask(server, guesses())
        refused = self.guesser.run(
            paced, server.port, guesses, status=429, seconds=seconds, per_s=self.sizes.logins_per_s
        )
        reads, logins = await asyncio.gather(self._reads(server, seconds=seconds), refused)
        self._row(what, reads, logins.per_s)

    async def checked(self, what: str, server: Running, guesses: WrongLogins) -> None:
        """Beside logins whose passwords are all looked at: from 32 connections, as fast as they are answered."""
        seconds = self.sizes.seconds
        checked = self.guesser.run(flood, server.port, guesses, status=401, seconds=seconds)
        reads, logins = await asyncio.gather(self._reads(server, seconds=seconds), checked)
        self._row(what, reads, logins.per_s)

    async def _reads(self, server: Running, *, seconds: float) -> Answers:
        job = json.loads(await _ask(server, Pushes()()))["job_id"]
        read = Reads(f"/jobs/{job}")
        return await self.reader.run(paced, server.port, read, status=200, seconds=seconds, per_s=self.sizes.per_s)

    def _row(self, what: str, reads: Answers, logins_per_s: float) -> None:
        self.table.row(what, round(logins_per_s), reads.p50_ms, reads.p99_ms)


async def _ask(server: Running, request: bytes) -> bytes:
    """Send one request; the body of its answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
    body = await reader.readexactly(length)
    writer.close()
    return body
