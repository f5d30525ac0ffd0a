"""`python -m workers.standalone`: check everything, start the tree, say where it is, keep it until told to stop."""

import asyncio
import contextlib
import errno
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from libs.common import logging
from libs.common.errors import SettingsError
from libs.common.settings import (
    CoreSettings,
    DatabaseSettings,
    ListenSettings,
    Loaded,
    RedisSettings,
    RuntimeSettings,
    describe,
    given,
    load,
    read_sources,
)
from libs.common.settings.catalogue import every_group
from libs.common.settings.sources import Source
from services.builds.settings import WebhookSettings
from workers.standalone import schema
from workers.standalone.datafolder import (
    CannotStart,
    DataFolder,
    make_api_key,
    make_password,
    make_secret_key,
    make_webhook_secret,
)
from workers.standalone.embedded import EmbeddedRedis
from workers.standalone.tree import EXIT_CONFIG, Program, Tree

ROOT = Path(__file__).parents[2]
_WORKERS = {"builds": 9101, "vms": 9102, "deployer": 9103}  # each with its documented metrics port
_DATABASE = "slipway.db"
_EMAIL, _PASSWORD = "BOOTSTRAP_ADMIN_EMAIL", "BOOTSTRAP_ADMIN_PASSWORD"
_ADMIN_EMAIL = "admin@localhost.local"
# One secret for all forges is made only while the operator has set none for any.
_WEBHOOK_SECRETS = [row.name for row in describe(WebhookSettings) if row.name.endswith("WEBHOOK_SECRET")]
# Second starts take about two seconds; the first one on a slow machine with a cold disk is what needs the patience.
_READY_TIMEOUT_S = 90.0
# The gateway ends its streams and has nothing else to wait for; Redis writes its append-only file.
_GATEWAY_STOPS_WITHIN_S = 10.0
_REDIS_STOPS_WITHIN_S = 10.0
# On top of the worker's own shutdown_grace_s, for releasing its leases.
_WORKER_EXTRA_S = 5.0


def main() -> int:
    try:
        groups = (CoreSettings, ListenSettings, DatabaseSettings, RedisSettings, RuntimeSettings)
        settings = load(*groups, known=every_group())
    except SettingsError as error:
        _complain(*error.problems)
        return EXIT_CONFIG
    logging.configure(settings[CoreSettings].effective_log_level, service="standalone")
    try:
        with asyncio.Runner() as runner:
            runner.run(_standalone(settings, read_sources()))
    except CannotStart as error:
        _complain(str(error))
        return 1
    except KeyboardInterrupt:  # before the signal handlers were there
        return 130
    return 0


async def _standalone(settings: Loaded, sources: Sequence[Source]) -> None:
    """Run the tree until a signal or a failure ends it; raise CannotStart for a failure."""
    data = DataFolder(settings[CoreSettings].data_dir)
    check_port(settings[ListenSettings])
    environ, login = environment(data, sources)
    database = None if given("DATABASE_URL", sources) else data.path / _DATABASE
    redis = None if given("REDIS_URL", sources) else EmbeddedRedis(data.path)
    if redis is not None:
        environ["REDIS_URL"] = redis.url

    tree = Tree({**os.environ, **environ}, ROOT, inherit=[data.lock])
    stop = stop_on_signals(tree)
    living = asyncio.create_task(_live(tree, settings, database, redis, login))
    failing = asyncio.create_task(tree.failure())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({living, failing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        living.cancel()
        await tree.stop()
    if failing.done():
        raise CannotStart(failing.result())
    failing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await living


async def _live(
    tree: Tree, settings: Loaded, database: Path | None, redis: EmbeddedRedis | None, login: Sequence[str]
) -> None:
    """Start everything in order, say so, and stay."""
    listen, runtime = settings[ListenSettings], settings[RuntimeSettings]
    if redis is not None:
        tree.start(Program("redis", redis.argv, _REDIS_STOPS_WITHIN_S, explain=redis.last_words))
    await asyncio.gather(_migrate(tree, database), *([redis.wait_ready()] if redis is not None else []))
    worker_stops_within_s = runtime.shutdown_grace_s + _WORKER_EXTRA_S
    tree.start(
        *(
            Program(name, module(f"workers.{name}"), worker_stops_within_s, metrics_port(port))
            for name, port in _WORKERS.items()
        )
    )
    tree.start(Program("gateway", module("services.gateway"), _GATEWAY_STOPS_WITHIN_S))
    await wait_ready(listen)
    tree.settled()
    _say(f"Slipway is ready: {url(listen)}", f"  API docs: {url(listen)}/api/docs", *login, "Ctrl-C stops everything.")
    await asyncio.Event().wait()


async def _migrate(tree: Tree, file: Path | None) -> None:
    """Bring the database up to date; `file` is our own SQLite file, None a database that the operator has set."""
    if file is not None and schema.is_newest(file):
        return
    migrations = Program("migrations", module("services.gateway.migrations", "upgrade"), stop_within_s=0)
    if await tree.run(migrations) != 0:
        raise CannotStart("the database cannot be brought to this version; the lines above say why")


def module(name: str, *arguments: str) -> list[str]:
    """Build the command that runs one of our modules on its lifeline."""
    return [sys.executable, "-m", "workers.standalone.lifeline", "module", name, *arguments]


def environment(data: DataFolder, sources: Sequence[Source]) -> tuple[dict[str, str], list[str]]:
    """Decide what the programs get beside the operator's own settings, and what is said about getting in.

    Whatever the operator has set in any source stays. Secrets made now are shown once; later starts name their files.
    """
    environ = {"SLIPWAY_DATA": str(data.path), "PYTHONUNBUFFERED": "1"}
    defaults = {
        "LOCAL_PROVIDER": "true",
        "DATABASE_URL": f"sqlite:///{data.path / _DATABASE}",
        "METRICS_HOST": "127.0.0.1",
        _EMAIL: _ADMIN_EMAIL,
    }
    environ |= {name: value for name, value in defaults.items() if not given(name, sources)}
    if not given("SECRET_KEY", sources):
        environ["SECRET_KEY"], _ = data.secret("secret_key", make_secret_key)

    def secret(setting: str, file: str, make: Callable[[], str], value: str = "{}") -> str:
        """Make or read the secret of a setting that nobody has set, and return what to say about it."""
        if given(setting, sources):
            return f"as set by {setting}"
        kept, new = data.secret(file, make)
        environ[setting] = value.format(kept)
        return kept if new else f"in {data.path / 'secrets' / file}"

    password = secret(_PASSWORD, "admin_password", make_password)
    chosen = next((name for name in _WEBHOOK_SECRETS if given(name, sources)), "WEBHOOK_SECRET")
    webhooks = secret(chosen, "webhook_secret", make_webhook_secret)
    key = secret("API_KEYS", "api_key", make_api_key, "{}=admin")
    return environ, [
        f"  Admin:    {environ.get(_EMAIL, f'as set by {_EMAIL}')}",
        f"  Password: {password}",
        f"  Webhooks: {webhooks}",
        f"  API key:  {key}",
    ]


def check_port(listen: ListenSettings) -> None:
    """Raise CannotStart when nothing can listen on the gateway's address, before anything else is started."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        remedy = "; choose another: PORT=9000 make run" if error.errno == errno.EADDRINUSE else ""
        raise CannotStart(f"API_PORT: cannot listen on {listen.host}:{listen.port}: {error.strerror}{remedy}") from None


def metrics_port(port: int) -> dict[str, str]:
    """Give a worker its documented metrics port, or none (0) where another installation on the machine has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            port = 0
    return {"METRICS_PORT": str(port)}


async def wait_ready(listen: ListenSettings) -> None:
    """Wait until GET /ready answers 200; raise CannotStart when it does not for 90 s."""
    host = _reachable(listen.host)
    request = f"GET /ready HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while not await _answers_200(host, listen.port, request):
        if time.monotonic() > deadline:
            raise CannotStart(f"the gateway is not ready after {_READY_TIMEOUT_S:g} s; its lines above say why")
        await asyncio.sleep(0.02)


async def _answers_200(host: str, port: int, request: bytes) -> bool:
    try:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(request)
        status = await reader.readline()
        writer.close()
    except OSError:
        return False
    return b" 200 " in status


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - not bound, called


def url(listen: ListenSettings) -> str:
    host = _reachable(listen.host)
    return f"http://[{host}]:{listen.port}" if ":" in host else f"http://{host}:{listen.port}"


def stop_on_signals(tree: Tree) -> asyncio.Event:
    """Return an event that the first signal sets; a second one kills the tree."""
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            tree.kill()
            return
        stop.set()
        _say("Stopping; once more kills everything at once.")

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    return stop


def _say(*lines: str) -> None:
    with contextlib.suppress(OSError):  # the terminal was closed: that is why we stop
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()


def _complain(*lines: str) -> None:
    sys.stderr.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    sys.exit(main())
