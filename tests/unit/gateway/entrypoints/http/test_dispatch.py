"""The short way to a handler: which one a path means, and what is left to FastAPI."""

import httpx
import pytest
from tests.contract.gateway.fakes import FakeOffers, a_client, some_parts

from gateway.core.ports import StoredItem
from gateway.entrypoints.http.api import build_api
from gateway.entrypoints.http.routes import DirectRoute

pytestmark = pytest.mark.unit


class EchoingOffers(FakeOffers):
    """An OfferReader that answers with the id it was asked for."""

    async def find(self, inner_id: str, platform: str | None) -> list[StoredItem]:
        """Return an offer of this id."""
        return [StoredItem(platform or "che168", f'{{"inner_id":"{inner_id}"}}')]


async def ask(method: str, path: str) -> httpx.Response:
    """Ask once."""
    async with a_client(await some_parts(offers=EchoingOffers())) as client:
        return await client.request(method, path)


@pytest.mark.parametrize("inner_id", ["1", "50837332", "a b", "facets1", "%D1%8F"])
async def test_an_id_in_the_path_reaches_its_handler(inner_id: str) -> None:
    answer = await ask("GET", f"/offers/{inner_id}")
    assert answer.json() == {"inner_id": httpx.URL(f"http://x/{inner_id}").path[1:]}


async def test_a_path_without_parameters_is_no_id() -> None:
    assert "facets" in (await ask("GET", "/offers/facets")).json()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/offers/", 404),
        ("GET", "/offers/1/2", 404),
        ("GET", "/nothing", 404),
        ("POST", "/offers", 405),
        ("DELETE", "/offers/1", 405),
        ("HEAD", "/offers/1", 200),
    ],
)
async def test_what_no_handler_answers_is_refused_as_before(method: str, path: str, status: int) -> None:
    assert (await ask(method, path)).status_code == status


async def test_every_route_is_one_that_is_dispatched() -> None:
    routes = build_api(await some_parts()).routes
    assert routes
    assert [route for route in routes if not isinstance(route, DirectRoute)] == []
