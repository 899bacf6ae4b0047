"""`X-Data-As-Of` stands on every answer that shows the catalogue, and on no other."""

import pytest
from tests.contract.gateway.fakes import FakeOffers, a_client, some_parts

from common.testing.offers import a_processed_offer

pytestmark = pytest.mark.unit

PLATFORMS, SHOPS = "2026-11-20T00:00:00Z", "2026-11-19T00:00:00Z"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/offers", PLATFORMS),
        ("/offers?platform=che168", PLATFORMS),
        ("/offers?platform=unheard", None),
        ("/offers/50837332", PLATFORMS),
        ("/offers/facets", PLATFORMS),
        ("/offers/export", PLATFORMS),
        ("/filters", PLATFORMS),
        ("/products", SHOPS),
        ("/categories", SHOPS),
        ("/search?q=x", SHOPS),
        ("/changes", SHOPS),
        ("/changes?platform=che168", PLATFORMS),
        ("/change_id?date=2026-11-20", SHOPS),
        ("/offers/unheard", None),
        ("/offers?marc=x", None),
        ("/collect-data", None),
        ("/status", None),
        ("/health/live", None),
        ("/offersx", None),
    ],
)
async def test_it_is_on_answers_that_show_the_catalogue(path: str, expected: str | None) -> None:
    async with a_client(await some_parts(offers=FakeOffers([a_processed_offer()]))) as client:
        answer = await client.get(path)
    assert answer.headers.get("X-Data-As-Of") == expected


async def test_it_is_on_an_answer_that_says_nothing_new() -> None:
    async with a_client(await some_parts(offers=FakeOffers([a_processed_offer()]))) as client:
        etag = (await client.get("/offers/50837332")).headers["ETag"]
        answer = await client.get("/offers/50837332", headers={"If-None-Match": etag})
    assert (answer.status_code, answer.headers["X-Data-As-Of"]) == (304, PLATFORMS)


async def test_it_is_documented_where_it_is() -> None:
    async with a_client(await some_parts()) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    found = {
        path for path, item in paths.items() if "X-Data-As-Of" in item["get"]["responses"]["200"].get("headers", {})
    }
    offers = {"/offers", "/offers/{inner_id}", "/offers/{inner_id}/provenance", "/offers/facets", "/offers/export"}
    rest = {"/offers/stream", "/filters", "/search", "/changes", "/change_id"}
    shop = {"/products", "/products/{product_id}", "/categories"}
    assert found == offers | shop | rest
