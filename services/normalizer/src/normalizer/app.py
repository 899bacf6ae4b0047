"""The composition root: settings, pool, consumer; opened in order and closed in reverse."""

import asyncio
import hashlib
import logging
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Final

from common import contacts, log, memory, metrics, topology, tracing
from common.broker_nodes import Nodes, shuffled, with_query
from common.clock import Clock, SystemClock
from common.db.session import create_pool
from common.errors import ConfigurationError
from common.log import fields
from common.settings import PlatformSettings
from common.signals import StopSignals
from normalizer import core
from normalizer.adapters.postgres import PostgresStore, prepare
from normalizer.core.batch import Limits
from normalizer.core.diary import Diary, Landing, NotedLanding, kept
from normalizer.core.errors import TransientError
from normalizer.core.land import Lander
from normalizer.core.offers.record import PlatformProfile
from normalizer.core.ports import Selection, Store
from normalizer.core.products.record import ShopProfile
from normalizer.core.profiles import Profiles
from normalizer.core.replay import Rehearsal, Replay
from normalizer.entrypoints.cli import DONE, FAILED, Renormalizing
from normalizer.entrypoints.dead_letters import Wish, replay
from normalizer.entrypoints.metrics import ConsumerMetrics
from normalizer.entrypoints.subscriber import Consumption, RawConsumer
from normalizer.entrypoints.tracing import ConsumerTracing
from normalizer.settings import NormalizerSettings

_log = logging.getLogger(__name__)

SERVICE: Final = "normalizer"
LAST_WORD_S: Final = 1.0
"""Seconds for the last row of `operations_log`."""
TELL_EVERY_S: Final = 5.0
"""Seconds between two lines about a replay."""


def profile(platform: PlatformSettings) -> PlatformProfile:
    """Return what the normaliser needs to know of a platform."""
    return PlatformProfile(
        currency=platform.currency,
        price_field=platform.price_field,
        price_multiplier=platform.price_multiplier,
        full_price_field=platform.full_price_field,
        power_field=platform.power_field,
        displacement_unit=platform.displacement_unit,
        registration_field=platform.registration_field,
        extras_field=platform.extras_field,
        renames=dict(platform.changed_fields),
    )


def profiles(settings: NormalizerSettings) -> Profiles:
    """Return what the normaliser needs to know of every platform, of either family."""
    offers = {name: profile(platform) for name, platform in settings.platforms.items()}
    return offers | {name: ShopProfile(currency=shop.currency) for name, shop in settings.shops.items()}


def mapping(known: Profiles) -> str:
    """Return a digest of what makes rows of the catalogue of landed ones: the profiles and the code that reads them."""
    code = [Path(contacts.__file__), *sorted(Path(core.__path__[0]).rglob("*.py"))]
    made_of = [repr(sorted(known.items())), *(file.read_text(encoding="utf-8") for file in code)]
    return hashlib.sha256("\0".join(made_of).encode()).hexdigest()


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
        stop, clock, own = _stop_on_signals(), SystemClock(), self._settings.normalizer
        registry = metrics.new_registry(SERVICE)
        serving = metrics.served(registry, host=own.metrics_host, port=own.metrics_port)
        with tracing.opened(self._settings.tracing, service=SERVICE):
            async with self._store() as store:
                diary = Diary(store, clock=clock)
                consumer = self._consumer(store, diary, clock, ConsumerMetrics(registry))
                memory.settle()
                with serving:
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

    async def renormalize(self, how: Renormalizing) -> int:
        """Normalise landed rows anew, or say what that would change; 1 if some of them cannot be or time is up.

        Raises:
            ConfigurationError: The platform is not configured.
        """
        known = profiles(self._settings)
        if how.platform is not None and how.platform not in known:
            raise ConfigurationError(f"--platform {how.platform}: not configured; known: {', '.join(sorted(known))}")
        stop, clock = _stop_on_signals(), SystemClock()
        async with self._store() as store:
            wanted = Selection(how.platform, how.inner_id)
            replay_of = Replay(store, known, wanted, batch_size=how.batch_size, mapping=mapping(known))
            try:
                if how.is_rehearsal:
                    return await _rehearsed(replay_of, stop)
                return await _replayed(replay_of, Diary(store, clock=clock), stop, clock, platform=how.platform)
            except TransientError as error:
                _log.error(fields("Database does not answer; the next start goes on there", error=error))
                return FAILED

    async def replay_dead(self, wish: Wish) -> int:
        """Land the dead letters that are meant; 1 if some of them are no event even now, or cannot be landed."""
        how, clock = self._consumption(), SystemClock()
        async with self._store() as store:
            diary = Diary(store, clock=clock)
            landing = NotedLanding(self._lander(store), diary, clock=clock)
            try:
                counts = await replay(how.nodes, wish, platforms=how.platforms, land=landing.land)
                await diary.write()
            except TransientError as error:
                _log.error(fields("Database does not answer", error=error))
                return FAILED
        ends = {name: counts[name] for name in ("replayed", "invalid", "failed", "others")}
        _log.info(fields("Replayed dead letters", **ends))
        return FAILED if counts["invalid"] or counts["failed"] else DONE

    @asynccontextmanager
    async def _store(self) -> AsyncIterator[PostgresStore]:
        database = self._settings.database
        # A batch that waits for a connection longer than it may is landed again, as if the database were away.
        least = self._settings.normalizer.transactions_in_flight + 1
        database = database.model_copy(update={"pool_size": max(database.pool_size, least)})
        async with create_pool(database, application=self._name, prepare=prepare) as pool:
            yield PostgresStore(pool, acquire_within_s=database.connect_timeout_s)

    def _consumer(self, store: PostgresStore, diary: Diary, clock: Clock, numbers: ConsumerMetrics) -> RawConsumer:
        how, spans = self._consumption(), tracing.current()
        traces = None if spans is None else ConsumerTracing(spans)
        lander = self._lander(store if traces is None else traces.store(store))
        landing: Landing = NotedLanding(lander, diary, clock=clock)
        if traces is not None:
            how, landing = replace(how, middlewares=(traces.middleware,)), traces.landing(landing)
        return RawConsumer(
            how,
            landing=landing,
            database=store,
            clock=clock,
            random=Random(),  # noqa: S311 - jitter
            metrics=numbers,
        )

    def _lander(self, store: Store) -> Lander:
        return Lander(store, profiles(self._settings))

    def _consumption(self) -> Consumption:
        own, broker = self._settings.normalizer, self._settings.rabbitmq
        chance = Random()  # noqa: S311 - spreads load
        return Consumption(
            nodes=Nodes(with_query(shuffled(broker.url.get_secret_value(), chance), name=self._name)),
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


async def _rehearsed(replay_of: Replay, stop: asyncio.Event) -> int:
    rehearsal = Rehearsal()
    after: int | None = 0
    while after is not None and not stop.is_set():
        after = await replay_of.rehearse(after, rehearsal)
    _log.info(fields("Looked, changed nothing", records=replay_of.counts["records"], errors=replay_of.counts["errors"]))
    for line in rehearsal.lines():
        _log.info("%s", line)
    return FAILED if replay_of.counts["errors"] or after is not None else DONE


async def _replayed(replay_of: Replay, diary: Diary, stop: asyncio.Event, clock: Clock, *, platform: str | None) -> int:
    began_s = told_s = clock.monotonic()
    after: int | None = await replay_of.position()
    if after:
        _log.info(fields("Going on with the replay that did not end", after=after))
    while after is not None and not stop.is_set():
        after = await replay_of.step(after)
        if clock.monotonic() - told_s >= TELL_EVERY_S:
            told_s = clock.monotonic()
            _log.info(
                fields("Normalising anew", records=replay_of.counts["records"], changed=replay_of.counts["changed"])
            )
    counts = replay_of.counts
    diary.note(counts, platforms={platform} if platform else set(), took_s=clock.monotonic() - began_s)
    await diary.write()
    said = "Normalised anew" if after is None else "Stopped; the next start goes on there"
    _log.info(fields(said, records=counts["records"], changed=counts["changed"], errors=counts["errors"]))
    return FAILED if counts["errors"] or after is not None else DONE


def configure_logging(settings: NormalizerSettings) -> None:
    """Send log lines where the settings say; what libraries say at every attempt to reconnect is said once by us."""
    log.configure(SERVICE, level=settings.log.level, directory=settings.log.directory)
    logging.getLogger("faststream").setLevel(logging.WARNING)
    for repetitive in ("aiormq.connection", "aio_pika.robust_connection", "aio_pika.tools"):
        logging.getLogger(repetitive).setLevel(logging.CRITICAL)


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    StopSignals(stop, finishing="the batches in hand").install(asyncio.get_running_loop())
    return stop
