"""The app on a socket: uvicorn, started and stopped our way."""

import asyncio
import errno
import socket
from types import FrameType
from typing import Final

import uvicorn

from libs.common.errors import SettingsError
from services.gateway.frame import Gateway

# Streams end by themselves when the process stops; what still answers after this is cut.
_GRACE_S: Final = 10
# nginx keeps idle connections to us for 60 s. Were ours shorter, it would now and then send into a closed one.
_KEEP_ALIVE_S: Final = 75
_BACKLOG: Final = 2048


class Server(uvicorn.Server):
    """Sets `closing` at the first signal: uvicorn waits for open event streams, and they end only when told to."""

    def __init__(self, app: Gateway, closing: asyncio.Event) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="uvloop",
                http="httptools",
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,  # the edge logs requests, with their ids
                proxy_headers=False,  # the edge knows how many proxies to believe
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=_GRACE_S,
                reset_contextvars=True,
            )
        )
        self._closing = closing
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the base class names them
        """End in order at the first signal, at once at the second.

        The signal is not raised again at the end, as uvicorn does: a gateway that was told to stop and stopped has
        exit code 0.
        """
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._closing.set)
        self.force_exit = self.should_exit
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket; raises SettingsError with one line that says why it cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror:
        raise SettingsError([f"API_HOST: {host} is not an address of this machine"]) from None
    opened = socket.socket(family, kind, protocol)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind(address)
        opened.listen(_BACKLOG)
    except OSError as error:
        opened.close()
        raise SettingsError([_refusal(error, host, port)]) from None
    opened.set_inheritable(False)
    return opened


def _refusal(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"API_PORT: {port} is taken by another process on {host}; choose another with PORT=..."
    if error.errno == errno.EACCES:
        return f"API_PORT: this user may not listen on {port}; choose one from 1024"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"API_HOST: {host} is not an address of this machine"
    return f"API_HOST, API_PORT: cannot listen on {host}:{port}: {error.strerror}"
