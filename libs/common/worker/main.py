"""The entry point that all worker services share: settings, logging, one call."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
import uvloop
from prometheus_client import start_http_server

from libs.common import logging
from libs.common.children import Children
from libs.common.collector import collect_seldom
from libs.common.database import Database
from libs.common.errors import SettingsError
from libs.common.settings import (
    CoreSettings,
    DatabaseSettings,
    Loaded,
    RedisSettings,
    RuntimeSettings,
    Settings,
    load,
    secrets_of,
)
from libs.common.settings.catalogue import every_group
from libs.common.worker.context import Handler
from libs.common.worker.service import WorkerService, serve

log = structlog.get_logger()

METRICS_PORTS: Final = {"builds": 9101, "vms": 9102, "deployer": 9103}
CONFIGURATION_ERROR: Final = 78  # EX_CONFIG of sysexits.h: starting again does not help


@dataclass(frozen=True, slots=True)
class Resources:
    """What a slice's handlers are made from."""

    settings: Loaded
    database: Database
    children: Children


def main(
    domain: str, make_handlers: Callable[[Resources], list[Handler]], groups: Sequence[type[Settings]] = ()
) -> None:
    """Run the domain's worker until SIGTERM or SIGINT; exits with 78 and a line per problem for wrong settings."""
    try:
        settings = load(CoreSettings, DatabaseSettings, RedisSettings, RuntimeSettings, *groups, known=every_group())
        level = settings[CoreSettings].effective_log_level
        logging.configure(level, service=f"worker-{domain}", secrets=secrets_of(*settings))
        collect_seldom()
        uvloop.run(_run(domain, make_handlers, settings))
    except SettingsError as error:
        sys.stderr.write("".join(f"{problem}\n" for problem in error.problems))
        sys.exit(CONFIGURATION_ERROR)


async def _run(domain: str, make_handlers: Callable[[Resources], list[Handler]], settings: Loaded) -> None:
    runtime, database_settings = settings[RuntimeSettings], settings[DatabaseSettings]
    database = Database(database_settings.url.reveal(), pool_size=database_settings.pool_size)
    children = Children()
    worker = WorkerService(
        domain,
        make_handlers(Resources(settings, database, children)),
        database=database,
        redis_url=settings[RedisSettings].url.reveal(),
        children=children,
        settings=runtime,
    )
    port = METRICS_PORTS[domain] if runtime.metrics_port is None else runtime.metrics_port
    _serve_metrics(runtime.metrics_host, port)
    await serve(worker)


def _serve_metrics(host: str, port: int) -> None:
    if not port:
        return
    try:
        start_http_server(port, host)
    except OSError as error:  # work matters more than being measured
        log.warning("metrics_not_served", port=port, reason=str(error))
