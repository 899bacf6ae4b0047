"""The command line: what it understands, and what its exit codes mean."""

import argparse
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from common.errors import ConfigurationError, FeedmillError
from fetcher.core.errors import AlreadyRunningError

_log = logging.getLogger(__name__)


class Exit(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    WITH_ERRORS = 1
    USAGE = 2
    ALREADY_RUNNING = 75


@dataclass(frozen=True, slots=True)
class InitialLoadCommand:
    """`initial-load`. Without a platform: all that are configured, one after another."""

    platform: str | None
    max_pages: int | None
    again: bool


Handler = Callable[[InitialLoadCommand], Exit]
SEVERITY: Final = (Exit.DONE, Exit.ALREADY_RUNNING, Exit.WITH_ERRORS, Exit.USAGE)


def worst(codes: Sequence[Exit]) -> Exit:
    """Return the code that tells most of several platforms."""
    return max(codes, key=SEVERITY.index, default=Exit.DONE)


def parse(argv: Sequence[str] | None) -> InitialLoadCommand:
    """Return what the arguments ask for; wrong ones end the process with code 2 and a usage line."""
    options = _parser().parse_args(argv)
    return InitialLoadCommand(platform=options.platform, max_pages=options.max_pages, again=options.again)


def execute(command: InitialLoadCommand, handler: Handler) -> Exit:
    """Run a command; an expected failure is one `[ERROR]` line, never a traceback."""
    try:
        return handler(command)
    except FeedmillError as error:
        return said(error)


def said(error: FeedmillError) -> Exit:
    """Log an expected failure as one line and return its exit code."""
    _log.error("%s", error)
    if isinstance(error, AlreadyRunningError):
        return Exit.ALREADY_RUNNING
    return Exit.USAGE if isinstance(error, ConfigurationError) else Exit.WITH_ERRORS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fetcher",
        description="Reads upstream marketplaces and publishes what they say.",
        epilog="Exit codes: 0 done, 1 finished with errors, 2 usage or configuration, 75 already running.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    load = commands.add_parser(
        "initial-load", help="load every offer, page by page; resumes what was interrupted", description=_LOAD
    )
    load.add_argument("--platform", metavar="P", help="one platform; default: all that are configured")
    load.add_argument(
        "--max-pages", type=_at_least_one, metavar="N", help="stop after N new pages; the next start resumes"
    )
    load.add_argument("--again", action="store_true", help="load anew although the last load reached the end")
    return parser


_LOAD: Final = "Loads every offer. An interrupted load goes on where it stopped; a finished one is left alone."


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
