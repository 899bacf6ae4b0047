"""`RawConsumer` is told to stop while a server is away or says nothing: it ends in time, and nothing is lost."""

from functools import partial
from urllib.parse import urlsplit

import pytest
from tests.integration.normalizer.proxy import forwarding
from tests.integration.normalizer.road import CLOCK, Queue, Rows, consuming, until
from tests.integration.normalizer.test_consuming import holds, is_empty, pages, said

from common.settings import DatabaseSettings
from sandbox.stack import Vhost

pytestmark = pytest.mark.integration

MOST_S = 30
"""The drivers wait for a minute and longer."""


async def test_neither_a_database_nor_a_broker_that_says_nothing_any_more_holds_up_the_end(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows
) -> None:
    port = urlsplit(vhost.urls["normalizer"]).port or 0
    async with forwarding(database.port) as before_database, forwarding(port) as before_broker:
        settings = database.model_copy(update={"port": before_database.port})
        url = vhost.urls["normalizer"].replace(f":{port}", f":{before_broker.port}")
        began_s = CLOCK.monotonic()
        async with consuming(vhost, settings, stop_within_s=0.2) as consumer:
            await queue.publish(*pages(1))
            await until(partial(rows.are, 20))
            await until(partial(consumer.has_heard_of, 1))
            before_database.hold_up()
            await queue.publish(*pages(1, first=2))
            await until(partial(is_empty, queue))
            await CLOCK.sleep(0.2)
            await consumer.stop()
        assert CLOCK.monotonic() - began_s < MOST_S
        await until(partial(holds, queue, 1))
        async with consuming(vhost, database, url=url, stop_within_s=0.2) as consumer:
            await until(partial(rows.are, 40))
            before_broker.hold_up()
            assert await consumer.stop() < MOST_S


async def test_who_waits_for_a_server_to_come_back_stops_without_waiting(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    port = urlsplit(vhost.urls["normalizer"]).port or 0
    async with forwarding(port) as proxy:
        await proxy.cut()
        url = vhost.urls["normalizer"].replace(f":{port}", f":{proxy.port}")
        async with consuming(vhost, database, url=url, reconnect_interval_s=60) as consumer:
            await until(lambda: said(caplog, "Broker away"))
            assert await consumer.stop() < MOST_S
        await queue.publish(*pages(1))
        settings = database.model_copy(update={"port": proxy.port})
        async with consuming(vhost, settings, give_back_after_s=0.1, reconnect_interval_s=60) as consumer:
            await until(lambda: said(caplog, "Deliveries given back"))
            assert await consumer.stop() < MOST_S
