"""A server that reads requests and answers a constant: what the driver and the loopback can do at most.

`python -m benchmarks.references.bare`; 202 to POST, 200 to GET.
"""

import asyncio
import os
import re
from typing import cast

import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_BODY = b'{"message":"nothing was done"}'
_ANSWERS = {
    b"P": b"HTTP/1.1 202 Accepted\r\nContent-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY),
    b"G": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY),
}


class Bare(asyncio.Protocol):
    """One connection; requests come one after the other."""

    def __init__(self) -> None:
        self._received = b""
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's own type

    def data_received(self, data: bytes) -> None:
        received = self._received + data
        head = received.find(b"\r\n\r\n")
        length = _LENGTH.search(received, 0, head) if head >= 0 else None
        if head < 0 or len(received) < head + 4 + (int(length[1]) if length else 0):
            self._received = received
            return
        self._received = b""
        self._transport.write(_ANSWERS[received[:1]])


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Bare, "127.0.0.1", int(os.environ["API_PORT"]))
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
