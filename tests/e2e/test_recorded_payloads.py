"""Recorded payloads of real upstreams through the whole chain: nothing changed on the way, and read rightly."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.road import LEDGER, Road
from tests.forking import Upstream

from common.settings import DatabaseSettings
from sandbox.stack import Stack

RECORDED = Path(__file__).parents[3] / "shared" / "data"

BOTH = "SELECT data::text AS data, normalized_data FROM raw_data JOIN processed_data USING (platform, inner_id)"

pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded payloads are not beside the checkout")


@pytest.fixture(scope="module")
async def loaded(
    stack: Stack, module_database: DatabaseSettings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Road]:
    """A road on which the recordings were loaded to the end."""
    vhost = stack.create_vhost("test_recorded")
    with Upstream("--recorded", str(RECORDED)) as upstream:
        road = Road(module_database, vhost, upstream, tmp_path_factory.mktemp("recorded"))
        try:
            road.start("normalizer", "run")
            assert await road.load() == 0
            await road.landed()
            yield road
        finally:
            road.stop()
    stack.delete_vhost(vhost.name)


async def typed(road: Road, inner_id: str) -> dict[str, Any]:
    async with road.connection() as connection:
        row = await connection.fetchrow("SELECT * FROM processed_data WHERE inner_id = $1", inner_id)
    assert row is not None
    return dict(row) | {"images": json.loads(row["images"]), "normalized_data": json.loads(row["normalized_data"])}


async def test_every_raw_document_equals_what_the_upstream_gave(loaded: Road) -> None:
    truth = await loaded.truth()
    async with loaded.connection() as connection:
        rows = await connection.fetch("SELECT inner_id, data::text FROM raw_data")
        ledger = await connection.fetchrow(LEDGER)
    assert len(truth) >= 7
    assert {row["inner_id"]: json.loads(row["data"]) for row in rows} == {
        inner_id: item["data"] for inner_id, item in truth.items()
    }
    assert ledger is not None
    assert (ledger["open"], ledger["quarantined"], ledger["landed"]) == (0, 0, len(truth))


async def test_the_observed_row_is_read_rightly(loaded: Road) -> None:
    offer = await typed(loaded, "50837332")
    assert (offer["price"], offer["currency"]) == (98000, "CNY")
    assert offer["km_age"] == 0
    assert offer["year"] == 2022
    assert offer["first_registration"].isoformat() == "2022-09-01"
    assert offer["engine_type"] == "gasoline"
    assert (offer["transmission_type"], offer["drive_type"]) == ("automatic", "fwd")
    assert (offer["power_hp"], offer["power_kw"]) == (192, 141)
    assert offer["complectation"] == "125i"
    assert float(offer["displacement_l"]) == 2.0
    assert isinstance(offer["images"], list)
    assert len(offer["images"]) == 1
    assert offer["images"][0].endswith("car.jpg.webp")


async def test_english_and_russian_words_become_the_same_code(loaded: Road) -> None:
    codes = {(await typed(loaded, inner_id))["engine_type"] for inner_id in ("50837332", "55651236", "53692747")}
    assert codes == {"gasoline"}
    documented = await typed(loaded, "55651236")
    assert (documented["mark"], documented["body_type"], documented["color"]) == ("Lamborghini", "sports_car", "red")
    assert (documented["is_dealer"], documented["city"]) == (True, "Shanghai")


async def test_every_shape_of_a_configuration_is_read_by_parameter(loaded: Road) -> None:
    async with loaded.connection() as connection:
        rows = await connection.fetch(
            "SELECT data::text AS data, normalized_data FROM raw_data JOIN processed_data USING (inner_id)"
        )
    composed = [json.loads(row["normalized_data"]) for row in rows if "奥迪A4L 2022款" in row["data"]]
    assert len(composed) >= 2
    for document in composed:
        assert document["parameters"]["trim_name"] == "奥迪A4L 2022款 40 TFSI 时尚动感型"
        assert document["parameters"]["engine"] == "2.0T 190马力 L4"
        assert (document["year"], document["displacement_l"], document["power_hp"]) == (2022, 2.0, 190.0)
    flat = [json.loads(row["normalized_data"]) for row in rows if "Chery QQ3 2012" in row["data"]]
    assert flat[0]["parameters"]["Название модели"].startswith("Chery QQ3 2012")
