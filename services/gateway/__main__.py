"""`python -m services.gateway`: settings, one check of the schema, serve until SIGTERM or SIGINT."""

import argparse
import asyncio
import sys

import structlog
import uvloop
from sqlalchemy.exc import SQLAlchemyError

from libs.common import logging
from libs.common.collector import collect_seldom
from libs.common.database import Database
from libs.common.errors import SettingsError
from libs.common.settings import CoreSettings, DatabaseSettings, ListenSettings, Loaded, load, secrets_of
from libs.common.settings.catalogue import every_group
from services.gateway.app import GROUPS, create_app
from services.gateway.migrations import Schema, schema_of
from services.gateway.server import Server, listen
from services.gateway.settings import OlderSettings

CONFIGURATION_ERROR = 78  # EX_CONFIG of sysexits.h: starting again does not help
# After this long a thread (a long recipe, a large delivery) gives the interpreter to the event loop when that has
# something to do. Python's 5 ms are paid at each of the several steps that a request takes.
_SWITCH_INTERVAL_S = 0.001

log = structlog.get_logger()


def main(arguments: list[str]) -> int:
    """Serve; returns the exit code: 0 stopped, 78 wrong settings (one line each on standard error)."""
    parser = argparse.ArgumentParser(
        prog="python -m services.gateway",
        description="The HTTP gateway. It takes all settings from SLIPWAY_CONFIG, .env and the environment; "
        "API_HOST and API_PORT say where it listens.",
    )
    parser.parse_args(arguments)
    try:
        loaded = load(*GROUPS, known=every_group())
        logging.configure(loaded[CoreSettings].effective_log_level, service="gateway", secrets=secrets_of(*loaded))
        collect_seldom()
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        uvloop.run(_serve(loaded))
    except SettingsError as error:
        sys.stderr.write("".join(f"{problem}\n" for problem in error.problems))
        return CONFIGURATION_ERROR
    return 0


async def _serve(loaded: Loaded) -> None:
    closing = asyncio.Event()
    app = create_app(loaded, closing=closing)
    await _check_schema(loaded[DatabaseSettings])
    for name, why in loaded[OlderSettings].said():
        log.warning("setting_has_no_effect", setting=name, reason=why)
    where = loaded[ListenSettings]
    with listen(where.host, where.port) as listening:
        log.info("gateway_listens", host=where.host, port=listening.getsockname()[1])
        await Server(app, closing).serve(sockets=[listening])
    log.info("gateway_stopped")


async def _check_schema(chosen: DatabaseSettings) -> None:
    """Refuse to serve on a schema that lacks something; a database that does not answer is waited for, serving 503."""
    database = Database(chosen.url.reveal(), pool_size=1)
    try:
        schema = await schema_of(database)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        log.warning("schema_unknown", reason=repr(error))
    else:
        if schema in (Schema.EMPTY, Schema.OLDER):
            raise SettingsError(
                [f"DATABASE_URL: the schema is {schema}; run: python -m services.gateway.migrations upgrade"]
            )
    finally:
        await database.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
