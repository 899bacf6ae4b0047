"""`feedmill`: the administration commands that belong to no single service."""

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

from common import definitions, log, probe
from common.db import migrate
from common.errors import FeedmillError
from common.settings import Settings, load

_log = logging.getLogger(__name__)

DONE, FAILED = 0, 1
"""Exit codes; 2 is argparse's, for wrong usage."""


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 usage."""
    options = _parser().parse_args(argv)
    log.configure("feedmill")
    try:
        _log.info(options.run(options))
    except FeedmillError as error:
        _log.error("%s", error)
        return FAILED
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="feedmill", description="Administration of a feedmill installation.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("migrate", help="bring the database to the newest revision").set_defaults(run=_migrate)
    commands.add_parser("health", help="fail unless database and broker answer").set_defaults(run=_health)
    fill = commands.add_parser(
        "definitions",
        help="write the broker's definitions with password hashes",
        description="Passwords come from RABBITMQ_<USER>_PASSWORD; only their salted hashes are written.",
    )
    fill.add_argument("--template", type=Path, default=definitions.TEMPLATE, help="default: %(default)s")
    fill.add_argument("--out", type=Path, required=True, help="file to write; its folder exists")
    fill.set_defaults(run=_definitions)
    return parser


def _migrate(_options: argparse.Namespace) -> str:
    revision = asyncio.run(migrate.upgrade(load(Settings).database))
    return log.fields("database migrated", revision=revision)


def _health(_options: argparse.Namespace) -> str:
    asyncio.run(probe.servers_answer(load(Settings)))
    return "database and broker answer"


def _definitions(options: argparse.Namespace) -> str:
    load(Settings)  # puts the names of .env into the environment, and refuses unknown ones
    definitions.write(options.template, options.out, environment=os.environ)
    return log.fields("definitions written", file=options.out)


if __name__ == "__main__":
    sys.exit(main())
