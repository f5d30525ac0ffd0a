"""Send bytes as they come: event streams and downloads in bounded memory.

The framework's own streaming answers cost a task group and a listener task per client and leave a generator hanging
when the client goes. This one is a loop: the chunks are sent as they are, `send` waits while the client's buffer is
full, and the iterator is always closed before the request ends.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from litestar import Response
from litestar.types import ASGIApp, Receive, Scope, Send


class ByteStream(Response[None]):
    """A response whose body is an async iterator of bytes.

    The iterator is cancelled at its current `await` when the client goes away, and closed in every case, so its
    `finally` blocks run before the connection is given back. An iterator that ends, ends the response.
    """

    def __init__(
        self,
        chunks: AsyncIterator[bytes],
        *,
        media_type: str,
        headers: Mapping[str, str] | None = None,
        status_code: int = 200,
    ) -> None:
        super().__init__(None, media_type=media_type, headers=dict(headers or {}), status_code=status_code)
        self._chunks = chunks

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIApp:  # type: ignore[override] # any ASGI app is sent as it is
        head = [(b"content-type", str(self.media_type).encode())]
        head += [(name.lower().encode(), value.encode("latin-1")) for name, value in self.headers.items()]
        chunks, status = self._chunks, self.status_code or 200

        async def stream(_: Scope, receive: Receive, send: Send) -> None:
            sender = asyncio.ensure_future(_send_all(chunks, send, status, head))
            listener = asyncio.ensure_future(_disconnected(receive))
            try:
                await asyncio.wait({sender, listener}, return_when=asyncio.FIRST_COMPLETED)
                if sender.done():
                    await sender  # raises what the iterator raised
            finally:
                for task in (sender, listener):
                    task.cancel()
                await asyncio.gather(sender, listener, return_exceptions=True)

        return stream


async def _send_all(chunks: AsyncIterator[bytes], send: Send, status: int, head: list[tuple[bytes, bytes]]) -> None:
    close = getattr(chunks, "aclose", None)
    try:
        await send({"type": "http.response.start", "status": status, "headers": head})
        async for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        if close is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await close()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
