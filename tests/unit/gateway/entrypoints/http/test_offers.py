"""The list and the single offer over HTTP, on the fake catalogue."""

from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from tests.contract.gateway.fakes import FakeOffers, a_client, some_parts

from common.events import MAX_INNER_ID
from common.testing.offers import a_processed_offer
from gateway.entrypoints.http.models import OfferDetail, OfferList, Status

pytestmark = pytest.mark.unit

ROWS: Sequence[dict[str, Any]] = [a_processed_offer(inner_id=str(n), price=n) for n in range(5)]


async def get(
    path: str, *, headers: dict[str, str] | None = None, rows: Sequence[dict[str, Any]] = ROWS
) -> httpx.Response:
    """Ask once."""
    async with a_client(await some_parts(offers=FakeOffers(rows))) as client:
        return await client.get(path, headers=headers)


async def test_pages_follow_one_another_until_there_is_no_cursor() -> None:
    seen, path = [], "/offers?sort=price&limit=2"
    async with a_client(await some_parts(offers=FakeOffers(ROWS))) as client:
        address: str | None = path
        while address is not None:
            body = OfferList.model_validate_json((await client.get(address)).content)
            seen.append([item.inner_id for item in body.items])
            address = None if body.next_cursor is None else f"{path}&cursor={body.next_cursor}"
    assert seen == [["0", "1"], ["2", "3"], ["4"]]


async def test_an_empty_list_is_an_answer() -> None:
    answer = await get("/offers?mark=nobody")
    assert answer.json() == {"items": [], "next_cursor": None, "total": None, "total_exact": None}
    assert answer.headers["Content-Type"] == "application/json"


async def test_a_cursor_of_another_list_is_refused() -> None:
    cursor = (await get("/offers?limit=1")).json()["next_cursor"]
    assert (await get(f"/offers?limit=1&cursor={cursor}")).status_code == 200
    answer = await get(f"/offers?limit=1&sort=price&cursor={cursor}")
    assert (answer.status_code, answer.json()["type"]) == (400, "/docs#problem-invalid-cursor")


async def test_a_cursor_goes_on_in_capital_letters() -> None:
    cursor = (await get("/offers?limit=1&mark=bmw&q=series")).json()["next_cursor"]
    assert (await get(f"/offers?mark=BMW&q=SERIES&cursor={cursor}")).status_code == 200


async def test_a_page_is_found_by_its_number_and_goes_on_by_cursor() -> None:
    first = (await get("/offers?sort=price&limit=2&page=2")).json()
    assert [item["inner_id"] for item in first["items"]] == ["2", "3"]
    second = (await get(f"/offers?sort=price&limit=2&cursor={first['next_cursor']}")).json()
    assert [item["inner_id"] for item in second["items"]] == ["4"]
    assert (await get("/offers?page=1&cursor=abc")).status_code == 422


async def test_only_the_fields_that_were_asked_for_are_sent() -> None:
    answer = await get("/offers?sort=price&limit=1&fields=price,inner_id")
    assert answer.json()["items"] == [{"price": 0, "inner_id": "0"}]
    assert list(answer.json()["items"][0]) == ["price", "inner_id"]


@pytest.mark.parametrize(("count", "exact"), [("exact", True), ("estimated", False)])
async def test_all_pages_are_counted_when_asked(count: str, *, exact: bool) -> None:
    body = OfferList.model_validate_json((await get(f"/offers?limit=1&price_from=1&count={count}")).content)
    assert (len(body.items), body.total, body.total_exact) == (1, 4, exact)


async def test_wrong_parameters_are_named_one_by_one() -> None:
    body = (await get("/offers?prise_from=1&limit=1000&mark=a&mark=b")).json()
    assert [error["name"] for error in body["errors"]] == ["prise_from", "limit", "mark"]


@pytest.mark.parametrize("path", ["/offers", "/offers/facets", "/offers/export", "/products", "/info"])
async def test_a_range_that_holds_nothing_is_a_fault_everywhere_but_in_autoapi_s_contract(path: str) -> None:
    answer = await get(f"{path}?price_from=2&price_to=1")
    assert (answer.status_code, answer.json()["errors"]) == (
        422,
        [{"name": "price_from", "reason": "is greater than price_to"}],
    )


@pytest.mark.parametrize("text", ["", "+", "%25", "--", "x" * 101])
async def test_the_list_and_the_search_refuse_the_same_words(text: str) -> None:
    answers = [await get(f"{path}?q={text}") for path in ("/offers", "/search")]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert answers[0].json()["errors"] == answers[1].json()["errors"]


@pytest.mark.parametrize("query", ["mark=%D0%B1%D0%BC%D0%B2", "mark=бмв", "mark=Б%D0%BC%D0%92", "mark=%D0%B1+x"])
async def test_letters_of_all_languages_come_through(query: str) -> None:
    rows = [a_processed_offer(inner_id="1", mark="БМВ"), a_processed_offer(inner_id="2", mark="б x")]
    assert len((await get(f"/offers?{query}", rows=rows)).json()["items"]) == 1


async def test_a_withdrawn_offer_is_shown_as_such() -> None:
    answer = await get("/offers/7", rows=[a_processed_offer(inner_id="7", active_status=1)])
    assert OfferDetail.model_validate_json(answer.content).active is False


async def test_an_id_of_several_platforms_asks_which() -> None:
    rows = [a_processed_offer(inner_id="7", platform=name) for name in ("encar", "che168")]
    answer = await get("/offers/7", rows=rows)
    assert (answer.status_code, answer.json()["platforms"]) == (409, ["che168", "encar"])
    assert (await get("/offers/7?platform=encar", rows=rows)).json()["platform"] == "encar"
    assert (await get("/offers/7?platform=dongchedi", rows=rows)).status_code == 404


async def test_an_id_as_long_as_any_that_is_landed_leads_to_its_offer_and_a_longer_one_is_none() -> None:
    longest = "7" * MAX_INNER_ID
    assert (await get(f"/offers/{longest}", rows=[a_processed_offer(inner_id=longest)])).status_code == 200
    assert (await get(f"/offers/{longest}7")).status_code == 422


async def test_an_offer_that_did_not_change_is_not_sent_again() -> None:
    first = await get("/offers/1")
    etag = first.headers["ETag"]
    assert etag.startswith('"')
    assert first.headers["Cache-Control"] == "private, no-cache"
    for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        again = await get("/offers/1", headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag), known
    for unknown in ('"other"', etag.strip('"'), etag[:-2] + '"', ""):
        assert (await get("/offers/1", headers={"If-None-Match": unknown})).status_code == 200, unknown


async def test_the_tag_changes_with_the_offer() -> None:
    tags = {(await get("/offers/1", rows=[a_processed_offer(inner_id="1", price=p)])).headers["ETag"] for p in (1, 2)}
    assert len(tags) == 2


async def test_the_status_is_as_documented_with_the_version_first() -> None:
    answer = await get("/status")
    assert Status.model_validate_json(answer.content).version == "0.1.0"
    assert (await get("/status?verbose=1")).status_code == 422
