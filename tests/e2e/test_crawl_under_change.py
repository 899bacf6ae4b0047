"""A list walked while its offers come, go and change: what a plain crawl misses, a reconciliation brings.

`make crawl` runs it with 50,000 offers and 5,000 events under the crawl; `make test` with a twentieth of both.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from tests.e2e.conftest import MakeRoad
from tests.e2e.road import Road, until

PAGE = 20
EVENTS_PER_OFFER = 0.1
GHOSTS = ("1", "2", "3")
"""Ids that the upstream has never had."""

SETTINGS = {
    "FEEDMILL__PLATFORMS__CHE168__PAGES_IN_FLIGHT": "4",
    "FEEDMILL__FETCHER__LOOKUP_BUDGET": "0",
    "FEEDMILL__FETCHER__LOOKUP_INTERVAL_S": "0",
}
HELD = """
SELECT inner_id, data::text AS data FROM raw_data WHERE active_status = 0 AND base_seq IS NOT NULL AND data <> '{}'
"""
HOLD_A_GHOST = """
INSERT INTO raw_data (platform, inner_id, change_type, data, source, base_seq, active_seq, max_seq, is_processed)
VALUES ('che168', $1, 'added', '{"price": 1}', 'initial_load', 1, 1, 1, false)
"""
RECONCILED = "SELECT counts::text FROM operations_log WHERE details LIKE 'che168: reconciled%' ORDER BY id DESC LIMIT 1"


async def called(road: Road, *words: str, **extra: str) -> str:
    """Run a command of the fetcher to its good end, let its pages land, and return what it said."""
    service = road.start("fetcher", *words, **SETTINGS, **extra)
    await until(lambda: service.process.poll() is not None, within_s=600, what=" ".join(words))
    assert service.process.returncode == 0, service.said()
    await road.landed(within_s=300)
    return service.said()


@dataclass(frozen=True)
class Verdict:
    """What rows and truth say of each other."""

    missed: int
    ghosts: int
    different: int


async def judged(road: Road, truth: Mapping[str, Mapping[str, Any]]) -> Verdict:
    """Compare what we hold as active with the truth: listed offers must be there, and no others than active ones."""
    async with road.connection() as connection:
        rows = {row["inner_id"]: json.loads(row["data"]) for row in await connection.fetch(HELD)}
    active = {inner_id: item for inner_id, item in truth.items() if item["active"]}
    return Verdict(
        missed=sum(item["listed"] and inner_id not in rows for inner_id, item in active.items()),
        ghosts=len(rows.keys() - active.keys()),
        different=sum(_without_vin(rows[inner_id]) != active[inner_id]["data"] for inner_id in rows.keys() & active),
    )


def _without_vin(data: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in data.items() if name != "vin"}  # only `/offer` tells it


async def test_a_list_that_moves_under_the_crawl_ends_in_the_truth(
    make_road: MakeRoad, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    offers = int(pytestconfig.getoption("--crawl-offers"))
    road = make_road("--offers", str(offers), "--seed", "3", "--events-per-request", str(EVENTS_PER_OFFER * PAGE))
    road.start("normalizer", "run")

    await called(road, "initial-load")
    truth = await road.whole_truth()  # it stands still until the list is walked again
    crawled = await judged(road, truth)
    await called(road, "daily-update")
    followed = await judged(road, truth)
    async with road.connection() as connection:
        await connection.executemany(HOLD_A_GHOST, [(ghost,) for ghost in GHOSTS])
    await called(road, "reconcile", FEEDMILL__FETCHER__RECONCILE_SWEEPS="4")
    reconciled = await judged(road, await road.whole_truth())
    async with road.connection() as connection:
        counts = json.loads(await connection.fetchval(RECONCILED))

    lines = f"""
    {offers:,} offers, {round(offers * EVENTS_PER_OFFER):,} events under the crawl and under each sweep
    after the crawl: {crawled}
    with all changes: {followed}
    after {counts["sweeps"]} sweeps: {reconciled}"""
    with capsys.disabled():
        sys.stdout.write(f"{lines}\n")
    assert followed.missed, "the list did not move, so the test shows nothing"
    assert reconciled == Verdict(missed=0, ghosts=0, different=0)
    assert counts["found"] > 0
    assert counts["retired"] == len(GHOSTS)
