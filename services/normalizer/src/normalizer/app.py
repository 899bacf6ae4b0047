"""The composition root: settings, pool, consumer; opened in order and closed in reverse."""

import asyncio
import gc
import logging
import os
import signal
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Final

from yarl import URL

from common import log, topology
from common.clock import SystemClock
from common.db.session import create_pool
from common.log import fields
from common.settings import PlatformSettings
from normalizer.adapters.postgres import PostgresStore
from normalizer.core.batch import Limits
from normalizer.core.diary import Diary, NotedLanding, kept
from normalizer.core.errors import TransientError
from normalizer.core.land import Lander
from normalizer.core.offers.record import PlatformProfile
from normalizer.core.products.record import ShopProfile
from normalizer.core.profiles import Profiles
from normalizer.entrypoints.cli import DONE, FAILED
from normalizer.entrypoints.dead_letters import Wish, replay
from normalizer.entrypoints.subscriber import Consumption, RawConsumer
from normalizer.settings import NormalizerSettings

_log = logging.getLogger(__name__)

SERVICE: Final = "normalizer"
SECOND_SIGNAL: Final = 130
LAST_WORD_S: Final = 1.0
"""Seconds for the last row of `operations_log`."""
GC_THRESHOLD: Final = (10_000, 10, 10)
"""Batches make many short-lived objects; the default threshold would scan them all every few records."""


def profile(platform: PlatformSettings) -> PlatformProfile:
    """Return what the normaliser needs to know of a platform."""
    return PlatformProfile(
        currency=platform.currency,
        price_field=platform.price_field,
        price_multiplier=platform.price_multiplier,
        power_field=platform.power_field,
        displacement_unit=platform.displacement_unit,
        registration_field=platform.registration_field,
        renames=dict(platform.changed_fields),
    )


def profiles(settings: NormalizerSettings) -> Profiles:
    """Return what the normaliser needs to know of every platform, of either family."""
    offers = {name: profile(platform) for name, platform in settings.platforms.items()}
    return offers | {name: ShopProfile(currency=shop.currency) for name, shop in settings.shops.items()}


class App:
    """The normalizer with its settings.

    Args:
        settings: Read and checked.
    """

    def __init__(self, settings: NormalizerSettings) -> None:
        self._settings = settings
        self._name = topology.connection_name(SERVICE, socket.gethostname())

    async def run(self) -> int:
        """Consume until SIGTERM or SIGINT; a second signal ends at once, which is as safe as a crash."""
        stop, clock = _stop_on_signals(), SystemClock()
        async with self._store() as store:
            diary = Diary(store, clock=clock)
            consumer = RawConsumer(
                self._consumption(),
                landing=NotedLanding(self._lander(store), diary, clock=clock),
                database=store,
                clock=clock,
                random=Random(),  # noqa: S311 - jitter
            )
            gc.collect()
            gc.freeze()
            gc.set_threshold(*GC_THRESHOLD)
            await kept(diary, asyncio.ensure_future(consumer.run(stop)), last_word_s=LAST_WORD_S)
        _log.info("Stopped")
        return DONE

    async def normalize(self, batch_size: int) -> int:
        """Normalise rows that wait, `batch_size` a transaction; 1 if some of them cannot be."""
        counts: Counter[str] = Counter()
        clock = SystemClock()
        async with self._store() as store:
            lander, diary, after = self._lander(store), Diary(store, clock=clock), 0
            try:
                while True:
                    began_s = clock.monotonic()
                    keys, after = await store.pending(limit=batch_size, after=after)
                    if not keys:
                        break
                    found = Counter(rows=len(keys), records=len(keys)) + await lander.normalise(keys)
                    counts.update(found)
                    diary.note(found, platforms={key.platform for key in keys}, took_s=clock.monotonic() - began_s)
                await diary.write()
            except TransientError as error:
                _log.error(fields("Database does not answer", error=error))
                return FAILED
        _log.info(fields("Normalised", rows=counts["rows"], errors=counts["errors"]))
        return FAILED if counts["errors"] else DONE

    async def replay_dead(self, wish: Wish) -> int:
        """Land the dead letters that are meant; 1 if some of them are no event even now."""
        how = self._consumption()
        async with self._store() as store:
            try:
                counts = await replay(how.url, wish, platforms=how.platforms, land=self._lander(store).land)
            except TransientError as error:
                _log.error(fields("Database does not answer", error=error))
                return FAILED
        _log.info(fields("Replayed dead letters", **{name: counts[name] for name in ("replayed", "invalid", "others")}))
        return FAILED if counts["invalid"] else DONE

    @asynccontextmanager
    async def _store(self) -> AsyncIterator[PostgresStore]:
        database = self._settings.database
        async with create_pool(database, application=self._name) as pool:
            yield PostgresStore(pool, acquire_within_s=database.connect_timeout_s)

    def _lander(self, store: PostgresStore) -> Lander:
        return Lander(store, profiles(self._settings))

    def _consumption(self) -> Consumption:
        own, broker = self._settings.normalizer, self._settings.rabbitmq
        return Consumption(
            url=str(URL(broker.url.get_secret_value()).update_query(name=self._name)),
            platforms=frozenset(profiles(self._settings)),
            limits=Limits(weight=own.batch_records, linger_s=own.linger_s),
            in_flight=own.transactions_in_flight,
            prefetch=own.prefetch_messages,
            give_back_after_s=own.give_back_after_s,
            stop_within_s=own.stop_within_s,
            stalled_after_s=own.stalled_after_s,
            reconnect_interval_s=broker.reconnect_interval_s,
            publish_timeout_s=broker.publish_timeout_s,
        )


def configure_logging(settings: NormalizerSettings) -> None:
    """Send log lines where the settings say; what libraries say at every attempt to reconnect is said once by us."""
    log.configure(SERVICE, level=settings.log.level, directory=settings.log.directory)
    logging.getLogger("faststream").setLevel(logging.WARNING)
    for repetitive in ("aiormq.connection", "aio_pika.robust_connection", "aio_pika.tools"):
        logging.getLogger(repetitive).setLevel(logging.CRITICAL)


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(SECOND_SIGNAL)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    return stop
