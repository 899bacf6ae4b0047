"""Offers of dongchedi and encar from the stand-in, with the project's own settings, into PostgreSQL."""

import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from tests.integration.normalizer.road import Rows, opened_store

from common.events import FeedRecord, PageFetched, PageKind
from common.settings import DatabaseSettings
from normalizer.app import profiles
from normalizer.core.land import Lander
from normalizer.settings import NormalizerSettings
from sandbox.upstream.filters import OfferFilter
from sandbox.upstream.generated import GeneratedSource, World
from sandbox.upstream.quirks import NO_QUIRKS

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def first_pages(platform: str, count: int) -> list[PageFetched]:
    world = World(offers=400, seed=1, platform=platform, changes_per_day=60, history_days=2, now=NOW, quirks=NO_QUIRKS)
    source = GeneratedSource(world)
    pages = []
    for number in range(1, count + 1):
        rows = [json.loads(row) for row in source.offers(platform, number, OfferFilter()).rows]
        records = [
            FeedRecord(row["inner_id"], "added", 1, data=msgspec.Raw(json.dumps(row["data"]).encode())) for row in rows
        ]
        pages.append(PageFetched(platform, PageKind.PAGE, "run", number, NOW, records))
    return pages


@pytest.mark.parametrize("platform", ["dongchedi", "encar"])
async def test_every_offer_becomes_a_typed_row_without_a_word_unknown(
    platform: str, database: DatabaseSettings, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parents[3])
    pages = first_pages(platform, 10)
    async with opened_store(database) as store:
        lander = Lander(store, profiles(NormalizerSettings()))
        counts = await lander.land(pages)
        assert (counts["inserted"], counts["errors"], counts["quarantined"]) == (200, 0, 0)
        changed = pages[0].records[0].inner_id
        news = msgspec.Raw(b'{"new_price":3490,"new_price_won":34900000}')
        event = PageFetched(platform, PageKind.CHANGE, "run", 1, NOW, [FeedRecord(changed, "changed", 5, data=news)])
        await lander.land([event])
    said = await rows.connection.fetchrow(
        "SELECT count(*), count(mark), count(year), count(power_hp), count(province), count(city), count(engine_type), "
        "count(nullif(normalized_data -> 'details', 'null')) AS details, max(jsonb_array_length(options)) AS options "
        "FROM processed_data"
    )
    assert said is not None
    assert tuple(said)[:-1] == (200,) * 8
    assert said["options"] >= 5
    price = await rows.connection.fetchval("SELECT price FROM processed_data WHERE inner_id = $1", changed)
    assert price == {"dongchedi": 3490, "encar": 34_900_000}[platform]
    drift = await rows.connection.fetch("SELECT field, reason, word FROM drift")
    assert [tuple(row) for row in drift] == ([("", "unknown_key", "new_price_won")] if platform == "dongchedi" else [])
