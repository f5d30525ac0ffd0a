"""A slice that makes things under idempotency keys, on as many gateways as a test wants.

As a program (`python -m tests.gateway.keyed <database url> <port>`) it is a gateway that can be killed.
"""

import asyncio
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import msgspec
from litestar import Litestar, Response, Router, post
from litestar.params import JSONBody, QueryParameter

from libs.common import audit
from libs.common.database import Database
from libs.common.errors import Conflict
from libs.common.http.documentation import documented
from libs.common.http.guards import Acting, requires
from libs.common.http.idempotency import IDEMPOTENT, IDEMPOTENT_SECRET, Idempotency
from services.gateway.frame import Gateway, make_gateway
from services.gateway.server import Server, listen
from tests.gateway.sample import authenticate
from tests.gateway.serving import SECRET_KEY, with_driver

SECRET = "shown-once-and-never-again"
Fault = Annotated[str | None, QueryParameter(description="What goes wrong, and when")]


class Thing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str


class Gates:
    """Places where a request waits until the test opens them: `reached[place]`, then `opened[place]`."""

    def __init__(self) -> None:
        self.reached: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.opened: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def passed(self, place: str) -> None:
        self.reached[place].set()
        await self.opened[place].wait()


def keyed(
    database: Database,
    gates: Gates | None = None,
    *,
    secret_keys: tuple[str, ...] = (SECRET_KEY,),
    patience_s: float = 10.0,
    answer_within_s: int = 5,
) -> Gateway:
    """A gateway with a route that makes things; each leaves one entry in the audit log, which tests count."""
    held = gates or Gates()

    @post("/things", guards=[requires("builds:write")], status_code=201, **documented("Make a thing", opt=IDEMPOTENT))
    async def make(actor: Acting, data: JSONBody[Thing], fault: Fault = None) -> Response[Thing]:
        async with database.transaction() as tx:
            await audit.record(tx, actor, "thing.made", ("thing", data.name))
            if fault == "held before the commit":
                await held.passed(fault)
            if fault == "refused":
                raise Conflict("There are enough things", code="ENOUGH")
        if fault == "held after the commit":
            await held.passed(fault)
        if fault == "broken after the commit":
            raise RuntimeError("after the commit")
        return Response(data, headers={"Location": f"/things/{data.name}", "X-Moment": "now"})

    @post(
        "/secrets",
        guards=[requires("builds:write")],
        status_code=201,
        **documented("Make a secret thing", opt=IDEMPOTENT_SECRET),
    )
    async def make_secret(actor: Acting, data: JSONBody[Thing]) -> Response[dict[str, str]]:
        async with database.transaction() as tx:
            await audit.record(tx, actor, "secret.made", ("secret", data.name))
        return Response({"name": data.name, "secret": SECRET}, headers={"Location": f"/secrets/{data.name}"})

    idempotency = Idempotency(database, secret_keys, patience_s=patience_s, answer_within_s=answer_within_s)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        yield
        await idempotency.close()

    return make_gateway(
        [Router("/", route_handlers=[make, make_secret])],
        authenticate=authenticate,
        idempotency=idempotency,
        lifespan=[lifespan],
    )


class _Telling(Gates):
    """Says on standard output where a request waits, and lets none go on."""

    async def passed(self, place: str) -> None:
        print(f"reached: {place}", flush=True)  # noqa: T201 - read by the test
        await asyncio.Event().wait()


async def _serve(url: str, port: int) -> None:
    database = Database(with_driver(url))
    try:
        await Server(keyed(database, _Telling()), asyncio.Event()).serve(sockets=[listen("127.0.0.1", port)])
    finally:
        await database.close()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2])))
