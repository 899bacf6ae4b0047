"""auto-api's contract over HTTP, on fakes: shapes, pages, credentials, errors."""

from typing import Any

import httpx
import pytest
from tests.contract.gateway.fakes import OTHER_TOKEN, TOKEN, a_client, some_parts
from tests.contract.gateway.records import FakeRecords

from common.events import MAX_INNER_ID
from gateway.core.autoapi import Event
from gateway.entrypoints.http.autoapi_models import AutoApiChanges, AutoApiOffers

pytestmark = pytest.mark.unit

WHEN = "2026-11-20T10:00:00.000Z"
OFFERS = [Event(n, str(n), "added", WHEN, f'{{"inner_id":"{n}","price":"98000.50"}}') for n in range(41)]
CHANGES = [
    Event(456, "1", "added", WHEN, '{"inner_id":"1"}'),
    Event(457, "2", "changed", WHEN, '{"new_price":1790000}'),
    Event(460, "3", "removed", WHEN, None),
]


async def get(path: str, *, token: str | None = TOKEN, **known: Any) -> httpx.Response:
    """Ask once."""
    parts = {"records": FakeRecords(OFFERS, CHANGES)} | known
    async with a_client(await some_parts(**parts), token=token) as client:
        return await client.get(f"/api/v2{path}")


async def test_pages_of_twenty_lead_to_a_null() -> None:
    seen, page = list[str](), 1
    while True:
        answer = AutoApiOffers.model_validate_json((await get(f"/che168/offers?page={page}")).content)
        seen += [row.inner_id for row in answer.result]
        assert (answer.meta.page, answer.meta.limit) == (page, 20)
        if answer.meta.next_page is None:
            break
        page = answer.meta.next_page
    assert (len(seen), page) == (41, 3)
    assert (await get("/che168/offers?page=99")).json() == {
        "result": [],
        "meta": {"page": 99, "next_page": None, "limit": 20},
    }


async def test_events_have_the_documented_shape_and_end_in_a_null() -> None:
    answer = await get("/che168/changes?change_id=456")
    AutoApiChanges.model_validate_json(answer.content)
    assert answer.json() == {
        "result": [
            {"id": 456, "inner_id": "1", "change_type": "added", "created_at": WHEN, "data": {"inner_id": "1"}},
            {"id": 457, "inner_id": "2", "change_type": "changed", "created_at": WHEN, "data": {"new_price": 1790000}},
            {"id": 460, "inner_id": "3", "change_type": "removed", "created_at": WHEN},
        ],
        "meta": {"cur_change_id": 456, "next_change_id": 461, "limit": 20},
    }
    end = await get("/che168/changes?change_id=461")
    assert end.json() == {"result": [], "meta": {"cur_change_id": 461, "next_change_id": None, "limit": 20}}


async def test_an_offer_is_its_bare_record() -> None:
    assert (await get("/che168/offer?inner_id=7")).text == '{"inner_id":"7","price":"98000.50"}'
    missing = await get("/che168/offer?inner_id=99")
    assert (missing.status_code, missing.json()) == (404, {"message": "Offer not found"})
    assert (await get(f"/che168/offer?inner_id={'7' * MAX_INNER_ID}")).status_code == 404


async def test_a_platform_without_a_reference_has_an_empty_one() -> None:
    assert (await get("/che168/filters")).json()["mark"] == {}


async def test_known_filters_filter_and_unknown_names_are_ignored_as_in_the_original() -> None:
    records = FakeRecords(OFFERS)
    answer = await get("/che168/offers?page=1&mark=BMW&brand=Audi&year_from=2019&color=", records=records)
    assert answer.status_code == 200
    assert [(c.filter.parameter.name, c.value) for c in records.asked[0]] == [("mark", "BMW"), ("year_from", 2019)]


async def test_a_range_that_holds_nothing_is_no_error_as_in_the_original() -> None:
    assert (await get("/che168/offers?page=1&price_from=2&price_to=1")).status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/che168/offers", 422, "Validation failed"),
        ("/che168/offers?page=0", 422, "Validation failed"),
        ("/che168/offers?page=x", 422, "Validation failed"),
        ("/che168/offers?page=1&page=2", 422, "Validation failed"),
        ("/che168/offers?page=1&price_from=x", 422, "Validation failed"),
        ("/che168/change_id?date=today", 422, "Validation failed"),
        ("/che168/changes?change_id=-1", 422, "Validation failed"),
        ("/nowhere/offers?page=1", 404, "Source not found"),
        ("/bot_igor/offers?page=1", 404, "Source not found"),
        ("/che168/nothing", 404, "Source not found"),
    ],
)
async def test_errors_are_messages(path: str, status: int, message: str) -> None:
    answer = await get(path)
    assert (answer.status_code, answer.json()["message"]) == (status, message)
    assert answer.headers["Content-Type"] == "application/json"


async def test_a_key_may_be_a_parameter_or_a_header_here_and_only_here() -> None:
    path = "/che168/change_id?date=2026-11-20"
    assert (await get(f"{path}&api_key={TOKEN}", token=None)).json() == {"change_id": 1}
    for wrong in (path, f"{path}&api_key=", f"{path}&api_key={OTHER_TOKEN}"):
        answer = await get(wrong, token=None)
        assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})
    async with a_client(await some_parts(), token=None) as client:
        assert (await client.get(f"/api/v2{path}", headers={"x-api-key": TOKEN})).status_code == 200
        assert (await client.get(f"/offers?api_key={TOKEN}")).status_code == 401
    assert (await get(f"{path}&api_key={TOKEN}")).status_code == 400
