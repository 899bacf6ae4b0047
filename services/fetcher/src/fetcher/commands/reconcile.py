"""`fetcher reconcile`."""

import argparse
import asyncio
from dataclasses import replace
from zoneinfo import ZoneInfo

from fetcher.adapters.lookup_store import PostgresLookupStore
from fetcher.adapters.sweep_store import PostgresSweepStore
from fetcher.commands.command import Command, Options, add_platform_option, chosen_platforms
from fetcher.commands.daily_update import change_ports, inquiry_of
from fetcher.commands.parts import (
    Parts,
    frame_of,
    load_ports_of,
    opened,
    policy_of,
    reference_of,
    walk_limits_of,
)
from fetcher.core.catch_up import CatchUp
from fetcher.core.change_runs import ChangeRuns
from fetcher.core.changes import ChangeLimits
from fetcher.core.job import Frame
from fetcher.core.list_run import LoadPorts
from fetcher.core.reading import UNWATCHED, RequestWatch
from fetcher.core.reconcile import Reconcile, ReconcileParts, ReconcilePlan
from fetcher.core.retire import RetirePorts, Retiring
from fetcher.entrypoints.cli import Exit
from fetcher.settings import FetcherServiceSettings


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_platform_option(parser)
    parser.add_argument("--force", action="store_true", help="retire what has gone, however much it is")


async def perform(
    settings: FetcherServiceSettings,
    name: str,
    stop: asyncio.Event,
    *,
    force: bool = False,
    watch: RequestWatch = UNWATCHED,
) -> Exit:
    """Sweep a platform's list until nothing new is found, and retire what has gone.

    Raises:
        FeedmillError: Why it could not go on.
    """
    async with opened(settings, name, watch) as parts:
        return await reconciled(settings, name, parts, stop, force=force)


async def reconciled(
    settings: FetcherServiceSettings, name: str, parts: Parts, stop: asyncio.Event, *, force: bool = False
) -> Exit:
    """Reconcile over what is open already.

    Raises:
        FeedmillError: Why it could not go on.
    """
    own = settings.fetcher
    plan = ReconcilePlan(
        platform=name,
        once=replace(policy_of(settings), max_retries=own.gap_retries),
        limits=walk_limits_of(settings, name),
        most_sweeps=own.reconcile_sweeps,
        landing_wait_s=own.landing_wait_s,
        force=force,
    )
    lists = load_ports_of(settings, parts)
    frame = frame_of(settings, parts, name, stop)
    outcome = await Reconcile(plan, frame, _steps(settings, parts, lists, frame)).run()
    return Exit.DONE if outcome.is_ok else Exit.WITH_ERRORS


def _steps(settings: FetcherServiceSettings, parts: Parts, lists: LoadPorts, frame: Frame) -> ReconcileParts:
    zone = ZoneInfo(settings.platforms[frame.platform].day_zone)
    sweeps = PostgresSweepStore(parts.session)
    changes = replace(change_ports(settings, parts), display=lists.display)
    runs = ChangeRuns(
        platform=frame.platform,
        feed=changes.feed,
        reader=changes.reader,
        runs=changes.runs,
        changes=changes.changes,
        clock=parts.clock,
        chance=parts.chance,
        pause_s=frame.pause_s,
    )
    retire_ports = RetirePorts(
        inquiry=inquiry_of(settings, parts, frame.stop),
        lookups=PostgresLookupStore(parts.session),
        sweeps=sweeps,
        publisher=parts.publisher,
    )
    return ReconcileParts(
        lists=lists,
        sweeps=sweeps,
        changes=CatchUp(frame, changes, runs, ChangeLimits(zone, pause_s=frame.pause_s)),
        reference=reference_of(settings, parts, frame),
        retiring=Retiring(frame, retire_ports, budget=settings.fetcher.reconcile_lookups, day_zone=zone),
    )


async def _perform(settings: FetcherServiceSettings, options: Options, name: str, stop: asyncio.Event) -> Exit:
    return await perform(settings, name, stop, force=options.force)


COMMAND = Command(
    name="reconcile",
    summary="find what walks have missed, retire what has gone",
    description="Sweeps the list until nothing new is found, and retires what neither list nor look-up shows.",
    add_options=_add_options,
    targets=chosen_platforms,
    perform=_perform,
)
