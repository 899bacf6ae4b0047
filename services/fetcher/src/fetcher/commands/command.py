"""What every command is made of: a line of the command line, and what it does for one platform or shop."""

import argparse
import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

from common.clock import Clock
from common.errors import ConfigurationError, FeedmillError, UnavailableError
from common.tracing import root_span
from fetcher.core.inflight import within_grace
from fetcher.core.lane import CLOSING_S
from fetcher.entrypoints import cli
from fetcher.entrypoints.cli import Exit
from fetcher.settings import FetcherServiceSettings

Options = argparse.Namespace
Work = Callable[[FetcherServiceSettings, Options, str, asyncio.Event], Coroutine[Any, Any, Exit]]
"""Settings, options, the name of a platform or shop, and `stop`, which asks to finish the page in hand."""

_log = logging.getLogger(__name__)


class Targets(Protocol):
    """Which platforms or shops a call is about."""

    def __call__(self, settings: FetcherServiceSettings, options: Options) -> list[str]:
        """Return their names.

        Raises:
            ConfigurationError: The one asked for is not configured.
        """
        ...


@dataclass(frozen=True, slots=True)
class Command:
    """One command: what people type, and what is done for each target in turn.

    Attributes:
        name: As typed.
        summary: One line for the list of commands.
        description: For the command's own help.
        add_options: Adds its options.
        targets: Whom it is about.
        perform: Does it for one of them.
        is_service: Whether it goes on until it is stopped, with jobs of its own, which it ends in time itself.
    """

    name: str
    summary: str
    description: str
    add_options: Callable[[argparse.ArgumentParser], None]
    targets: Targets
    perform: Work
    is_service: bool = False

    async def call(self, settings: FetcherServiceSettings, options: Options, stop: asyncio.Event, clock: Clock) -> Exit:
        """Perform it for every target, one after another; return the exit code that tells most.

        Once `stop` is set, a server of ours that does not answer holds nothing up, and is no error.
        """
        codes = []
        for name in self.targets(settings, options):
            if stop.is_set():
                break
            try:
                with self._traced(name):
                    work = self.perform(settings, options, name, stop)
                    grace_s = settings.fetcher.stop_grace_s + CLOSING_S
                    codes.append(await (work if self.is_service else _in_time(work, stop, clock, grace_s)))
            except FeedmillError as error:
                if stop.is_set() and isinstance(error, UnavailableError):
                    _log.warning("stopped while a server was away: %s", error)
                else:
                    codes.append(cli.said(error))
        return cli.worst(codes)

    def _traced(self, target: str) -> AbstractContextManager[object]:
        return nullcontext() if self.is_service else root_span(f"fetcher {self.name}", {"feedmill.platform": target})


async def _in_time(work: Coroutine[Any, Any, Exit], stop: asyncio.Event, clock: Clock, grace_s: float) -> Exit:
    code = await within_grace(work, stop, clock=clock, grace_s=grace_s)
    if code is None:
        _log.warning("cut off: a server does not answer; the next start goes on")
    return Exit.DONE if code is None else code


def add_platform_option(parser: argparse.ArgumentParser) -> None:
    """Add `--platform P`."""
    parser.add_argument("--platform", metavar="P", help="one platform; default: all that are configured and enabled")


def chosen_platforms(settings: FetcherServiceSettings, options: Options) -> list[str]:
    """Return the platform of `--platform`, or all that are enabled.

    Raises:
        ConfigurationError: It is not configured.
    """
    name: str | None = options.platform
    if name is None:
        return sorted(known for known, platform in settings.platforms.items() if platform.enabled)
    if name not in settings.platforms:
        raise ConfigurationError(f"--platform {name}: not configured; known: {', '.join(sorted(settings.platforms))}")
    return [name]


def no_options(parser: argparse.ArgumentParser) -> None:
    """Add none: everything is a setting."""
    del parser


def only(name: str) -> Targets:
    """Return the targets of a command that is about no platform; the name is that of its lock: of several one works."""

    def targets(settings: FetcherServiceSettings, options: Options) -> list[str]:
        del settings, options
        return [name]

    return targets


def at_least_one(text: str) -> int:
    """Read a whole number from 1 on, for `type=` of an option.

    Raises:
        ArgumentTypeError: It is below 1.
    """
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
