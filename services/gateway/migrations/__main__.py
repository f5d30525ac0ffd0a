"""`python -m services.gateway.migrations upgrade | check | downgrade | new "message"` on DATABASE_URL."""

import argparse
import logging as stdlib_logging
import sys

from sqlalchemy.exc import DBAPIError

from libs.common import logging
from libs.common.errors import SettingsError
from libs.common.settings import CoreSettings, DatabaseSettings, load
from services.gateway import migrations


def main(arguments: list[str]) -> int:
    """Do one thing; 0 when it is done (check: when the schema is current), 1 else."""
    parser = argparse.ArgumentParser(prog="python -m services.gateway.migrations", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("upgrade", help="bring the schema up to date; several processes may do it at once")
    commands.add_parser("check", help="tell whether the schema is up to date and agrees with the models")
    down = commands.add_parser("downgrade", help="take migrations back")
    down.add_argument("to", help="the number to go back to; `base` drops everything")
    new = commands.add_parser("new", help="write the next migration from the models (for developers)")
    new.add_argument("message", help="what it does, as an imperative phrase")
    chosen = parser.parse_args(arguments)

    try:
        core, database = load(CoreSettings, DatabaseSettings)
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - logging is not set up yet
        return 1
    logging.configure(core.effective_log_level, service="migrations")
    stdlib_logging.getLogger("alembic").setLevel("WARNING")  # it tells of each plugin and of each table it compares
    return _run(chosen, database.url.reveal())


def _run(chosen: argparse.Namespace, url: str) -> int:
    try:
        migrations.make_folder(url)
        migrations.is_current(url)
    except (DBAPIError, OSError, TimeoutError) as error:
        reason = getattr(error, "orig", None) or error
        print(f"DATABASE_URL: the database does not answer: {reason}", file=sys.stderr)  # noqa: T201 - a command's answer
        return 1
    if chosen.command == "upgrade":
        done = migrations.upgrade(url)
        print(f"schema {migrations.head()}: {'upgraded' if done else 'is up to date'}")  # noqa: T201 - a command's answer
        return 0
    from services.gateway.migrations import alembic_run  # noqa: PLC0415 - see migrations.upgrade

    if chosen.command == "check":
        problems = [] if migrations.is_current(url) else ["the schema is not up to date"]
        problems += [str(difference) for difference in alembic_run.differences(url)] if not problems else []
        print("\n".join(problems) or f"schema {migrations.head()}: is up to date")  # noqa: T201
        return 1 if problems else 0
    if chosen.command == "downgrade":
        alembic_run.downgrade(url, chosen.to)
        return 0
    print(alembic_run.new(url, chosen.message))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
