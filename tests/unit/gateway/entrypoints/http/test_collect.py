"""`GET /collect-data` over HTTP, on fake sources."""

import httpx
import pytest
from tests.contract.gateway.fakes import FakeSource, a_client, some_parts

from common.errors import UnavailableError
from gateway.entrypoints.http.models import ReferenceRecords

pytestmark = pytest.mark.unit

DOWN = UnavailableError("the database does not answer")


async def get(*sources: FakeSource, path: str = "/collect-data") -> httpx.Response:
    """Ask once."""
    async with a_client(await some_parts(sources=sources)) as client:
        return await client.get(path)


async def test_all_sources_are_one_list_by_id() -> None:
    answer = await get(FakeSource("1", [2, 31]), FakeSource("2", [11]), FakeSource("3", [21]))
    expected = (
        '[{"id":2,"name":"Test 2"},{"id":11,"name":"Test 11"},{"id":21,"name":"Test 21"},{"id":31,"name":"Test 31"}]'
    )
    assert (answer.status_code, answer.text) == (200, expected)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Sources"] == "1;ok, 2;ok, 3;ok"
    ReferenceRecords.model_validate_json(answer.content)


async def test_a_source_that_fails_is_missing_data_and_named() -> None:
    answer = await get(FakeSource("1", [1]), FakeSource("2", [11], failure=DOWN), FakeSource("3", [21]))
    assert (answer.status_code, [record["id"] for record in answer.json()]) == (200, [1, 21])
    assert answer.headers["X-Sources"] == "1;ok, 2;missing;reason=error, 3;ok"


async def test_nothing_at_all_is_an_empty_list() -> None:
    answer = await get(*(FakeSource(str(n), failure=DOWN) for n in range(1, 4)))
    assert (answer.status_code, answer.text) == (200, "[]")


async def test_the_metrics_count_what_came_of_it() -> None:
    parts = await some_parts(sources=[FakeSource("1", [1]), FakeSource("2", failure=DOWN)])
    async with a_client(parts) as client:
        for _ in range(3):
            await client.get("/collect-data")
        text = (await client.get("/metrics")).text
    assert 'feedmill_source_requests_total{outcome="ok",source="1"} 3.0\n' in text
    assert 'feedmill_source_requests_total{outcome="error",source="2"} 3.0\n' in text


async def test_it_takes_no_parameters() -> None:
    assert (await get(path="/collect-data?source=1")).status_code == 422
