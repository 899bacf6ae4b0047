"""`fetcher retry-gaps`."""

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta

from fetcher.commands.command import Command, Options, add_platform_option, chosen_platforms
from fetcher.commands.parts import load_ports_of, opened, policy_of, walk_limits_of
from fetcher.core.reading import UNWATCHED, RequestWatch
from fetcher.core.retry_gaps import RetryGaps, RetryPlan
from fetcher.entrypoints.cli import Exit
from fetcher.settings import FetcherServiceSettings

_log = logging.getLogger(__name__)


async def perform(
    settings: FetcherServiceSettings, name: str, stop: asyncio.Event, *, watch: RequestWatch = UNWATCHED
) -> Exit:
    """Ask again for every missing page of a platform.

    Raises:
        FeedmillError: Why it could not go on.
    """
    own = settings.fetcher
    plan = RetryPlan(
        platform=name,
        patience=replace(policy_of(settings), max_retries=own.gap_retries),
        limits=walk_limits_of(settings, name),
        lost_after=timedelta(seconds=own.lost_after_s),
        stop_grace_s=own.stop_grace_s,
    )
    async with opened(settings, name, watch) as parts:
        outcome = await RetryGaps(plan, load_ports_of(settings, parts), stop=stop).run()
    if not outcome.missing:
        _log.info("no page of %s is missing", name)
    return Exit.WITH_ERRORS if outcome.remaining else Exit.DONE


async def _perform(settings: FetcherServiceSettings, _: Options, name: str, stop: asyncio.Event) -> Exit:
    return await perform(settings, name, stop)


COMMAND = Command(
    name="retry-gaps",
    summary="ask again for the pages that are missing",
    description="Asks again for every page that stayed unavailable, and for those whose messages were lost.",
    add_options=add_platform_option,
    targets=chosen_platforms,
    perform=_perform,
)
