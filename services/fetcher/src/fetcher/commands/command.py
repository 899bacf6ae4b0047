"""What every command is made of: a line of the command line, and what it does for one platform or shop."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from common.errors import ConfigurationError, FeedmillError
from common.tracing import root_span
from fetcher.entrypoints import cli
from fetcher.entrypoints.cli import Exit
from fetcher.settings import FetcherServiceSettings

Options = argparse.Namespace
Work = Callable[[FetcherServiceSettings, Options, str, asyncio.Event], Awaitable[Exit]]
"""Settings, options, the name of a platform or shop, and `stop`, which asks to finish the page in hand."""


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
        is_service: Whether it goes on until it is stopped, with jobs of its own.
    """

    name: str
    summary: str
    description: str
    add_options: Callable[[argparse.ArgumentParser], None]
    targets: Targets
    perform: Work
    is_service: bool = False

    async def call(self, settings: FetcherServiceSettings, options: Options, stop: asyncio.Event) -> Exit:
        """Perform it for every target, one after another; return the exit code that tells most."""
        codes = []
        for name in self.targets(settings, options):
            if stop.is_set():
                break
            try:
                with self._traced(name):
                    codes.append(await self.perform(settings, options, name, stop))
            except FeedmillError as error:
                codes.append(cli.said(error))
        return cli.worst(codes)

    def _traced(self, target: str) -> AbstractContextManager[object]:
        return nullcontext() if self.is_service else root_span(f"fetcher {self.name}", {"feedmill.platform": target})


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
