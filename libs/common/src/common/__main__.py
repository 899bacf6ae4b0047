"""`feedmill migrate`: the administration commands that belong to no single service."""

import argparse
import asyncio
import logging
import sys

from common import log
from common.db import migrate
from common.errors import FeedmillError
from common.settings import Settings, load

_log = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 usage."""
    parser = argparse.ArgumentParser(prog="feedmill", description="Administration of a feedmill installation.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("migrate", help="bring the database to the newest revision")
    parser.parse_args(argv)
    log.configure("feedmill")
    try:
        revision = asyncio.run(migrate.upgrade(load(Settings).database))
    except FeedmillError as error:
        _log.error("%s", error)
        return 1
    _log.info(log.fields("database migrated", revision=revision))
    return 0


if __name__ == "__main__":
    sys.exit(main())
