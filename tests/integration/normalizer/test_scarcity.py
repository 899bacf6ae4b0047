"""What a database lacks it may lack for hours while it answers: no message is blamed for that."""

from collections.abc import AsyncIterator
from functools import partial

import asyncpg
import pytest
from tests.integration.normalizer.road import Consuming, Queue, Rows, consuming, until
from tests.lent import connected

from common import topology
from common.settings import DatabaseSettings
from common.testing.pages import a_page, a_record
from normalizer.core.batch import Limits
from sandbox.stack import Stack, Vhost

pytestmark = pytest.mark.integration

ONE_REDELIVERY = {"pattern": "^normalizer\\.raw$", "priority": 20, "definition": {"delivery-limit": 1}}
LOCKED = """
INSERT INTO raw_data (platform, inner_id, change_type, data, source, max_seq)
VALUES ('che168', 'locked', 'added', '{}', 'initial_load', 0)
"""


@pytest.fixture
async def row_lock(database: DatabaseSettings) -> AsyncIterator[asyncpg.transaction.Transaction]:
    """A stranger's transaction that holds the row of one offer."""
    async with connected(database) as stranger:
        transaction = stranger.transaction()
        await transaction.start()
        await stranger.execute(LOCKED)
        yield transaction


async def held(consumer: Consuming, times: int) -> bool:
    return (consumer.registry.get_sample_value("feedmill_batches_total", {"end": "held"}) or 0) >= times


async def test_a_batch_that_an_answering_database_does_not_take_is_held_and_its_neighbours_land(
    stack: Stack,
    vhost: Vhost,
    database: DatabaseSettings,
    queue: Queue,
    rows: Rows,
    row_lock: asyncpg.transaction.Transaction,
) -> None:
    stack.broker.management().put("policies", vhost.name, "strict", body=ONE_REDELIVERY)
    await queue.publish(a_page([a_record("locked")]), *(a_page([a_record(f"{n}")], position=n) for n in range(2, 30)))
    impatient = database.model_copy(update={"lock_timeout_s": 0.02})
    async with consuming(vhost, impatient, give_back_after_s=0.01, limits=Limits(weight=1, linger_s=0)) as consumer:
        await until(partial(held, consumer, 5))
        await until(partial(rows.are, 28))
        await row_lock.rollback()
        await until(partial(rows.are, 29))
    assert await queue.ready() == await queue.ready(topology.DEAD_QUEUE) == 0
    assert await rows.ledger() == [("landed", 29, 29, 29, 0)]
    assert await rows.count("catalog_changes") == 29
