"""`fetcher daily-update`."""

import argparse
import asyncio
from dataclasses import replace
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from common.errors import ConfigurationError
from fetcher.adapters.change_store import PostgresChangeStore
from fetcher.adapters.lookup_store import PostgresLookupStore
from fetcher.adapters.postgres import PostgresStore
from fetcher.commands.command import Command, Options, add_platform_option, at_least_one, chosen_platforms
from fetcher.commands.parts import Parts, display_of, frame_of, opened, policy_of, reference_of
from fetcher.commands.watch import say_findings
from fetcher.core.changes import ChangeLimits, ChangePorts
from fetcher.core.daily_update import DailyUpdate, UpdatePlan, UpdatePorts
from fetcher.core.errors import READ_ANEW
from fetcher.core.inquiry import InquiryLimits, OfferInquiry
from fetcher.core.lookups import Completing, CompletingPlan
from fetcher.core.reading import UNWATCHED, RequestWatch
from fetcher.entrypoints.cli import Exit
from fetcher.settings import FetcherServiceSettings

REFERENCE_AGE: Final = timedelta(days=7)
"""Marks and words of the source change slowly, and each request counts."""
LONGEST_REPLAY: Final = timedelta(days=366)
"""Sources keep their changes for days or months."""


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_platform_option(parser)
    parser.add_argument("--max-dates", type=at_least_one, metavar="N", help="stop after N days; the next start goes on")
    parser.add_argument("--since", type=_day, metavar="DATE", help="replay from this day on, as YYYY-MM-DD")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date such as 2026-11-20") from None


async def perform(
    settings: FetcherServiceSettings,
    name: str,
    stop: asyncio.Event,
    *,
    since: date | None = None,
    max_dates: int | None = None,
    watch: RequestWatch = UNWATCHED,
) -> Exit:
    """Follow a platform's changes to the end of the feed, then complete what is known only in part.

    Raises:
        FeedmillError: Why it could not go on.
    """
    async with opened(settings, name, watch) as parts:
        zone = ZoneInfo(settings.platforms[name].day_zone)
        if since is not None:
            check_since(since, parts.clock.now().astimezone(zone).date())
        limits = ChangeLimits(zone, pause_s=settings.fetcher.server_retry_interval_s)
        plan = UpdatePlan(
            platform=name,
            limits=limits,
            since=since,
            max_dates=max_dates,
            stop_grace_s=settings.fetcher.stop_grace_s,
        )
        store = PostgresStore(parts.session)
        ports = UpdatePorts(
            walk=change_ports(settings, parts),
            completing=_completing(settings, parts, limits, stop),
            operations=store,
            clock=parts.clock,
            chance=parts.chance,
        )
        outcome = await DailyUpdate(plan, ports, stop=stop).run()
        if not stop.is_set():
            reference = reference_of(settings, parts, frame_of(settings, parts, name, stop))
            await reference.keep(older_than=REFERENCE_AGE)
    return Exit.DONE if outcome.is_ok else Exit.WITH_ERRORS


def check_since(since: date, today: date) -> None:
    """Refuse a day from which no source has changes; each day on the way to today costs a request.

    Raises:
        ConfigurationError: It lies in the future, or too far back.
    """
    if since > today:
        raise ConfigurationError(f"--since {since}: lies in the future")
    if today - since > LONGEST_REPLAY:
        raise ConfigurationError(f"--since {since}: lies more than {LONGEST_REPLAY.days} days back; {READ_ANEW}")


def change_ports(settings: FetcherServiceSettings, parts: Parts) -> ChangePorts:
    """Return what a walk of a platform's changes talks to."""
    return ChangePorts(
        feed=parts.upstream,
        reader=parts.reader,
        publisher=parts.publisher,
        runs=PostgresStore(parts.session),
        changes=PostgresChangeStore(parts.session),
        display=display_of(settings, parts.clock),
        clock=parts.clock,
    )


def inquiry_of(settings: FetcherServiceSettings, parts: Parts, stop: asyncio.Event) -> OfferInquiry:
    """Return what asks about a platform's single offers."""
    own = settings.fetcher
    limits = InquiryLimits(
        policy=replace(policy_of(settings), max_retries=0),
        interval_s=own.lookup_interval_s,
        failures_to_stop=own.dead_pages_to_stop,
    )
    return OfferInquiry(parts.upstream, parts.reader, parts.clock, limits=limits, stop=stop)


def _completing(
    settings: FetcherServiceSettings, parts: Parts, limits: ChangeLimits, stop: asyncio.Event
) -> Completing:
    own = settings.fetcher
    plan = CompletingPlan(
        budget=own.lookup_budget,
        again_after=timedelta(seconds=own.lookup_again_s),
        day_zone=limits.day_zone,
        pause_s=limits.pause_s,
    )
    store = PostgresLookupStore(parts.session)
    return Completing(inquiry_of(settings, parts, stop), store, parts.publisher, parts.clock, plan=plan)


async def _perform(settings: FetcherServiceSettings, options: Options, name: str, stop: asyncio.Event) -> Exit:
    try:
        return await perform(settings, name, stop, since=options.since, max_dates=options.max_dates)
    finally:
        if not stop.is_set():
            await say_findings(settings, name)


COMMAND = Command(
    name="daily-update",
    summary="follow the changes since the last update, day after day",
    description="Follows the changes from where the last update ended, and completes offers known only in part.",
    add_options=_add_options,
    targets=chosen_platforms,
    perform=_perform,
)
