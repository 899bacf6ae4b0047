"""Several landers on the same rows at once: no deadlock, no lost update, no doubled effect.

`--hot-batches`: how many batches meet on the hot rows; `make chaos` takes 1,000.
"""

import asyncio
from random import Random

import pytest
from tests.integration.normalizer.road import CLOCK, PROFILES, Rows, a_lander, opened_store, until

from common.events import PageFetched, PageKind
from common.settings import DatabaseSettings
from common.testing.pages import a_change, a_page, a_record
from normalizer.adapters.postgres import PostgresStore
from normalizer.core.errors import TransientError
from normalizer.core.ports import Key, Selection
from normalizer.core.replay import Replay

pytestmark = pytest.mark.integration

HOT_ROWS = 2_000
LANDERS = 4


def a_batch(seed: int) -> list[PageFetched]:
    """Return changes of 200 of the hot rows, in an order of its own."""
    chance = Random(seed)  # noqa: S311 - only an order
    chosen = chance.sample(range(HOT_ROWS), 200)
    records = [a_change(f"{number:04}", 1000 + seed, new_price=seed, km_age=seed) for number in chosen]
    return [
        a_page(records[start : start + 20], kind=PageKind.CHANGE, position=1000 * seed + start)
        for start in range(0, 200, 20)
    ]


async def deadlocks(rows: Rows) -> int:
    """Return how many this database has seen; sessions report when they end."""
    number: int = await rows.connection.fetchval(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )
    return number


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("known", [True, False], ids=["known rows", "unknown rows"])
async def test_landers_on_the_same_hot_rows_in_any_order_never_deadlock(
    database: DatabaseSettings, rows: Rows, request: pytest.FixtureRequest, *, known: bool
) -> None:
    batches: int = request.config.getoption("--hot-batches")
    failures: list[TransientError] = []
    async with opened_store(database) as store:
        if known:
            offers = [a_record(f"{number:04}", {"mark": "BMW", "price": 1}) for number in range(HOT_ROWS)]
            await a_lander(store).land([a_page(offers[at : at + 20], position=at + 1) for at in range(0, HOT_ROWS, 20)])

        async def land(first: int) -> None:
            lander = a_lander(store)
            for seed in range(first, batches + 1, LANDERS):
                try:
                    await lander.land(a_batch(seed))
                except TransientError as error:
                    failures.append(error)

        await asyncio.gather(*(land(first) for first in range(1, LANDERS + 1)))
    assert failures == []
    assert await deadlocks(rows) == 0
    newest = {f"{number:04}": seed for seed in range(1, batches + 1) for number in chosen(seed)}
    found = await rows.connection.fetch(
        "SELECT inner_id, (data->>'price')::int, (data->>'km_age')::int FROM raw_data WHERE max_seq >= 1000"
    )
    assert {row[0]: (row[1], row[2]) for row in found} == {number: (seed, seed) for number, seed in newest.items()}


def chosen(seed: int) -> set[int]:
    """Return which rows a batch changes."""
    return set(Random(seed).sample(range(HOT_ROWS), 200))  # noqa: S311 - only an order


@pytest.mark.parametrize("how", ["lock_rows", "lock_unprocessed"])
async def test_rows_are_locked_in_their_order_in_whatever_order_they_are_stored_and_asked_for(
    database: DatabaseSettings, rows: Rows, how: str
) -> None:
    keys = [Key("che168", number) for number in "321"]

    async def lock(store: PostgresStore) -> None:
        async with store.transaction() as transaction:
            await getattr(transaction, how)(keys)

    async with opened_store(database) as store:
        for position, key in enumerate(keys, start=1):
            await a_lander(store).land([a_page([a_record(key.inner_id)], position=position)])
        await rows.connection.execute("UPDATE raw_data SET is_processed = false")
        async with rows.connection.transaction():
            await rows.connection.execute("SELECT FROM raw_data WHERE inner_id = '1' FOR UPDATE")
            locking = asyncio.create_task(lock(store))
            await until(rows.somebody_waits)
            free = await rows.connection.fetch("SELECT inner_id FROM raw_data FOR UPDATE SKIP LOCKED")
        await locking
    assert {row[0] for row in free} == {"1", "2", "3"}, "who waits for the first row holds another"


async def test_the_same_message_landed_twice_at_once_has_its_effect_once(
    database: DatabaseSettings, rows: Rows
) -> None:
    async with opened_store(database) as first, opened_store(database) as second:
        for position in range(1, 11):
            page = a_page([a_record(f"{position}-{place}") for place in range(20)], position=position)
            counts = await asyncio.gather(*(a_lander(store).land([page]) for store in (first, second)))
            assert sorted(found["inserted"] for found in counts) == [0, 20]
    assert await rows.count("raw_data") == await rows.count("catalog_changes") == 200
    assert await rows.ledger() == [("landed", 10, 200, 200, 0)]


async def test_a_change_that_lands_while_its_row_is_normalised_is_not_lost(
    database: DatabaseSettings, rows: Rows
) -> None:
    async with opened_store(database) as store:
        lander = a_lander(store)
        await lander.land([a_page([a_record("1", {"price": 0, "mark": "BMW"})])])
        for seq in range(1000, 1030):
            await rows.connection.execute("UPDATE raw_data SET is_processed = false")
            keys, _ = await store.pending(limit=10, after=0)
            page = a_page([a_change("1", seq, new_price=seq)], kind=PageKind.CHANGE, position=seq)
            await asyncio.gather(lander.normalise(keys), lander.land([page]))
    found = await rows.connection.fetchrow(
        "SELECT is_processed, (data->>'price')::int, price::int FROM raw_data JOIN processed_data USING (inner_id)"
    )
    assert tuple(found) == (True, 1029, 1029)


@pytest.mark.parametrize("how", ["lock_rows", "lock_unprocessed"])
async def test_what_was_read_to_be_normalised_cannot_change_before_it_is_flagged(
    database: DatabaseSettings, rows: Rows, how: str
) -> None:
    change = a_page([a_change("1", 1000, new_price=7)], kind=PageKind.CHANGE, position=1000)
    async with opened_store(database) as store:
        await a_lander(store).land([a_page([a_record("1", {"price": 0})])])
        await rows.connection.execute("UPDATE raw_data SET is_processed = false")
        async with store.transaction() as transaction:
            assert list(await getattr(transaction, how)([Key("che168", "1")])) == [Key("che168", "1")]
            landing = asyncio.create_task(a_lander(store).land([change]))
            await CLOCK.sleep(0.3)
            assert not landing.done()
            await transaction.mark_processed([Key("che168", "1")])
        await landing
    assert await rows.connection.fetchval("SELECT price FROM processed_data") == 7


async def test_a_row_that_begins_to_wait_before_it_is_locked_is_normalised_though_nothing_new_comes(
    database: DatabaseSettings, rows: Rows
) -> None:
    late = a_page([a_change("1", 98, new_price=1)], kind=PageKind.CHANGE)
    async with opened_store(database) as store:
        await a_lander(store).land([a_page([a_record("1", {"price": 2})])])
        async with rows.connection.transaction():  # as one that is interrupted after it has landed a change
            await rows.connection.execute("""UPDATE raw_data SET data = data || '{"price": 7}', is_processed = false""")
            landing = asyncio.create_task(a_lander(store).land([late]))
            await until(rows.somebody_waits)
        assert (await landing)["updated"] == 1
    found = await rows.connection.fetchrow(
        "SELECT is_processed, price::int FROM raw_data JOIN processed_data USING (inner_id)"
    )
    assert tuple(found) == (True, 7)


async def test_a_row_that_begins_to_wait_before_it_is_locked_is_read_whole_though_only_its_price_is_new(
    database: DatabaseSettings, rows: Rows
) -> None:
    news = a_page([a_change("1", 1000, new_price=7)], kind=PageKind.CHANGE)
    async with opened_store(database) as store:
        await a_lander(store).land([a_page([a_record("1", {"price": 2, "mark": "BMW"})])])
        async with rows.connection.transaction():  # as above
            await rows.connection.execute(
                """UPDATE raw_data SET data = data || '{"mark": "MINI"}', is_processed = false"""
            )
            landing = asyncio.create_task(a_lander(store).land([news]))
            await until(rows.somebody_waits)
        assert (await landing)["updated"] == 1
    found = await rows.connection.fetchrow(
        "SELECT is_processed, mark, price::int FROM raw_data JOIN processed_data USING (inner_id)"
    )
    assert tuple(found) == (True, "MINI", 7)


async def test_a_row_that_another_normalises_before_it_is_locked_is_not_normalised_again(
    database: DatabaseSettings, rows: Rows
) -> None:
    key = Key("che168", "1")
    async with opened_store(database) as store:
        lander = a_lander(store)
        await lander.land([a_page([a_record("1", {"price": "dear"})])])
        await rows.connection.execute("UPDATE raw_data SET is_processed = false")
        async with store.transaction() as transaction:
            await transaction.lock_unprocessed([key])
            normalising = asyncio.create_task(lander.normalise([key]))
            await until(rows.somebody_waits)
            await transaction.mark_processed([key])
        assert await normalising == {}
    assert await rows.connection.fetchval("SELECT sum(seen) FROM drift") == 1


async def test_a_replay_with_nothing_new_to_say_waits_for_no_row_that_live_traffic_holds(
    database: DatabaseSettings,
) -> None:
    async with opened_store(database) as store:
        await a_lander(store).land([a_page([a_record("1"), a_record("2")])])
        again = Replay(store, PROFILES, Selection(), batch_size=1)
        async with store.transaction() as transaction:
            await transaction.lock_rows([Key("che168", "1")])
            async with asyncio.timeout(60):
                after: int | None = 0
                while after is not None:
                    after = await again.step(after)
    assert again.counts == {"records": 2}
