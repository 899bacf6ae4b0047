"""Processes and servers killed in mid-load: afterwards the rows are the truth, and nothing happened twice."""

import asyncio
from random import Random

from tests.e2e.conftest import MakeRoad
from tests.e2e.road import Road, Service, until
from tests.e2e.truth import assert_equal_to_the_truth

from sandbox.stack import Stack

OFFERS = 5_000
SEED = 20261120
VISIBLE = "SELECT count(*) FROM processed_data WHERE is_complete AND active_status = 0"


async def rows_landed(road: Road) -> int:
    async with road.connection() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM raw_data"))


async def test_normalizers_killed_three_times_and_the_broker_once_lose_and_double_nothing(
    make_road: MakeRoad, stack: Stack
) -> None:
    random = Random(SEED)  # noqa: S311 - moments of a test
    road = make_road("--offers", str(OFFERS), "--seed", str(SEED), "--delay-ms", "15")
    normalizer = road.start("normalizer", "run")
    fetcher = road.start("fetcher", "initial-load")
    moments = sorted(random.sample(range(200, OFFERS * 2 // 3), 4))
    broker_dies_at = random.randrange(4)
    for number, rows in enumerate(moments):
        await until(lambda: rows_reached(road, rows), within_s=60, what=f"{rows} rows landed")  # noqa: B023 - awaited at once
        await asyncio.sleep(random.uniform(0, 0.05))  # noqa: TID251 - any moment of a batch, not only its end
        if number == broker_dies_at:
            await asyncio.to_thread(stack.broker.kill)
            await asyncio.to_thread(stack.broker.start)
        else:
            normalizer.kill()
            normalizer = road.start("normalizer", "run")
    await until(lambda: fetcher.process.poll() is not None, within_s=120, what="the first load")
    assert fetcher.process.returncode == 0, fetcher.said()
    await road.landed()
    await assert_equal_to_the_truth(road)
    assert normalizer.stop() == 0, normalizer.said()


async def rows_reached(road: Road, rows: int) -> bool:
    return await rows_landed(road) >= rows


async def test_a_killed_fetcher_goes_on_where_it_was(make_road: MakeRoad) -> None:
    road = make_road("--offers", "2000", "--seed", "7", "--delay-ms", "10")
    road.start("normalizer", "run")
    fetcher: Service | None = None
    for rows in (300, 900):
        fetcher = road.start("fetcher", "initial-load")
        await until(lambda: rows_reached(road, rows), within_s=60, what=f"{rows} rows landed")  # noqa: B023 - awaited at once
        fetcher.kill()
    assert await road.load() == 0
    await road.landed()
    await assert_equal_to_the_truth(road)


async def test_the_database_gone_in_mid_load_costs_time_and_nothing_else(make_road: MakeRoad, stack: Stack) -> None:
    road = make_road("--offers", "2000", "--seed", "9", "--delay-ms", "10")
    normalizer = road.start("normalizer", "run")
    fetcher = road.start("fetcher", "initial-load")
    await until(lambda: rows_reached(road, 400), within_s=60, what="400 rows landed")
    await asyncio.to_thread(stack.database.stop, "immediate")
    await asyncio.to_thread(stack.database.start)
    await until(lambda: fetcher.process.poll() is not None, within_s=120, what="the first load")
    assert fetcher.process.returncode == 0, fetcher.said()
    await road.landed()
    await assert_equal_to_the_truth(road)
    assert normalizer.stop() == 0
    assert "Traceback" not in normalizer.said() + fetcher.said()


async def test_three_normalizers_share_one_queue_and_end_in_the_same_rows(make_road: MakeRoad) -> None:
    road = make_road("--offers", "3000", "--seed", "11")
    normalizers = [road.start("normalizer", "run") for _ in range(3)]
    assert await road.load() == 0
    await road.landed()
    await assert_equal_to_the_truth(road)
    for normalizer in normalizers:
        assert normalizer.stop() == 0
    batches = [normalizer.said().count("Batch landed") for normalizer in normalizers]
    assert all(batches), f"each took part: {batches}"
