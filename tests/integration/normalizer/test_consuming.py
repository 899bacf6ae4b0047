"""`RawConsumer` on a real RabbitMQ and PostgreSQL: nothing is acknowledged before it is safe, nothing is lost."""

import asyncio
import gc
import json
from functools import partial
from urllib.parse import urlsplit

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage
from faststream.rabbit.message import RabbitMessage
from tests.integration.normalizer.proxy import alarmed, forwarding
from tests.integration.normalizer.road import (
    CLOCK,
    FailingLanding,
    Queue,
    Rows,
    a_lander,
    consuming,
    opened_queue,
    opened_store,
    until,
)

from common import topology
from common.events import PageFetched
from common.settings import DatabaseSettings
from common.testing.pages import a_page, a_record
from normalizer.core.batch import Limits
from normalizer.core.diary import Diary, NotedLanding
from normalizer.core.errors import TransientError
from sandbox.stack import Stack, Vhost

pytestmark = pytest.mark.integration


def pages(number: int, *, first: int = 1) -> list[PageFetched]:
    """Return pages of 20 offers each."""
    return [
        a_page([a_record(f"{position}-{place}") for place in range(20)], position=position)
        for position in range(first, first + number)
    ]


async def is_empty(queue: Queue, name: str = topology.RAW_QUEUE) -> bool:
    return await queue.ready(name) == 0


async def holds(queue: Queue, number: int, name: str = topology.RAW_QUEUE) -> bool:
    return await queue.ready(name) == number


async def test_a_backlog_larger_than_the_prefetch_is_landed_whole_and_none_of_it_stays_unacknowledged(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows
) -> None:
    await queue.publish(*pages(90))
    async with consuming(vhost, database):
        await until(partial(rows.are, 1800))
    assert await queue.ready() == 0
    assert await rows.ledger() == [("landed", 90, 1800, 1800, 0)]
    assert await rows.count("catalog_changes") == 1800


async def test_a_broker_that_reads_no_more_from_who_publishes_is_drained_all_the_same(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows
) -> None:
    port = urlsplit(vhost.urls["normalizer"]).port or 0
    await queue.publish(*pages(60))
    async with alarmed(port) as broker:
        url = vhost.urls["normalizer"].replace(f":{port}", f":{broker.port}")
        async with consuming(vhost, database, url=url, prefetch=20) as consumer:
            await until(partial(rows.are, 1200))
            assert broker.blocked
            broker.end_alarm()
            await consumer.stop()
    assert await queue.ready() == 0


async def test_nothing_is_acknowledged_before_the_commit_and_a_lost_connection_doubles_nothing(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows
) -> None:
    address = urlsplit(vhost.urls["normalizer"])
    async with forwarding(address.port or 0) as proxy:
        url = vhost.urls["normalizer"].replace(f":{address.port}", f":{proxy.port}")
        await queue.publish(*pages(3))
        async with rows.connection.transaction():
            await rows.connection.execute("LOCK TABLE catalog_changes IN ACCESS EXCLUSIVE MODE")
            async with consuming(vhost, database, url=url) as consumer:
                await until(partial(is_empty, queue))
                assert await rows.count("raw_data") == 0
                await proxy.cut()
                await until(partial(holds, queue, 3))
                await proxy.open()
                await until(partial(is_empty, queue))
                assert await rows.count("raw_data") == 0
                await rows.connection.execute("ROLLBACK; BEGIN")
                await until(partial(rows.are, 60))
                await until(partial(is_empty, queue))
                await consumer.stop()
        assert await queue.ready() == 0
    assert await rows.count("catalog_changes") == 60
    assert await rows.ledger() == [("landed", 3, 60, 60, 0)]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"\x00\xffnot json", "not_json", id="no JSON"),
        pytest.param(b'{"platform":"che168"}', "not_an_event", id="no event"),
        pytest.param(b"", "not_json", id="empty"),
        pytest.param(
            b'{"platform":"unheard_of","kind":"page","run_id":"r","position":1,'
            b'"fetched_at":"2026-11-20T12:00:00Z","records":[]}',
            "unknown_platform",
            id="a platform that is not configured",
        ),
    ],
)
async def test_what_is_no_page_of_ours_is_dead_lettered_with_its_reason_and_the_rest_lands(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows, body: bytes, reason: str
) -> None:
    await queue.publish_body(body, "raw.unheard_of.page", message_id="m7")
    await queue.publish(*pages(1))
    async with consuming(vhost, database):
        await until(partial(rows.are, 20))
        dead = await queue.take()
    assert await queue.ready() == 0
    assert dead.body == body
    assert dead.delivery_mode == 2
    assert (dead.message_id, dead.content_type) == ("m7", "application/json")
    assert dead.headers["x-reason"] == reason
    assert dead.headers["x-detail"]
    assert dead.headers["x-origin"] == "test"
    assert (dead.headers["x-original-exchange"], dead.headers["x-original-routing-key"]) == (
        topology.RAW_EXCHANGE,
        "raw.unheard_of.page",
    )


async def test_a_database_that_stays_away_gets_the_deliveries_back_into_the_queue_and_consuming_goes_on_by_itself(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows
) -> None:
    async with forwarding(database.port) as proxy:
        settings = database.model_copy(update={"port": proxy.port})
        async with consuming(vhost, settings, give_back_after_s=0.5) as consumer:
            await queue.publish(*pages(1))
            await until(partial(consumer.has_heard_of, 1))
            assert await rows.count("raw_data") == 20
            await proxy.cut()
            await queue.publish(*pages(5, first=2))
            await until(partial(holds, queue, 5))
            assert consumer.registry.get_sample_value("feedmill_batches_total", {"end": "away"})
            assert await rows.count("raw_data") == 20
            await proxy.open()
            await until(partial(rows.are, 120))
            await until(partial(is_empty, queue))
        assert await queue.ready() == 0
    assert await rows.ledger() == [("landed", 6, 120, 120, 0)]
    assert await rows.count("catalog_changes") == 120


async def test_a_database_that_lacks_a_column_is_said_once_and_landing_goes_on_once_it_is_mended(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    await rows.connection.execute("ALTER TABLE processed_data RENAME COLUMN mark TO brand")
    await queue.publish(*pages(30))
    async with consuming(vhost, database):
        await until(lambda: said(caplog, "Deliveries given back"))
        await until(partial(holds, queue, 30))
        await CLOCK.sleep(1.5)
        assert await queue.ready() == 30
        await rows.connection.execute("ALTER TABLE processed_data RENAME COLUMN brand TO mark")
        await until(partial(rows.are, 600))
        await until(partial(is_empty, queue))
    assert await queue.ready() == await queue.ready(topology.DEAD_QUEUE) == 0
    (error,) = (record.message for record in caplog.records if record.levelname == "ERROR")
    assert error.startswith("Database does not fit")
    assert '42703 UndefinedColumnError: column "mark"' in error


async def said(caplog: pytest.LogCaptureFixture, line: str) -> bool:
    return any(record.message.startswith(line) for record in caplog.records)


async def test_a_database_hiccup_is_sat_out_with_the_deliveries_in_hand(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows
) -> None:
    async with forwarding(database.port) as proxy:
        async with consuming(vhost, database.model_copy(update={"port": proxy.port})):
            await queue.publish(*pages(1))
            await until(partial(rows.are, 20))
            await proxy.cut()
            await queue.publish(*pages(2, first=2))
            await until(partial(is_empty, queue))
            await proxy.open()
            await until(partial(rows.are, 60))
        assert await queue.ready() == 0


async def test_a_broker_that_crashes_and_comes_back_is_consumed_again(
    stack: Stack, vhost: Vhost, database: DatabaseSettings, rows: Rows
) -> None:
    async with consuming(vhost, database):
        async with opened_queue(vhost) as queue:
            await queue.publish(*pages(2))
            await until(partial(rows.are, 40))
        await asyncio.to_thread(stack.broker.kill)
        await asyncio.to_thread(stack.up)
        async with opened_queue(vhost) as queue:
            await queue.publish(*pages(2, first=3))
            await until(partial(rows.are, 80))
            await until(partial(is_empty, queue))
    async with opened_queue(vhost) as queue:
        assert await queue.ready() == 0


async def test_a_node_that_is_away_keeps_nobody_from_the_other_one(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows
) -> None:
    port = urlsplit(vhost.urls["normalizer"]).port or 0
    async with forwarding(port) as away:
        await away.cut()
        orders = f":{away.port},127.0.0.1:{port}", f":{port},127.0.0.1:{away.port}"
        for number, both in enumerate(orders, start=1):
            await queue.publish(*pages(1, first=number))
            async with consuming(vhost, database, url=vhost.urls["normalizer"].replace(f":{port}", both)):
                await until(partial(rows.are, 20 * number))


async def test_a_lost_broker_is_said_once_and_its_return_once(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="normalizer")
    address = urlsplit(vhost.urls["normalizer"])
    async with forwarding(address.port or 0) as proxy:
        url = vhost.urls["normalizer"].replace(f":{address.port}", f":{proxy.port}")
        async with consuming(vhost, database, url=url):
            await queue.publish(*pages(1))
            await until(partial(rows.are, 20))
            await proxy.cut()
            await CLOCK.sleep(0.5)
            await proxy.open()
            await queue.publish(*pages(1, first=2))
            await until(partial(rows.are, 40))
    said = [record.message for record in caplog.records if record.message.startswith("Broker")]
    assert [line.split(" error=")[0] for line in said] == ["Broker connection lost, waiting for it", "Broker is back"]


async def are_let_go() -> bool:
    return sum(isinstance(item, RabbitMessage) for item in gc.get_objects()) < 10


async def test_a_landed_message_is_let_go_at_once_and_not_by_the_garbage_collector(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows
) -> None:
    gc.collect()
    gc.disable()
    try:
        async with consuming(vhost, database):
            await queue.publish(*pages(20))
            await until(partial(rows.are, 400))
            await until(partial(is_empty, queue))
            await until(are_let_go)
    finally:
        gc.enable()


async def test_stopping_lands_what_is_in_hand_without_waiting_for_the_linger(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows
) -> None:
    async with consuming(vhost, database, limits=Limits(weight=200, linger_s=60.0)) as consumer:
        await queue.publish(*pages(3))
        await until(partial(is_empty, queue))
        assert await rows.count("raw_data") == 0
        assert await consumer.stop() < 30
    assert await rows.count("raw_data") == 60
    assert await queue.ready() == 0


async def test_stopping_gives_back_what_cannot_be_landed_in_time(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows
) -> None:
    await queue.publish(*pages(3))
    async with rows.connection.transaction():
        await rows.connection.execute("LOCK TABLE catalog_changes IN ACCESS EXCLUSIVE MODE")
        async with consuming(vhost, database, stop_within_s=0.5) as consumer:
            await until(partial(is_empty, queue))
            assert await consumer.stop() < 30
    await until(partial(holds, queue, 3))
    assert await rows.count("raw_data") == 0


@pytest.mark.parametrize("error", [ZeroDivisionError("a defect"), TransientError("away")], ids=["defect", "outage"])
async def test_whatever_goes_wrong_the_messages_come_again_and_are_landed(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows, error: Exception
) -> None:
    await queue.publish(*pages(15))
    async with opened_store(database) as store:
        landing = FailingLanding(a_lander(store), error, times=3)
        async with consuming(vhost, database, landing=landing, give_back_after_s=0.01):
            await until(partial(rows.are, 300))
            await until(partial(is_empty, queue))
    assert landing.left == 0
    assert await queue.ready() == 0
    assert await rows.count("catalog_changes") == 300


async def test_several_consumers_share_a_queue_and_end_in_the_same_rows(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows
) -> None:
    await queue.publish(*pages(30), *pages(30))
    async with consuming(vhost, database, prefetch=10), consuming(vhost, database, prefetch=10):
        await until(partial(is_empty, queue))
        await until(partial(rows.are, 600))
    assert await queue.ready() == 0
    assert await rows.ledger() == [("landed", 30, 600, 600, 0)]
    assert await rows.count("catalog_changes") == 600


async def test_a_busy_period_is_one_row_of_the_operations_log(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows
) -> None:
    await queue.publish(*pages(3))
    async with opened_store(database) as store:
        diary = Diary(store, clock=CLOCK)
        landing = NotedLanding(a_lander(store), diary, clock=CLOCK)
        async with consuming(vhost, database, landing=landing):
            await until(partial(rows.are, 60))
            await until(partial(is_empty, queue))
        await diary.write()
    found = await rows.connection.fetch("SELECT operation_type, status, details, platform, counts FROM operations_log")
    ((kind, status, details, platform, counts),) = found
    assert (kind, status, details, platform) == ("normalization", "OK", "normalised 60 records", "che168")
    assert json.loads(counts) == {"inserted": 60, "pages": 3, "records": 60, "told.che168": 60}


async def test_who_follows_the_catalogue_hears_of_changes_after_their_commit(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows
) -> None:
    async with await aio_pika.connect(vhost.urls["gateway"]) as connection:
        channel = await connection.channel()
        name = topology.catalog_queue("test")
        inbox = await channel.declare_queue(name, exclusive=True)
        await inbox.bind(topology.CATALOG_EXCHANGE, "catalog.#")
        await queue.publish(*pages(2))
        async with consuming(vhost, database):
            await until(partial(rows.are, 40))
            await until(partial(is_empty, queue))
            heard: list[AbstractIncomingMessage] = []

            async def is_heard() -> bool:
                heard.extend([message] if (message := await inbox.get(fail=False)) else [])
                return bool(sum(json.loads(message.body)["changes"] for message in heard) == 40)

            await until(is_heard)
        assert {message.routing_key for message in heard} == {"catalog.che168.changed"}
        assert {json.loads(message.body)["platform"] for message in heard} == {"che168"}
        assert await rows.count("catalog_changes") == 40


async def test_a_record_of_many_megabytes_ends_in_quarantine_and_its_page_is_accounted_for(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows
) -> None:
    giant = a_page([a_record("1", {"description": "x" * 7 * 2**20})], position=1)
    await queue.publish(giant, *pages(2, first=2))
    async with consuming(vhost, database):
        await until(partial(rows.are, 40))
        await until(partial(rows.are, 1, "quarantine WHERE reason = 'too_large'"))
        await until(partial(is_empty, queue))
    assert await queue.ready() == await queue.ready(topology.DEAD_QUEUE) == 0
    assert await rows.ledger() == [("landed", 3, 41, 40, 1)]


async def test_records_that_cannot_be_stored_never_stop_the_queue(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows
) -> None:
    flagged = "raw_data WHERE NOT is_processed AND error_count = 1 AND last_error LIKE '23514%'"
    await rows.connection.execute("ALTER TABLE processed_data ADD CONSTRAINT poison CHECK (mark <> 'poison')")
    spoilt = [
        a_page([a_record(f"{position}-{place}", {"mark": "poison"}) for place in range(20)], position=position)
        for position in range(11, 21)
    ]
    refused = a_page([a_record("21-0", b'{"n":1e131073}'), a_record("21-1")], position=21)
    await queue.publish(*pages(10), *spoilt, refused, *pages(10, first=22))
    async with consuming(vhost, database):
        await until(partial(rows.are, 401, "processed_data"))
        await until(partial(rows.are, 200, flagged))
        await until(partial(is_empty, queue))
    assert await queue.ready() == 0
    assert await queue.ready(topology.DEAD_QUEUE) == 0
    assert await rows.ledger() == [("landed", 31, 602, 601, 1)]
