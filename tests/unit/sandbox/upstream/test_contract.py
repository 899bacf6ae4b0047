"""The answers of the stand-in keep the documented contract."""

from typing import Any

import httpx
import pytest
from tests.unit.sandbox.upstream.conftest import Upstream

from common.testing.clock import VirtualClock
from sandbox.upstream.quirks import NO_QUIRKS
from sandbox.upstream.source import ChangesEnd

ROOT = "http://upstream"
ENDING = f"{ROOT}/_sandbox/changes-end"
HEAD_CHANGE_ID = 99_999_999


async def _rows_of_all_pages(client: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    page: int | None = 1
    while page is not None:
        body = (await client.get("/offers", params={"page": page, **query})).json()
        assert body["meta"]["page"] == page
        assert body["meta"]["limit"] == 20
        rows += body["result"]
        page = body["meta"]["next_page"]
    return rows


async def _all_events(client: httpx.AsyncClient, change_id: int = 0) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    while True:
        body = (await client.get("/changes", params={"change_id": change_id})).json()
        assert body["meta"]["cur_change_id"] == change_id
        if not body["result"]:
            assert body["meta"]["next_change_id"] is None
            return events
        events += body["result"]
        assert body["meta"]["next_change_id"] == events[-1]["id"] + 1
        change_id = body["meta"]["next_change_id"]


@pytest.mark.parametrize(
    ("url", "headers", "status", "body"),
    [
        pytest.param("/che168/filters", {}, 401, {"message": "Unauthorized"}, id="no key"),
        pytest.param("/che168/filters?api_key=other", {}, 401, {"message": "Unauthorized"}, id="wrong key"),
        pytest.param("/nowhere/filters", {}, 401, {"message": "Unauthorized"}, id="key before platform"),
        pytest.param("/encar/filters?api_key=sandbox-key", {}, 403, {"message": "Forbidden"}, id="other platform"),
        pytest.param(
            "/nowhere/filters", {"x-api-key": "sandbox-key"}, 404, {"message": "Source not found"}, id="no platform"
        ),
        pytest.param("/che168/cars?api_key=sandbox-key", {}, 404, {"message": "Not found"}, id="no endpoint"),
    ],
)
async def test_a_request_that_may_not_pass_gets_the_documented_body(
    upstream: Upstream, url: str, headers: dict[str, str], status: int, body: dict[str, str]
) -> None:
    client = upstream()
    del client.headers["x-api-key"]
    answer = await client.get(f"{ROOT}/api/v2{url}", headers=headers)
    assert (answer.status_code, answer.json()) == (status, body)


@pytest.mark.parametrize("how", ["query", "header"])
async def test_the_key_is_taken_from_the_query_and_from_the_header(upstream: Upstream, how: str) -> None:
    client = upstream(api_key="sesame")
    del client.headers["x-api-key"]
    query, headers = ({"api_key": "sesame"}, {}) if how == "query" else ({}, {"X-API-Key": "sesame"})
    assert (await client.get("/offers", params={"page": 1, **query}, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("url", "error"),
    [
        pytest.param("/offers", "invalid page", id="no page"),
        pytest.param("/offers?page=0", "invalid page", id="page zero"),
        pytest.param("/offers?page=-1", "invalid page", id="page negative"),
        pytest.param("/offers?page=two", "invalid page", id="page in words"),
        pytest.param("/offers?page=1&year_from=new", "invalid year_from", id="bound in words"),
        pytest.param("/offer", "invalid inner_id", id="no inner_id"),
        pytest.param("/change_id", "invalid date", id="no date"),
        pytest.param("/change_id?date=20.11.2026", "invalid date", id="date of another format"),
        pytest.param("/changes", "invalid change_id", id="no change_id"),
        pytest.param("/changes?change_id=now", "invalid change_id", id="change_id in words"),
    ],
)
async def test_a_bad_parameter_is_refused_with_422(upstream: Upstream, url: str, error: str) -> None:
    answer = await upstream().get(url)
    assert answer.status_code == 422
    assert answer.json() == {"message": "Validation failed", "errors": [error]}


async def test_only_get_is_allowed(upstream: Upstream) -> None:
    assert (await upstream().post("/offers?page=1")).status_code == 405


@pytest.mark.parametrize("offers", [0, 1, 20, 21, 100])
async def test_the_pages_hold_all_offers_once_and_end_in_null(upstream: Upstream, offers: int) -> None:
    rows = await _rows_of_all_pages(upstream(offers=offers, quirks=NO_QUIRKS))
    assert len(rows) == offers
    assert len({row["inner_id"] for row in rows}) == offers


async def test_a_page_behind_the_end_is_empty(upstream: Upstream) -> None:
    body = (await upstream().get("/offers?page=77")).json()
    assert body == {"result": [], "meta": {"page": 77, "next_page": None, "limit": 20}}


async def test_an_offer_has_the_documented_envelope(upstream: Upstream) -> None:
    for row in await _rows_of_all_pages(upstream()):
        assert list(row) == ["id", "inner_id", "change_type", "created_at", "data"]
        assert row["change_type"] == "added"
        assert row["data"]["inner_id"] == row["inner_id"]
        assert row["data"]["url"].endswith(f"/{row['inner_id']}.html")
        assert 43_000_000 < int(row["inner_id"]) < 60_000_000


async def test_unknown_parameters_are_ignored(upstream: Upstream) -> None:
    client = upstream()
    plain = (await client.get("/offers?page=2")).json()
    assert (await client.get("/offers?page=2&brand=BMW&transmission=Manual&mileage_to=5&limit=7")).json() == plain


@pytest.mark.parametrize(
    ("wish", "holds"),
    [
        pytest.param({"mark": "bMw"}, lambda d: d["mark"] == "BMW", id="mark in any case"),
        pytest.param({"model": "x5"}, lambda d: d["model"] == "X5", id="model"),
        pytest.param({"color": "white"}, lambda d: d["color"] == "White", id="color"),
        pytest.param({"engine_type": "ELECTRIC"}, lambda d: d["engine_type"] == "Electric", id="engine"),
        pytest.param({"body_type": "sedan"}, lambda d: d["body_type"] == "Sedan", id="body"),
        pytest.param({"transmission_type": "manual"}, lambda d: d["transmission_type"] == "Manual", id="transmission"),
        pytest.param({"year_from": "2020", "year_to": "2021"}, lambda d: d["year"] in {2020, 2021}, id="year"),
        pytest.param({"price_from": "50000", "price_to": "90000"}, lambda d: 5e4 <= d["price"] <= 9e4, id="price"),
        pytest.param({"km_age_to": "20000"}, lambda d: d["km_age"] <= 20_000, id="km"),
        pytest.param(
            {"mark": "BMW", "year_from": "2020"}, lambda d: d["mark"] == "BMW" and d["year"] >= 2020, id="two"
        ),
    ],
)
async def test_a_filter_returns_exactly_the_offers_that_match(
    upstream: Upstream, wish: dict[str, str], holds: Any
) -> None:
    client = upstream(offers=600, quirks=NO_QUIRKS)
    everything = await _rows_of_all_pages(client)
    expected = [row["inner_id"] for row in everything if holds(row["data"])]
    found = [row["inner_id"] for row in await _rows_of_all_pages(client, **wish)]
    assert found == expected
    assert 0 < len(expected) < len(everything)


async def test_a_filter_in_russian_finds_the_same_offers(upstream: Upstream) -> None:
    client = upstream(offers=300)
    english = await _rows_of_all_pages(client, engine_type="Diesel")
    assert await _rows_of_all_pages(client, engine_type="дизельный") == english


async def test_filters_name_every_mark_that_is_on_sale(upstream: Upstream) -> None:
    client = upstream(offers=500)
    marks = (await client.get("/filters")).json()["mark"]
    shown = {row["data"]["mark"] for row in await _rows_of_all_pages(client)} - {""}
    assert shown <= set(marks)
    assert all(set(entry) == {"model"} for entry in marks.values())


async def test_an_offer_by_id_is_flat_or_wrapped_and_has_the_data_of_the_list(upstream: Upstream) -> None:
    client = upstream()
    shapes = set()
    for row in await _rows_of_all_pages(client):
        body = (await client.get("/offer", params={"inner_id": row["inner_id"]})).json()
        shapes.add("data" in body)
        data = body.get("data", body)
        assert len(data.pop("vin")) == 17
        assert data == row["data"]
    assert shapes == {True, False}


@pytest.mark.parametrize("inner_id", ["1", "99999999", "abc", "-5", "４３５"])
async def test_an_unknown_offer_is_not_found(upstream: Upstream, inner_id: str) -> None:
    assert (await upstream().get("/offer", params={"inner_id": inner_id})).status_code == 404


async def test_an_offer_may_be_gone_from_its_page_before_the_changes_say_so(upstream: Upstream) -> None:
    client = upstream(offers=300, changes_per_day=80, quirks=NO_QUIRKS.with_rate("offer_gone_early", 1))
    listed = [row["inner_id"] for row in await _rows_of_all_pages(client)]
    missing = [i for i in listed if (await client.get("/offer", params={"inner_id": i})).status_code == 404]
    head = (await _all_events(client))[-1]["id"]
    await client.post(f"{ROOT}/_sandbox/clock", json={"now": "2026-11-21T12:00:00Z"})
    removed = {e["inner_id"] for e in await _all_events(client, head + 1) if e["change_type"] == "removed"}
    assert 10 <= len(missing) <= 14
    assert set(missing) <= removed


async def test_change_ids_grow_and_are_not_dense(upstream: Upstream) -> None:
    ids = [event["id"] for event in await _all_events(upstream(changes_per_day=50))]
    assert ids == sorted(set(ids))
    assert ids[-1] - ids[0] > len(ids)


async def test_change_id_is_inclusive_and_may_lie_between_two_events(upstream: Upstream) -> None:
    client = upstream(changes_per_day=50)
    first, second = (await _all_events(client))[:2]
    for asked, expected in ((first["id"], first), (first["id"] + 1, second), (second["id"], second)):
        assert (await client.get(f"/changes?change_id={asked}")).json()["result"][0] == expected


async def test_changes_have_the_documented_shapes(upstream: Upstream) -> None:
    events = await _all_events(upstream(offers=500))
    assert {event["change_type"] for event in events} == {"added", "changed", "removed"}
    assert {tuple(e["data"]) for e in events if e["change_type"] == "changed"} == {("new_price",)}
    assert {str(e.get("data", "no data")) for e in events if e["change_type"] == "removed"} == {"no data", "{}"}
    assert all(e["data"]["inner_id"] == e["inner_id"] for e in events if e["change_type"] == "added")
    assert {e["created_at"][23:] for e in events} == {"Z", "+03:00"}


@pytest.mark.parametrize(
    ("end", "meta"),
    [
        pytest.param(ChangesEnd.EMPTY_NULL, {"next_change_id": None}, id="null"),
        pytest.param(ChangesEnd.EMPTY_SAME, {"next_change_id": HEAD_CHANGE_ID}, id="the same"),
        pytest.param(ChangesEnd.EMPTY_ABSENT, {}, id="absent"),
        pytest.param(ChangesEnd.LAST_NULL, {"next_change_id": None}, id="null already before"),
    ],
)
async def test_the_end_of_changes_is_empty(upstream: Upstream, end: ChangesEnd, meta: dict[str, int | None]) -> None:
    body = (await upstream(changes_end=end).get(f"/changes?change_id={HEAD_CHANGE_ID}")).json()
    assert body == {"result": [], "meta": {"cur_change_id": HEAD_CHANGE_ID, **meta, "limit": 20}}


async def test_the_last_events_may_come_with_a_null_already(upstream: Upstream) -> None:
    last = (await _all_events(upstream()))[-1]["id"]
    by_end = {
        end: (await upstream(changes_end=end).get(f"/changes?change_id={last}")).json()["meta"]["next_change_id"]
        for end in (ChangesEnd.EMPTY_NULL, ChangesEnd.LAST_NULL)
    }
    assert by_end == {ChangesEnd.EMPTY_NULL: last + 1, ChangesEnd.LAST_NULL: None}


async def test_the_way_to_end_is_switched_while_the_stand_in_runs(upstream: Upstream) -> None:
    client = upstream()
    url = f"/changes?change_id={HEAD_CHANGE_ID}"
    for end, meta in (("empty-same", {"next_change_id": HEAD_CHANGE_ID}), ("empty-absent", {})):
        assert (await client.post(ENDING, json={"changes_end": end})).json() == {"changes_end": end}
        assert (await client.get(url)).json()["meta"] == {"cur_change_id": HEAD_CHANGE_ID, **meta, "limit": 20}
    assert (await client.get(ENDING)).json() == {"changes_end": "empty-absent"}


async def test_a_rotation_ends_each_walk_in_the_next_way(upstream: Upstream) -> None:
    client = upstream(changes_end=ChangesEnd.ROTATE)
    last = (await client.get("/change_id?date=2027-01-01")).json()["change_id"]
    ends = []
    for _ in range(5):
        cursor: int | None = last
        while cursor is not None:
            body = (await client.get(f"/changes?change_id={cursor}")).json()
            following = body["meta"].get("next_change_id", "absent")
            cursor = following if body["result"] else None
        ends.append((len(body["result"]), following))
    assert ends == [(0, None), (0, last + 1), (0, "absent"), (1, None), (0, None)]


@pytest.mark.parametrize("asked", [{"changes_end": "never"}, {"changes_end": []}, {}, ["rotate"]], ids=str)
async def test_an_unknown_way_to_end_is_refused(upstream: Upstream, asked: object) -> None:
    client = upstream()
    assert (await client.post(ENDING, json=asked)).status_code == 422
    assert (await client.get(ENDING)).json() == {"changes_end": "empty-null"}


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        pytest.param("2026-11-01", "2026-11-13T00", id="before the history: its first event"),
        pytest.param("2026-11-14", "2026-11-14T00", id="first event after midnight in Moscow"),
        pytest.param("2026-11-16", "2026-11-15T23", id="silent day: the last event before"),
        pytest.param("2026-11-20", "2026-11-20T00", id="today"),
        pytest.param("2026-12-31", "2026-11-20T14", id="future: the last event there is"),
    ],
)
async def test_change_id_of_a_day(upstream: Upstream, day: str, expected: str) -> None:
    client = upstream(
        changes_per_day=240, quirks=NO_QUIRKS.with_rate("created_at_in_moscow_time", 1).with_rate("ghost_events", 1)
    )
    change_id = (await client.get(f"/change_id?date={day}")).json()["change_id"]
    event = (await client.get(f"/changes?change_id={change_id}")).json()["result"][0]
    assert event["id"] == change_id
    assert event["created_at"].startswith(expected)


async def test_the_list_after_the_history_equals_the_fold_of_the_list_and_the_changes(upstream: Upstream) -> None:
    client = upstream(offers=300, changes_per_day=100)
    listed = {row["inner_id"]: row["data"] for row in await _rows_of_all_pages(client) if row["data"]["url"]}
    state = dict(listed)
    for event in await _all_events(client):
        if event["change_type"] == "added":
            state[event["inner_id"]] = event["data"]
        elif event["change_type"] == "removed":
            state.pop(event["inner_id"], None)
        elif event["inner_id"] in state:
            state[event["inner_id"]] = state[event["inner_id"]] | {"price": event["data"]["new_price"]}
    assert state == listed


async def test_each_answer_waits_for_the_configured_delay(upstream: Upstream, clock: VirtualClock) -> None:
    client = upstream(delay_s=0.15)
    await client.get("/offers?page=1")
    await client.get("/filters")
    assert clock.slept == [0.15, 0.15]
