"""Each platform has offers of its own shape (UPSTREAMS.md §1.10)."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.unit.sandbox.upstream.conftest import NOW, Upstream

DATA = Path(__file__).parents[4] / ".." / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the recorded payloads are not here")
SERVED = "che168,dongchedi,encar"
ROOT = "http://upstream/api/v2"
CONTROL = "http://upstream/_sandbox"


async def _rows(client: httpx.AsyncClient, platform: str, **query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    page: int | None = 1
    while page is not None:
        body = (await client.get(f"{ROOT}/{platform}/offers", params={"page": page, **query})).json()
        rows += body["result"]
        page = body["meta"]["next_page"]
    return rows


async def _events(client: httpx.AsyncClient, platform: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    cursor = 0
    while True:
        body = (await client.get(f"{ROOT}/{platform}/changes", params={"change_id": cursor})).json()
        if not body["result"]:
            return events
        events += body["result"]
        cursor = body["meta"]["next_change_id"]


@needs_data
@pytest.mark.parametrize("platform", ["dongchedi", "encar"])
async def test_an_offer_has_the_documented_fields_in_their_types(upstream: Upstream, platform: str) -> None:
    documented = json.loads((DATA / f"autoapi_{platform}_offers_docs_en.json").read_text("utf-8"))["result"][0]
    client = upstream(platform=SERVED)
    for row in await _rows(client, platform):
        assert row.keys() == documented.keys()
        assert documented["data"].keys() <= row["data"].keys()
        if not row["data"]["url"]:
            continue
        for name, value in documented["data"].items():
            if name != "extra_prep" and not isinstance(value, float):
                assert isinstance(row["data"][name], type(value)), name
        assert row["data"]["url"].partition("40307747")[0].partition(row["inner_id"])[0] in row["data"]["url"]


async def test_dongchedi_has_its_own_names_units_and_shapes(upstream: Upstream) -> None:
    client = upstream(platform=SERVED, offers=300)
    rows = {row["inner_id"]: row["data"] for row in await _rows(client, "dongchedi") if row["data"]["url"]}
    for inner_id, data in rows.items():
        assert data["url"] == f"https://www.dongchedi.com/auto/pu-{inner_id}"
        assert date.fromisoformat(data["reg_date"]).year == data["year"]
        assert 40 <= data["horse_power"] <= 1_500
        assert len(json.loads(data["extra_prep"])) >= 340
        assert all("x-expires=" in image for image in data["images"])
    events = await _events(client, "dongchedi")
    added = [event["data"] for event in events if event["change_type"] == "added"]
    assert added
    assert not any("extra_prep" in data for data in added)
    common = [data for data in added if data["inner_id"] in rows]
    for data in common:
        whole = {name: value for name, value in rows[data["inner_id"]].items() if name not in {"extra_prep", "price"}}
        assert whole == {name: value for name, value in data.items() if name != "price"}
    assert common
    assert {tuple(event["data"]) for event in events if event["change_type"] == "changed"} == {("new_price",)}


async def test_encar_counts_in_ten_thousand_won_and_cubic_centimetres(upstream: Upstream) -> None:
    client = upstream(platform=SERVED, offers=300)
    for row in await _rows(client, "encar"):
        data = row["data"]
        if data["url"]:
            assert int(data["price_won"]) == data["price"] * 10_000
            assert data["displacement"] == 0 or 1_000 <= data["displacement"] <= 6_000
            assert set(data["extra"]) == {"diagnosis", "inspection", "accidents"}
            assert int(data["power"]) > 0
    changed = [event["data"] for event in await _events(client, "encar") if event["change_type"] == "changed"]
    assert changed
    assert all(data["new_price_won"] == data["new_price"] * 10_000 for data in changed)


@pytest.mark.parametrize("platform", SERVED.split(","))
async def test_the_list_is_the_truth_on_every_platform(upstream: Upstream, platform: str) -> None:
    client = upstream(platform=SERVED)
    truth = (await client.get(f"{CONTROL}/truth", params={"platform": platform, "limit": 5_000})).json()["result"]
    rows = {row["inner_id"]: row["data"] for row in await _rows(client, platform) if row["data"]["url"]}
    assert rows == {row["inner_id"]: row["data"] for row in truth if row["active"] and row["listed"]}
    for inner_id, data in list(rows.items())[:5]:
        body = (await client.get(f"{ROOT}/{platform}/offer", params={"inner_id": inner_id})).json()
        found = body.get("data", body)
        assert ("vin" in found) == (platform == "che168")
        assert {name: value for name, value in found.items() if name != "vin"} == data


async def test_platforms_share_ids_and_time_but_no_offers(upstream: Upstream) -> None:
    client = upstream(platform=SERVED, now=NOW)
    rows = {platform: await _rows(client, platform) for platform in ("che168", "dongchedi", "encar")}
    marks = [[row["data"]["mark"] for row in found[:50]] for found in rows.values()]
    assert marks[0] != marks[1] != marks[2] != marks[0]
    heads = {}
    for day in (1, 2):
        moved = {"now": (NOW + timedelta(days=day)).isoformat()}
        await client.post(f"{CONTROL}/clock", json=moved)
        heads[day] = [(await client.get(f"{CONTROL}/truth/summary?platform={name}")).json()["events"] for name in rows]
    assert all(later > earlier for earlier, later in zip(heads[1], heads[2], strict=True))


@pytest.mark.parametrize(
    ("platform", "below"),
    [("che168", []), ("dongchedi", ["complectation"]), ("encar", ["configuration", "complectation"])],
)
async def test_filters_are_as_deep_as_documented(upstream: Upstream, platform: str, below: list[str]) -> None:
    marks = (await upstream(platform=SERVED).get(f"{ROOT}/{platform}/filters")).json()["mark"]
    models = marks["BMW"]["model"]
    if not below:
        assert "X5" in models
        assert isinstance(models, list)
        return
    level = models["X5"]
    for name in below:
        assert list(level) == [name]
        level = level[name] if isinstance(level[name], list) else next(iter(level[name].values()))
    assert level
    assert all(isinstance(value, str) for value in level)


@pytest.mark.parametrize(
    ("platform", "query", "field"),
    [
        ("dongchedi", {"drive_type": "awd"}, ("drive_type", "all-wheel")),
        ("dongchedi", {"engine_type": "petrol"}, ("engine_type", "Petrol")),
        ("encar", {"configuration": "Gasoline 2.0 4WD"}, ("configuration", "Gasoline 2.0 4WD")),
        ("encar", {"complectation": "premium"}, ("complectation", "Premium")),
    ],
)
async def test_own_filters_find_exactly_what_they_name(
    upstream: Upstream, platform: str, query: dict[str, str], field: tuple[str, str]
) -> None:
    client = upstream(platform=SERVED, offers=300)
    everything = await _rows(client, platform)
    name, value = field
    expected = {row["inner_id"] for row in everything if row["data"][name] == value}
    assert {row["inner_id"] for row in await _rows(client, platform, **query)} == expected != set()


async def test_an_empty_shell_keeps_the_fields_of_its_platform(upstream: Upstream) -> None:
    client = upstream(platform=SERVED, offers=4_000)
    for platform, own in (("dongchedi", "horse_power"), ("encar", "price_won")):
        rows = [row["data"] for row in await _rows(client, platform)]
        shells = [data for data in rows if not data["url"]]
        assert shells
        assert all(data[own] == "" and data["inner_id"] for data in shells)


async def test_a_platform_that_is_not_served_is_forbidden(upstream: Upstream) -> None:
    client = upstream(platform="dongchedi,encar")
    assert (await client.get(f"{ROOT}/che168/offers?page=1")).status_code == 403
    assert (await client.get(f"{ROOT}/encar/offers?page=1")).status_code == 200
