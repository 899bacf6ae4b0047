"""`fetcher shop-sync`."""

import argparse
import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Final

from common import log
from common.clock import SystemClock
from common.errors import ConfigurationError
from fetcher.adapters.http_json import BoundedHttp
from fetcher.adapters.known_products import LandedProducts
from fetcher.adapters.postgres import PostgresStore
from fetcher.adapters.shop import HttpShop
from fetcher.adapters.tracing import traced_http
from fetcher.commands.command import Command, Options
from fetcher.commands.parts import policy_of, publisher_of, session_of
from fetcher.core.reading import UNWATCHED, PatientReader, RequestWatch
from fetcher.core.retry import RetryPolicy
from fetcher.core.snapshot import Snapshot, SnapshotPlan, SnapshotPorts
from fetcher.entrypoints.cli import Exit
from fetcher.settings import FetcherServiceSettings, shop_address_of

MIN_INTERVAL_S: Final = 0.2
"""Seconds between the starts of two requests to one shop."""


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--shop", metavar="NAME", help="one shop; default: all that are enabled and have an address")
    parser.add_argument("--force", action="store_true", help="remove what has gone, however much it is")


def chosen_shops(settings: FetcherServiceSettings, options: Options) -> list[str]:
    """Return the shop of `--shop`, or all that are enabled and have an address.

    Raises:
        ConfigurationError: It is not configured, or no shop has an address.
    """
    name: str | None = options.shop
    if name is not None and name not in settings.shops:
        raise ConfigurationError(f"--shop {name}: not configured; known: {', '.join(sorted(settings.shops))}")
    enabled = [name] if name is not None else sorted(key for key, shop in settings.shops.items() if shop.enabled)
    found = [key for key in enabled if name is not None or settings.shops[key].url.get_secret_value()]
    if enabled and not found:
        shop_address_of(enabled[0], settings.shops[enabled[0]])  # says what is missing
    return found


async def perform(
    settings: FetcherServiceSettings,
    name: str,
    stop: asyncio.Event,
    *,
    force: bool = False,
    watch: RequestWatch = UNWATCHED,
) -> Exit:
    """Take a snapshot of a shop: publish what both lists show, and remove what neither does.

    Raises:
        FeedmillError: Why it could not go on.
    """
    shop, own = settings.shops[name], settings.fetcher
    plan = SnapshotPlan(
        shop=name,
        most_gone=shop.most_gone,
        force=force,
        lost_after=timedelta(seconds=own.lost_after_s),
        stop_grace_s=own.stop_grace_s,
        pause_s=own.server_retry_interval_s,
    )
    async with opened_shop(settings, name, watch) as ports:
        outcome = await Snapshot(plan, ports, stop=stop).run()
    return Exit.WITH_ERRORS if outcome.errors else Exit.DONE


@asynccontextmanager
async def opened_shop(
    settings: FetcherServiceSettings, name: str, watch: RequestWatch = UNWATCHED
) -> AsyncIterator[SnapshotPorts]:
    """Open what a snapshot talks to; the lock first, so that a second start disturbs nobody.

    Raises:
        AlreadyRunningError: Another fetcher works on this shop.
        UnavailableError: Database or broker do not answer.
        ConfigurationError: Nothing says where the shop is.
    """
    own, clock = settings.fetcher, SystemClock()
    chance = random.Random()  # noqa: S311 - spreads retries, guards nothing
    address = shop_address_of(name, settings.shops[name])
    log.hide(address.secrets)
    http = BoundedHttp(
        address.base_url,
        parameters=address.parameters,
        deadline_s=own.request_timeout_s,
        max_body_bytes=own.max_body_bytes,
        clock=clock,
        authorization=address.authorization,
    )
    reader = PatientReader(
        platform=name,
        policy=patience_with(settings, name),
        min_interval_s=MIN_INTERVAL_S,
        clock=clock,
        chance=chance,
        watch=watch,
    )
    async with AsyncExitStack() as exits:
        session = await exits.enter_async_context(session_of(settings, name))
        publisher = await exits.enter_async_context(publisher_of(settings))
        await exits.enter_async_context(http)
        store = PostgresStore(session)
        yield SnapshotPorts(
            shop=HttpShop(traced_http(http, address.base_url)),
            reader=reader,
            publisher=publisher,
            store=store,
            known=LandedProducts(session),
            operations=store,
            clock=clock,
            chance=chance,
        )


def patience_with(settings: FetcherServiceSettings, name: str) -> RetryPolicy:
    """Return how long a list is tried again: until the next snapshot is due, which asks for it anew."""
    usual = policy_of(settings)
    return replace(usual, window_s=min(usual.window_s, settings.shops[name].interval_s))


async def _perform(settings: FetcherServiceSettings, options: Options, name: str, stop: asyncio.Event) -> Exit:
    return await perform(settings, name, stop, force=options.force)


COMMAND = Command(
    name="shop-sync",
    summary="take a snapshot of a shop: both lists, and what is gone is removed",
    description="Reads both lists of a shop, publishes every product, and removes those that neither list shows.",
    add_options=_add_options,
    targets=chosen_shops,
    perform=_perform,
)
