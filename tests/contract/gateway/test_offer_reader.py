"""OfferReader: the same suite on the fake and on PostgreSQL, and any list read through both alike."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contract.gateway.fakes import FakeOffers

from common.settings import DatabaseSettings
from common.testing.offers import a_processed_offer, store_offers
from gateway.adapters import offers as offers_adapter
from gateway.adapters.database import Database
from gateway.adapters.offers import PostgresOffers
from gateway.core.cursor import CursorSigner
from gateway.core.ports import OfferReader, Total
from gateway.core.query import DEFAULT_LIMIT, OfferQuery, Sort, read_query
from gateway.core.search import Search
from gateway.entrypoints.http.models import OfferDetail, OfferItem

pytestmark = pytest.mark.contract

Rows = Sequence[Mapping[str, Any]]
Filled = Callable[[Rows], Awaitable[OfferReader]]


@pytest.fixture
async def real_reader(module_database: DatabaseSettings) -> AsyncIterator[Filled]:
    """A PostgreSQL reader of exactly the given rows, with ids from 1."""
    opened = Database(module_database, application="test")
    await opened.open()

    async def filled(rows: Rows) -> OfferReader:
        await opened.fetch("TRUNCATE processed_data RESTART IDENTITY")
        await store_offers(module_database, rows)
        return PostgresOffers(opened)

    yield filled
    await opened.close()


@pytest.fixture(params=["fake", "postgres"])
def reader_of(request: pytest.FixtureRequest) -> Filled:
    """Makes a reader of the given rows: the fake and the real one in turn."""
    if request.param == "postgres":
        real: Filled = request.getfixturevalue("real_reader")
        return real

    async def filled(rows: Rows) -> OfferReader:
        return FakeOffers(rows)

    return filled


def query_of(**parameters: object) -> OfferQuery:
    """Return the query of these parameters."""
    return read_query([(name, str(value)) for name, value in parameters.items()])[0]


async def ids(reader: OfferReader, **parameters: object) -> list[str]:
    """Return the ids of all pages, read one after another through signed cursors."""
    query, cursors = query_of(**{"fields": "inner_id"} | parameters), CursorSigner(b"k" * 32)
    page = await reader.page(query, None)
    items = list(page.items)
    while page.last is not None:
        page = await reader.page(replace(query, skip=0), cursors.verify(query, cursors.sign(query, page.last)))
        assert page.items, "a cursor leads to at least one offer"
        items += page.items
    return [json.loads(item)["inner_id"] for item in items]


THREE = [
    a_processed_offer(
        inner_id="1", mark="BMW", price=Decimal(300), year=2020, km_age=5, color="red", city=None, is_dealer=True
    ),
    a_processed_offer(
        inner_id="2", mark="bmw", price=None, year=None, km_age=None, color="Red", platform="encar", is_dealer=False
    ),
    a_processed_offer(
        inner_id="3",
        mark="Audi",
        price=Decimal("100.50"),
        year=2018,
        km_age=0,
        model="A4",
        title="BMW 二手A4 quattro 2.0",
        is_dealer=None,
    ),
]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, ["3", "2", "1"]),
        ({"mark": "BmW"}, ["2", "1"]),
        ({"mark": "BMW%"}, []),
        ({"mark": "BM_"}, []),
        ({"mark": "'; DROP TABLE processed_data; --"}, []),
        ({"model": "a4"}, ["3"]),
        ({"platform": "encar"}, ["2"]),
        ({"price_from": "100.50"}, ["3", "1"]),
        ({"price_from": "100.51"}, ["1"]),
        ({"price_to": 300}, ["3", "1"]),
        ({"year_from": 2018, "year_to": 2019}, ["3"]),
        ({"km_age_to": 0}, ["3"]),
        ({"color": "RED"}, ["2", "1"]),
        ({"city": "shanghai"}, ["3", "2"]),
        (
            {"engine_type": "gasoline", "transmission_type": "AUTOMATIC", "body_type": "Sedan", "drive_type": "fwd"},
            [*"321"],
        ),
        ({"model": "a4", "mark": "audi"}, ["3"]),
        ({"is_dealer": "true"}, ["1"]),
        ({"is_dealer": "false", "platform": "encar"}, ["2"]),
        ({"is_dealer": "false", "color": "RED"}, ["2"]),
        ({"q": "bm"}, ["3", "2", "1"]),
        ({"q": "SER 1"}, ["2", "1"]),
        ({"q": "1 audi"}, []),
        ({"q": "ries"}, []),
        ({"q": "a4, a-u"}, []),
        ({"q": "a4, (AUDI)"}, ["3"]),
        ({"q": "%a' | \\ !b:*"}, ["3"]),
        ({"q": "二手"}, ["3"]),
        ({"q": "1", "color": "RED", "price_from": "1"}, ["1"]),
        ({"page": 2, "limit": 2}, ["1"]),
        ({"page": 3, "limit": 2}, []),
        ({"sort": "-price", "page": 2, "limit": 1}, ["3", "2"]),
        ({"sort": "-price", "page": 3, "limit": 1}, ["2"]),
        ({"sort": "price"}, ["3", "1", "2"]),
        ({"sort": "-price"}, ["1", "3", "2"]),
        ({"sort": "-year", "limit": 1}, ["1", "3", "2"]),
        ({"sort": "km_age", "limit": 2}, ["3", "1", "2"]),
    ],
    ids=str,
)
async def test_a_list_holds_what_meets_all_conditions_in_order(
    reader_of: Filled, parameters: dict[str, object], expected: list[str]
) -> None:
    assert await ids(await reader_of(THREE), **parameters) == expected


async def test_a_list_leaves_out_withdrawn_and_incomplete_offers(reader_of: Filled) -> None:
    rows = [
        a_processed_offer(inner_id="1", active_status=1),
        a_processed_offer(inner_id="2", is_complete=False),
        a_processed_offer(inner_id="3"),
    ]
    assert await ids(await reader_of(rows)) == ["3"]


async def test_the_last_page_says_so_also_when_it_is_full(reader_of: Filled) -> None:
    reader = await reader_of([a_processed_offer(inner_id=str(n)) for n in range(4)])
    first = await reader.page(query_of(limit=2), None)
    assert first.last is not None
    second = await reader.page(query_of(limit=2), first.last)
    assert (len(second.items), second.last) == (2, None)


async def test_an_offer_is_found_on_its_platform_or_on_all_withdrawn_or_not(reader_of: Filled) -> None:
    rows = [
        a_processed_offer(inner_id="7", platform="encar", active_status=1),
        a_processed_offer(inner_id="7", platform="che168", is_complete=False),
        a_processed_offer(inner_id="8", platform="dongchedi"),
    ]
    reader = await reader_of(rows)
    everywhere = await reader.find("7", None)
    assert [offer.platform for offer in everywhere] == ["che168", "encar"]
    assert [(json.loads(o.body)["active"], json.loads(o.body)["complete"]) for o in everywhere] == [
        (True, False),
        (False, True),
    ]
    assert [offer.platform for offer in await reader.find("7", "encar")] == ["encar"]
    assert await reader.find("7", "dongchedi") == []
    assert await reader.find("9", None) == []


async def test_answers_are_as_documented(reader_of: Filled) -> None:
    reader = await reader_of([a_processed_offer(inner_id="1", price=Decimal("98000.00"))])
    item = OfferItem.model_validate_json((await reader.page(OfferQuery(), None)).items[0])
    detail = OfferDetail.model_validate_json((await reader.find("1", "che168"))[0].body)
    assert (item.price, item.km_age, item.images) == (
        98000,
        0,
        ["https://2sc2.autoimg.cn/escimg/auto/g31/car.jpg.webp"],
    )
    assert (detail.options, detail.normalized_data) == (["Sunroof"], {"seats": 5})


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example/1", "https://a.example/1"),
        ("http://a.example", "http://a.example"),
        ("javascript:alert(1)", None),
        ("//a.example", None),
        (None, None),
    ],
)
async def test_only_web_addresses_are_given_out(reader_of: Filled, url: str | None, shown: str | None) -> None:
    reader = await reader_of([a_processed_offer(inner_id="1", url=url)])
    assert json.loads((await reader.page(OfferQuery(), None)).items[0])["url"] == shown


@pytest.mark.parametrize(
    ("words", "limit", "expected"),
    [
        (("bmw",), 9, ["3", "2", "1"]),
        (("a4", "audi"), 9, ["3"]),
        (("bmw",), 2, ["3", "2"]),
        (("%",), 9, []),
        (("zzz",), 9, []),
        (("a-4", "(audi)"), 9, []),
        (("b", "ser"), 9, ["2", "1"]),
        (("mw",), 9, []),
        (("%", "a4"), 9, ["3"]),
        (("'a4'", ":*"), 9, ["3"]),
        (("b bm b", "BMW", "s"), 9, ["2", "1"]),
        (("a", "a4", "aud"), 9, ["3"]),
    ],
)
async def test_offers_are_found_by_beginnings_of_words_in_mark_model_and_title(
    reader_of: Filled, words: tuple[str, ...], limit: int, expected: list[str]
) -> None:
    rows = [
        *THREE,
        a_processed_offer(inner_id="9", active_status=1),
        a_processed_offer(inner_id="8", is_complete=False),
    ]
    found = await (await reader_of(rows)).search(Search(words, limit))
    assert [OfferItem.model_validate_json(text).inner_id for text in found] == expected


@pytest.mark.parametrize("parameters", [{}, {"platform": "che168"}, {"q": "bmw", "year_from": 2019}, {"mark": "x"}])
async def test_facets_count_each_value(reader_of: Filled, parameters: dict[str, object]) -> None:
    rows = [*THREE, a_processed_offer(inner_id="4", active_status=1)]
    conditions = query_of(**parameters).conditions
    assert await (await reader_of(rows)).facets(conditions) == await FakeOffers(rows).facets(conditions)
    assert (await FakeOffers(rows).facets(())).values["mark"][0].count == 1


@pytest.mark.parametrize("exact", [True, False])
async def test_offers_are_counted(reader_of: Filled, *, exact: bool) -> None:
    reader = await reader_of([*THREE, a_processed_offer(inner_id="4", active_status=1)])
    for parameters, number in (({}, 3), ({"mark": "bmw"}, 2), ({"q": "nothing"}, 0)):
        assert (await reader.total(query_of(**parameters).conditions, exact=exact)).number == number


async def test_an_estimate_is_exact_up_to_its_cap_and_says_when_it_is_not(
    real_reader: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offers_adapter, "COUNTED", 2)
    reader = await real_reader([*THREE, a_processed_offer(inner_id="4", active_status=1)])
    for parameters, number in (({"mark": "bmw"}, 2), ({"q": "zzz"}, 0)):
        assert await reader.total(query_of(**parameters).conditions, exact=False) == Total(number, exact=True)
    above = await reader.total((), exact=False)
    assert (above.exact, above.number >= len(THREE)) == (False, True)


async def test_only_the_fields_that_were_asked_for_come_in_the_order_of_asking(reader_of: Filled) -> None:
    page = await (await reader_of(THREE)).page(query_of(fields="price,inner_id", limit=1), None)
    assert page.items[0].replace(" ", "") == '{"price":100.5,"inner_id":"3"}'


few = st.integers(0, 3)
offers = st.builds(
    a_processed_offer,
    platform=st.sampled_from(["che168", "encar"]),
    mark=st.sampled_from(["BMW", "bmw", "Audi", None]),
    model=st.sampled_from(["X5", "x5", "A4", "", None]),
    price=st.none() | st.sampled_from([Decimal(0), Decimal("0.01"), Decimal(5), Decimal("999999999999.99")]),
    year=st.none() | few.map(lambda n: 2020 + n),
    km_age=st.none() | few,
    color=st.sampled_from(["white", "червоний", None]),
    title=st.none() | st.text("aB5-_' é二", max_size=12),
    is_dealer=st.sampled_from([True, False, None]),
    active_status=st.sampled_from([0, 0, 0, 1]),
    is_complete=st.sampled_from([True, True, True, False]),
)


def holds_something(asked: Mapping[str, Any]) -> bool:
    """Return whether the range of prices is none that is refused."""
    return Decimal(asked.get("price_from", "0")) <= Decimal(asked.get("price_to", "Infinity"))


parameter_sets = st.fixed_dictionaries(
    {"sort": st.sampled_from(list(Sort)), "limit": st.integers(1, 5)},
    optional={
        "platform": st.sampled_from(["che168", "encar"]),
        "mark": st.sampled_from(["bmw", "AUDI"]),
        "model": st.sampled_from(["X5", "a4"]),
        "price_from": st.sampled_from(["0", "0.01", "5"]),
        "price_to": st.sampled_from(["0", "4.99", "999999999999.99"]),
        "year_from": few.map(lambda n: 2020 + n),
        "km_age_to": few,
        "color": st.sampled_from(["WHITE", "ЧЕРВОНИЙ"]),
        "is_dealer": st.sampled_from(["true", "false"]),
        "q": st.sampled_from(["b", "x5 b", "A4", "5", "二", "É", "'b"]),
        "page": st.integers(1, 9),
    },
).filter(holds_something)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(offers, max_size=25), parameters=parameter_sets)
async def test_any_list_read_page_by_page_is_the_one_of_the_model(
    real_reader: Filled, rows: list[dict[str, Any]], parameters: dict[str, object]
) -> None:
    numbered = [row | {"inner_id": str(number)} for number, row in enumerate(rows)]
    model = FakeOffers(numbered)
    skipped = (int(str(parameters.get("page", 1))) - 1) * int(str(parameters["limit"]))
    whole = await ids(model, **{name: value for name, value in parameters.items() if name != "page"} | {"limit": 100})
    reader = await real_reader(numbered)
    assert await ids(reader, **parameters) == whole[skipped:]
    assert (await reader.total(query_of(**parameters).conditions, exact=True)).number == len(whole)


def test_the_default_page_is_what_the_documentation_says() -> None:
    assert query_of().limit == DEFAULT_LIMIT
