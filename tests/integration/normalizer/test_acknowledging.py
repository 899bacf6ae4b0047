"""Which messages `RawConsumer` acknowledges when batches end in another order than they began."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from urllib.parse import urlsplit

import pytest
from tests.integration.normalizer.proxy import forwarding
from tests.integration.normalizer.road import CLOCK, Queue, Rows, a_lander, consuming, opened_store, until
from tests.integration.normalizer.test_consuming import holds, is_empty, pages

from common.events import PageFetched
from common.settings import DatabaseSettings
from normalizer.core.batch import Limits
from normalizer.entrypoints.subscriber import Landing
from sandbox.stack import Vhost

pytestmark = pytest.mark.integration


class Gated:
    """Lands a batch once its gate is open; batches have their gates in the order in which they begin."""

    def __init__(self, landing: Landing, *gates: asyncio.Event) -> None:
        self._landing = landing
        self._gates = list(gates)
        self.begun = 0

    async def land(self, pages: Sequence[PageFetched], /) -> Mapping[str, int]:
        """Wait and land."""
        gate = self._gates[self.begun]
        self.begun += 1
        await gate.wait()
        return await self._landing.land(list(pages))

    async def has_begun(self, number: int) -> bool:
        """Return whether so many batches have begun."""
        return self.begun >= number


def opened() -> asyncio.Event:
    gate = asyncio.Event()
    gate.set()
    return gate


async def test_a_batch_that_is_done_acknowledges_no_message_of_one_that_is_not(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows
) -> None:
    async with opened_store(database) as store:
        landing = Gated(a_lander(store), asyncio.Event(), opened())
        await queue.publish(*pages(20))
        two_full = Limits(weight=200, linger_s=60)
        async with consuming(vhost, database, landing=landing, limits=two_full, stop_within_s=0.3) as consumer:
            await until(partial(rows.are, 200))
            await CLOCK.sleep(0.2)
            await consumer.stop()
    await until(partial(holds, queue, 10))
    assert await rows.count("raw_data") == 200


async def test_what_was_delivered_before_a_reconnect_is_never_acknowledged_on_the_new_channel(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows
) -> None:
    """The new channel counts its deliveries from 1 again, so a stale acknowledgement would hit another message."""
    address = urlsplit(vhost.urls["normalizer"])
    stale = asyncio.Event()
    async with forwarding(address.port or 0) as proxy, opened_store(database) as store:
        url = vhost.urls["normalizer"].replace(f":{address.port}", f":{proxy.port}")
        landing = Gated(a_lander(store), stale, asyncio.Event())
        await queue.publish(*pages(3))
        async with consuming(vhost, database, url=url, landing=landing, stop_within_s=0.3) as consumer:
            await until(partial(landing.has_begun, 1))
            await proxy.cut()
            await until(partial(holds, queue, 3))
            await proxy.open()
            await until(partial(landing.has_begun, 2))
            await until(partial(is_empty, queue))
            stale.set()
            await until(partial(rows.are, 60))
            await CLOCK.sleep(0.2)
            await consumer.stop()
        await until(partial(holds, queue, 3))
