"""`fetcher initial-load`: the list from end to end, the changes meanwhile, and what the walk has missed."""

import argparse
import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from fetcher.adapters.sweep_store import PostgresSweepStore
from fetcher.commands.command import Command, Options, add_platform_option, at_least_one, chosen_platforms
from fetcher.commands.parts import Parts, load_ports_of, opened, policy_of, walk_limits_of
from fetcher.commands.reconcile import reconciled
from fetcher.core.initial_load import InitialLoad, LoadPlan
from fetcher.core.list_run import Outcome
from fetcher.core.reading import UNWATCHED, RequestWatch
from fetcher.core.walk import Ending
from fetcher.entrypoints import cli
from fetcher.entrypoints.cli import Exit
from fetcher.settings import FetcherServiceSettings

WHENEVER: Final = datetime.max.replace(tzinfo=UTC)
"""As `again`: load anew whenever the last load began, by whatever clock."""

_log = logging.getLogger(__name__)


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_platform_option(parser)
    parser.add_argument(
        "--max-pages", type=at_least_one, metavar="N", help="stop after N new pages; the next start resumes"
    )
    parser.add_argument(
        "--again",
        action="store_true",
        help="load anew although the last load reached the end; what is interrupted goes on without it",
    )


async def perform(
    settings: FetcherServiceSettings,
    name: str,
    stop: asyncio.Event,
    *,
    max_pages: int | None = None,
    again: datetime | None = None,
    watch: RequestWatch = UNWATCHED,
) -> Exit:
    """Load a platform and reconcile it, or go on with what was interrupted.

    A load that is done is made anew where it began before `again`.

    Raises:
        FeedmillError: Why it could not go on.
    """
    async with opened(settings, name, watch) as parts:
        plan = _plan(settings, name, max_pages=max_pages, again=again)
        outcome = await InitialLoad(plan, load_ports_of(settings, parts), stop=stop).run()
        code = _told(outcome, name)
        if stop.is_set() or not settings.fetcher.reconcile_sweeps or not await _is_to_be_reconciled(outcome, parts):
            return code
        return cli.worst([code, await reconciled(settings, name, parts, stop)])


async def _is_to_be_reconciled(outcome: Outcome, parts: Parts) -> bool:
    """Return whether the list was walked to its end and no reconciliation has been carried through since."""
    if outcome.run is None or outcome.ending not in {Ending.DONE, Ending.ALREADY_DONE}:
        return False
    return not await PostgresSweepStore(parts.session).is_reconciled(outcome.run.platform)


def _plan(settings: FetcherServiceSettings, name: str, *, max_pages: int | None, again: datetime | None) -> LoadPlan:
    own, platform = settings.fetcher, settings.platforms[name]
    return LoadPlan(
        platform=name,
        day_zone=ZoneInfo(platform.day_zone),
        once=replace(policy_of(settings), max_retries=0),
        limits=walk_limits_of(settings, name, max_pages=max_pages),
        again=again,
        expected_records=own.expected_records,
        stop_grace_s=own.stop_grace_s,
    )


def _told(outcome: Outcome, name: str) -> Exit:
    if outcome.ending is Ending.ALREADY_DONE and outcome.run is not None:
        run = outcome.run
        when = f"{run.finished_at:%Y-%m-%d %H:%M} UTC" if run.finished_at else "before"
        said = "initial load of %s was finished %s, %s records; --again (AGAIN=1) loads anew"
        _log.info(said, name, when, f"{run.records:,}")
    return Exit.WITH_ERRORS if outcome.gaps else Exit.DONE


async def _perform(settings: FetcherServiceSettings, options: Options, name: str, stop: asyncio.Event) -> Exit:
    again = WHENEVER if options.again else None
    return await perform(settings, name, stop, max_pages=options.max_pages, again=again)


COMMAND = Command(
    name="initial-load",
    summary="load every offer, page by page; resumes what was interrupted",
    description="Loads every offer. An interrupted load goes on where it stopped; a finished one is left alone.",
    add_options=_add_options,
    targets=chosen_platforms,
    perform=_perform,
)
