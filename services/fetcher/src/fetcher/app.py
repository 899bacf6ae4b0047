"""The composition root: a command and settings in, an exit code out."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

import uvloop

from common import log, memory, tracing
from common.clock import SystemClock
from common.settings import load
from common.signals import StopSignals
from fetcher.commands import daily_update, housekeeping, initial_load, reconcile, retry_gaps, run, shop_sync
from fetcher.commands.command import Command, Options
from fetcher.commands.parts import SERVICE
from fetcher.entrypoints import cli
from fetcher.entrypoints.cli import Exit
from fetcher.settings import FetcherServiceSettings

COMMANDS: Final[tuple[Command, ...]] = (
    initial_load.COMMAND,
    daily_update.COMMAND,
    retry_gaps.COMMAND,
    reconcile.COMMAND,
    shop_sync.COMMAND,
    housekeeping.COMMAND,
    run.COMMAND,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = parse(argv)
    log.configure(SERVICE)
    command = next(known for known in COMMANDS if known.name == options.command)
    return int(cli.execute(lambda: _perform(command, options)))


def parse(argv: Sequence[str] | None) -> Options:
    """Return the options, `command` among them; wrong ones end the process with code 2 and a usage line."""
    line = cli.CommandLine()
    for command in COMMANDS:
        command.add_options(line.add(command.name, command.summary, command.description))
    return line.parse(argv)


def _perform(command: Command, options: Options) -> Exit:
    settings = load(FetcherServiceSettings)
    log.configure(SERVICE, level=settings.log.level, directory=settings.log.directory)
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # logs as an error of its own what it raises
    with (
        tracing.opened(settings.tracing, service=SERVICE),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(_stoppable(command, settings, options))


async def _stoppable(command: Command, settings: FetcherServiceSettings, options: Options) -> Exit:
    stop = asyncio.Event()
    StopSignals(stop, finishing="the page in hand").install(asyncio.get_running_loop())
    memory.settle()
    return await command.call(settings, options, stop, SystemClock())
