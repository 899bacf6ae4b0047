"""Moving: loaded at home, dumped, restored into another cluster, and from there on as if it had never been away."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.conftest import settings_of
from tests.e2e.conftest import MakeRoad
from tests.e2e.road import Road, Service, roles_of
from tests.e2e.test_daily_update import assert_rows_are_the_truth, ended, now, told, update

from sandbox.stack import Stack


@pytest.fixture
def other_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Another PostgreSQL, as on another machine."""
    stack = Stack(tmp_path_factory.mktemp("other"), preferred_ports={}, servers=("database",))
    stack.up()
    yield stack
    stack.down()
    stack.database.delete_data()


async def feedmill(road: Road, *words: str) -> Service:
    """Run an administration command to its end."""
    service = road.start_module("operator", "common", *words)
    await ended(service)
    return service


async def held(road: Road) -> dict[str, int]:
    """Return what the reader of changes and the fetcher go on from."""
    query = """
        SELECT (SELECT last_change_id FROM sync_state) AS cursor,
               (SELECT max(change_id) FROM catalog_changes) AS change,
               (SELECT count(*) FROM processed_data) AS offers, (SELECT max(id) FROM raw_data) AS raw
    """
    async with road.connection() as connection:
        return dict(await connection.fetchrow(query))


async def test_what_was_loaded_at_home_goes_on_elsewhere_with_the_next_change(
    make_road: MakeRoad, other_cluster: Stack, tmp_path: Path
) -> None:
    begin = now()
    home = make_road(
        *("--offers", "300", "--seed", "7", "--changes-per-day", "200"),
        *("--now", (begin - timedelta(days=2)).isoformat()),
    )
    normalizer = home.start("normalizer", "run")
    assert await home.load() == 0
    await home.landed()
    made = await feedmill(home, "dump", str(tmp_path / "dump"))
    assert "[INFO] database dumped" in made.said(), made.said()
    query = "SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name LIKE 'normalizer@%' AND datname = $1"
    async with home.connection() as connection:
        assert await connection.fetch(query, home.database.name) == [("feedmill_normalizer",)]
    normalizer.stop()

    away = replace(home, database=settings_of(other_cluster, "feedmill"), services=[], roles=roles_of(other_cluster))
    taken = await feedmill(away, "restore", str(tmp_path / "dump"))
    assert "[INFO] database restored" in taken.said(), taken.said()
    before = await held(away)
    assert before == await held(home)

    await told(away, "POST", "clock", {"now": begin.isoformat()})
    await told(away, "DELETE", "stats")
    away.start("normalizer", "run")
    try:
        await update(away)
        await update(away)  # asks about what the first has learned of in part
        await assert_rows_are_the_truth(away)
        asked = (await told(away, "GET", "stats"))["endpoints"]
        assert asked.get("offers", 0) == 0, "nothing is loaded anew"
        after = await held(away)
        assert after["cursor"] > before["cursor"]
        async with away.connection() as connection:
            ids = await connection.fetchval("SELECT array_agg(change_id ORDER BY change_id) FROM catalog_changes")
            assert await connection.fetchval("SELECT count(*) FROM operations_log WHERE status <> 'OK'") == 0
        assert ids[0] == 1
        assert ids[-1] > before["change"]
        again = await feedmill(away, "restore", str(tmp_path / "dump"))
        assert again.process.returncode == 1
        (line,) = again.said().splitlines()
        assert line.startswith("[ERROR] database feedmill: stop the services first; connected: normalizer@")
    finally:
        await asyncio.to_thread(away.stop)
