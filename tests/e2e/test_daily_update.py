"""The daily update as people call it: real processes, a feed that has lived on, and rows that equal the truth."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from tests.e2e.conftest import MakeRoad
from tests.e2e.road import Road, Service, until

QUICK = {"FEEDMILL__FETCHER__LOOKUP_INTERVAL_S": "0"}
ROWS = "SELECT inner_id, data::text AS data, active_status, base_seq IS NOT NULL AS is_complete FROM raw_data"


def now() -> datetime:
    """Return the moment at which the real processes live."""
    return datetime.now(UTC)  # noqa: TID251 - real processes have the machine's clock


async def told(road: Road, method: str, path: str, body: object = None) -> Any:
    """Ask or tell the stand-in itself."""
    async with httpx.AsyncClient(timeout=30) as client:
        answer = await client.request(method, f"{road.upstream.admin}/{path}", json=body)
    return answer.raise_for_status().json()


async def the_truth(road: Road) -> dict[str, Mapping[str, Any]]:
    """Return the true state of every offer, by inner id."""
    known: dict[str, Mapping[str, Any]] = {}
    after: str | None = ""
    while after is not None:
        page = await told(road, "GET", f"truth?limit=1000&after={after}")
        known |= {item["inner_id"]: item for item in page["result"]}
        after = page["next_after"]
    return known


async def ended(service: Service) -> int:
    """Wait for a command's end and return its exit code."""
    await until(lambda: service.process.poll() is not None, within_s=120, what=f"the end of {service.name}")
    code = service.process.poll()
    assert code is not None
    return code


async def update(road: Road, *arguments: str) -> Service:
    """Run `fetcher daily-update` to its good end and wait until its pages have landed."""
    service = road.start("fetcher", "daily-update", *arguments, **QUICK)
    assert await ended(service) == 0, service.said()
    await road.landed()
    return service


async def assert_rows_are_the_truth(road: Road) -> None:
    """Every row says what its offer is, and every offer that is for sale and listed has one."""
    truth = await the_truth(road)
    async with road.connection() as connection:
        rows = {row["inner_id"]: row for row in await connection.fetch(ROWS)}
        dead = await connection.fetchval("SELECT count(*) FROM quarantine WHERE reason <> 'repaired'")
    assert dead == 0
    assert {inner_id for inner_id, true in truth.items() if true["active"] and true["listed"]} <= rows.keys()
    for inner_id, row in rows.items():
        true = truth[inner_id]
        assert (row["active_status"] == 0) == true["active"], inner_id
        if true["active"]:
            assert row["is_complete"], inner_id
            data = {name: value for name, value in json.loads(row["data"]).items() if name != "vin"}
            assert data == true["data"], inner_id


async def test_three_days_of_changes_a_kill_and_offers_known_only_in_part_end_in_the_truth(make_road: MakeRoad) -> None:
    begin = now()
    road = make_road(
        *("--offers", "600", "--seed", "5", "--changes-per-day", "400", "--delay-ms", "10"),
        *("--now", (begin - timedelta(days=3)).isoformat()),
    )
    road.start("normalizer", "run")
    assert await road.load() == 0
    await road.landed()
    await told(road, "POST", "clock", {"now": begin.isoformat()})
    await told(road, "DELETE", "stats")

    killed = road.start("fetcher", "daily-update", **QUICK)
    async with road.connection() as connection:

        async def has_begun() -> bool:
            query = "SELECT count(*) FROM feed_pages WHERE kind = 'change'"
            return int(await connection.fetchval(query)) >= 10

        await until(has_begun, within_s=60, what="ten pages of changes")
        killed.kill()
        second = await update(road)
        third = await update(road)
        await assert_rows_are_the_truth(road)
        runs = await connection.fetch("SELECT status, records FROM fetch_runs WHERE kind = 'daily_update'")
        state = await connection.fetchrow("SELECT * FROM sync_state")
        days = await connection.fetchrow(
            "SELECT sum(added) a, sum(changed) c, sum(removed) r FROM feed_days WHERE kind = 'change'"
        )
        diary = await connection.fetch(
            "SELECT status, counts FROM operations_log WHERE details LIKE 'daily update%' ORDER BY started_at"
        )
    today = begin.astimezone(ZoneInfo(road.day_zone)).date()
    assert {run["status"] for run in runs} == {"done"}
    assert sum(days) == sum(run["records"] for run in runs)
    assert state is not None
    assert state["last_successful_date"] == today - timedelta(days=1)
    assert state["moved_at"] >= begin
    assert state["last_added_at"] >= begin
    last = json.loads(diary[-1]["counts"])
    assert (diary[-1]["status"], last["gaps"]) == ("OK", 0)
    assert sum(json.loads(row["counts"])["completed"] for row in diary) > 0
    stats = await told(road, "GET", "stats")
    asked = stats["endpoints"]
    assert asked["changes"] <= -(-sum(run["records"] for run in runs) // 20) + 4
    assert asked["change_id"] <= 2
    assert f"[INFO] Starting date {today} processing" in third.said()
    assert "[INFO] Starting page" in second.said()
    assert "Traceback" not in second.said() + third.said()


async def test_wrong_dates_are_usage_errors(make_road: MakeRoad) -> None:
    road = make_road("--offers", "60")
    future = road.start("fetcher", "daily-update", "--since", "2199-01-01")
    assert await ended(future) == 2
    assert "--since 2199-01-01: lies in the future" in future.said()
    odd = road.start("fetcher", "daily-update", "--since", "yesterday")
    assert await ended(odd) == 2
