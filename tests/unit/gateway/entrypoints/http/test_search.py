"""`GET /search` over HTTP, on fakes."""

from typing import Any

import httpx
import pytest
from tests.contract.gateway.fakes import FakeOffers, FakeSource, a_client, some_parts
from tests.contract.gateway.shop import FakeProducts, a_shop_product

from common.errors import UnavailableError
from common.testing.offers import a_processed_offer
from gateway.core.errors import QueryTimeoutError
from gateway.entrypoints.http.shop_models import SearchResult

pytestmark = pytest.mark.unit

DOWN = UnavailableError("the database does not answer")
OFFERS = [a_processed_offer(inner_id=str(n), title=f"Test car {n}") for n in range(3)]
PRODUCTS = [a_shop_product(str(n), name=f"Test rose {n}") for n in range(3)]


async def get(path: str, **known: Any) -> httpx.Response:
    """Ask once."""
    parts = {"offers": FakeOffers(OFFERS), "products": FakeProducts(PRODUCTS), **known}
    async with a_client(await some_parts(**parts)) as client:
        return await client.get(path)


async def test_everything_that_holds_the_words_is_found() -> None:
    answer = await get("/search?q=TEST+1")
    found = SearchResult.model_validate_json(answer.content)
    assert [offer.inner_id for offer in found.offers] == ["2", "1", "0"]  # of the model 1 Series
    assert [product.product_id for product in found.products] == ["1"]
    assert [record.id for record in found.reference] == [1, 11, 21, 31]
    assert found.missing == []
    assert answer.headers["X-Sources"] == "offers;ok, products;ok, 1;ok, 2;ok, 3;ok"


async def test_what_fails_is_missing_and_named() -> None:
    sources = (FakeSource("1", [1]), FakeSource("2", failure=DOWN))
    late = FakeProducts(failure=QueryTimeoutError("too slow"))
    answer = await get("/search?q=test&limit=1", products=late, sources=sources)
    found = SearchResult.model_validate_json(answer.content)
    assert (len(found.offers), found.products, len(found.reference)) == (1, [], 1)
    assert found.missing == ["products", "2"]
    assert answer.headers["X-Sources"] == "offers;ok, products;missing;reason=timeout, 1;ok, 2;missing;reason=error"


async def test_nothing_at_all_is_still_an_answer() -> None:
    sources = [FakeSource(str(n), failure=DOWN) for n in (1, 2, 3)]
    answer = await get(
        "/search?q=test", offers=FakeOffers(failure=DOWN), products=FakeProducts(failure=DOWN), sources=sources
    )
    assert (answer.status_code, answer.json()["missing"]) == (200, ["offers", "products", "1", "2", "3"])


@pytest.mark.parametrize(
    "query", ["", "q=", "q=+", "q=%25+-", "q=a&q=b", "q=a&limit=0", "q=a&limit=51", "q=%00", "query=a"]
)
async def test_wrong_parameters_are_refused(query: str) -> None:
    assert (await get(f"/search?{query}")).status_code == 422


async def test_a_missing_word_is_said() -> None:
    assert (await get("/search")).json()["errors"] == [{"name": "q", "reason": "is required"}]
