"""Event streams the framework's way: `python -m benchmarks.references.streams`.

One task reads `ev` and puts each batch of lines into a queue for each client; Litestar's ServerSentEvent encodes it for
each of them. No replay, no bounds, no check of who may see what.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from litestar import Litestar, get
from litestar.params import FromPath
from litestar.response import ServerSentEvent, ServerSentEventMessage

from libs.common import keys
from libs.common.redis import connect_blocking

_queues: set[asyncio.Queue[tuple[str, str]]] = set()


@get("/livez")
async def livez() -> dict[str, str]:
    return {"status": "alive"}


@get("/jobs/{job_id:str}/logs")
async def follow(job_id: FromPath[str]) -> ServerSentEvent:
    queue: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    async def events() -> AsyncIterator[ServerSentEventMessage]:
        _queues.add(queue)
        try:
            yield ServerSentEventMessage(comment=job_id, data=None, sep="\n")
            while True:
                position, lines = await queue.get()
                yield ServerSentEventMessage(id=position, data=lines, sep="\n")
        finally:
            _queues.discard(queue)

    return ServerSentEvent(events())


async def _read() -> None:
    redis = connect_blocking(os.environ["REDIS_URL"], block_s=1)
    position = b"0-0"
    while True:
        for _, entries in await redis.xread({keys.EVENTS: position}, block=1000):
            for position, fields in entries:  # the last one is where it goes on
                if fields[b"t"] == b"log":
                    for queue in _queues:
                        queue.put_nowait((position.decode(), fields[b"d"].decode()))


@asynccontextmanager
async def _lifespan(_: Litestar) -> AsyncIterator[None]:
    reading = asyncio.create_task(_read())
    try:
        yield
    finally:
        reading.cancel()


app = Litestar([livez, follow], lifespan=[_lifespan], logging_config=None)

if __name__ == "__main__":
    port = int(os.environ["API_PORT"])
    uvicorn.run(app, port=port, loop="uvloop", http="httptools", log_config=None, timeout_graceful_shutdown=1)
