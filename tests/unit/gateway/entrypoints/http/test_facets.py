"""Facets and the sources' own filters over HTTP, on the fake catalogue."""

from typing import Any

import pytest
from tests.contract.gateway.fakes import FakeOffers, a_client, some_parts

from common.testing.clock import VirtualClock
from common.testing.offers import a_processed_offer
from gateway.core.facets import FACETS, KEPT_S
from gateway.entrypoints.http.models import FacetList, SourceFilterList

pytestmark = pytest.mark.unit

ROWS: list[dict[str, Any]] = [
    a_processed_offer(inner_id="1", mark="BMW", year=2020, is_dealer=True),
    a_processed_offer(inner_id="2", mark="Audi", year=2020, is_dealer=None),
    a_processed_offer(inner_id="3", mark="Audi", year=2021, is_dealer=False),
]


async def test_values_are_counted_under_the_filters() -> None:
    async with a_client(await some_parts(offers=FakeOffers(ROWS))) as client:
        found = FacetList.model_validate_json((await client.get("/offers/facets?year_to=2020")).content)
    assert (found.total, list(found.facets)) == (2, list(FACETS))
    shown = {name: [(value.value, value.count) for value in values] for name, values in found.facets.items()}
    assert shown["mark"] == [("Audi", 1), ("BMW", 1)]
    assert (shown["year"], shown["is_dealer"]) == ([(2020, 2)], [(True, 1)])


async def test_counts_are_kept_for_a_while_and_by_filter() -> None:
    offers, clock = FakeOffers(ROWS), VirtualClock()
    async with a_client(await some_parts(offers=offers, clock=clock)) as client:
        for path in ("", "?mark=BMW", "", "?mark=BMW"):
            assert (await client.get(f"/offers/facets{path}")).status_code == 200
        assert offers.counted == 2
        await clock.advance(KEPT_S)
        await client.get("/offers/facets")
    assert offers.counted == 3


@pytest.mark.parametrize("query", ["limit=1", "sort=price", "cursor=abc", "fields=mark", "prise_to=1"])
async def test_only_filters_are_taken(query: str) -> None:
    async with a_client(await some_parts()) as client:
        assert (await client.get(f"/offers/facets?{query}")).status_code == 422


async def test_the_sources_own_filters_are_given_as_they_came() -> None:
    async with a_client(await some_parts()) as client:
        every = SourceFilterList.model_validate_json((await client.get("/filters")).content)
        one = SourceFilterList.model_validate_json((await client.get("/filters?platform=encar")).content)
    assert [item.platform for item in every.items] == ["che168", "encar"]
    assert [(item.platform, item.filters) for item in one.items] == [("encar", {"mark": {}})]
