"""The command line: its frame, and what its exit codes mean."""

import argparse
import logging
from collections.abc import Callable, Sequence
from enum import IntEnum
from importlib.metadata import version
from typing import Final

from common.errors import FeedmillError, exit_code_of
from fetcher.core.errors import AlreadyRunningError

_log = logging.getLogger(__name__)


class Exit(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    WITH_ERRORS = 1
    USAGE = 2
    ALREADY_RUNNING = 75


SEVERITY: Final = (Exit.DONE, Exit.ALREADY_RUNNING, Exit.WITH_ERRORS, Exit.USAGE)


def worst(codes: Sequence[Exit]) -> Exit:
    """Return the code that tells most of several targets."""
    return max(codes, key=SEVERITY.index, default=Exit.DONE)


class CommandLine:
    """`fetcher COMMAND [options]`."""

    def __init__(self) -> None:
        self._parser = argparse.ArgumentParser(
            prog="fetcher",
            description="Reads upstream marketplaces and publishes what they say.",
            epilog="Exit codes: 0 done, 1 finished with errors, 2 usage or configuration, 75 already running.",
        )
        self._parser.add_argument("--version", action="version", version=f"fetcher {version('feedmill-fetcher')}")
        self._commands = self._parser.add_subparsers(dest="command", required=True)

    def add(self, name: str, summary: str, description: str) -> argparse.ArgumentParser:
        """Add a command and return the parser that takes its options."""
        return self._commands.add_parser(name, help=summary, description=description)

    def parse(self, argv: Sequence[str] | None) -> argparse.Namespace:
        """Return the options, `command` among them; wrong ones end the process with code 2 and a usage line."""
        return self._parser.parse_args(argv)


def execute(command: Callable[[], Exit]) -> Exit:
    """Run a command; an expected failure is one `[ERROR]` line, never a traceback."""
    try:
        return command()
    except FeedmillError as error:
        return said(error)


def said(error: FeedmillError) -> Exit:
    """Log an expected failure as one line and return its exit code."""
    _log.error("%s", error)
    if isinstance(error, AlreadyRunningError):
        return Exit.ALREADY_RUNNING
    return Exit(exit_code_of(error))
