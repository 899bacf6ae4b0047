"""OfferExporter on PostgreSQL: what stands in the files, held against the list and against readers of each format."""

import csv
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet  # type: ignore[import-untyped] # pyarrow ships no types
from tests.contract.gateway.fakes import FakeOffers

from common.settings import DatabaseSettings
from common.testing.offers import a_processed_offer, store_offers
from gateway.adapters.database import Database
from gateway.adapters.export import PostgresExports
from gateway.adapters.offers import PostgresOffers
from gateway.core.export import read_export
from gateway.core.query import FIELDS, OfferQuery, read_query

pytestmark = pytest.mark.contract

Rows = Sequence[Mapping[str, Any]]


@pytest.fixture(scope="module")
async def database(module_database: DatabaseSettings) -> AsyncIterator[Database]:
    """The pool."""
    opened = Database(module_database, application="test")
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
def filled(database: Database, module_database: DatabaseSettings) -> Callable[[Rows], Awaitable[None]]:
    """Make the catalogue hold exactly these rows."""

    async def fill(rows: Rows) -> None:
        await database.fetch("TRUNCATE processed_data RESTART IDENTITY")
        await store_offers(module_database, rows)

    return fill


async def file(database: Database, **parameters: str) -> bytes:
    """Return a whole file."""
    async with PostgresExports(database).opened(read_export(parameters.items())) as parts:
        return b"".join([part async for part in parts])


def _an_offer(**values: Any) -> dict[str, Any]:
    return a_processed_offer(first_registration=date(2022, 3, 1), **values)


ODD = [
    _an_offer(inner_id="1", price=Decimal("98000.00"), is_dealer=True),
    _an_offer(inner_id="2", mark='say "hi", now', model="two\r\nlines", title="", is_dealer=False, images=[]),
    _an_offer(inner_id="3", mark=None, model=None, price=None, year=None, km_age=None, url="javascript:x"),
    _an_offer(inner_id="4", active_status=1),
    _an_offer(inner_id="5", is_complete=False),
    _an_offer(inner_id="6", mark="宝马", city="é\u2028\\"),
]


async def test_lines_of_json_are_the_list_from_its_end(
    database: Database, filled: Callable[[Rows], Awaitable[None]]
) -> None:
    await filled(ODD)
    listed = await PostgresOffers(database).page(OfferQuery(limit=100), None)
    assert (await file(database)).decode().split("\n") == [*reversed(listed.items), ""]
    assert len(listed.items) == 4


async def test_csv_is_read_back_as_it_was(database: Database, filled: Callable[[Rows], Awaitable[None]]) -> None:
    await filled(ODD)
    text = (await file(database, format="csv")).decode()
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    assert tuple(rows[0]) == FIELDS
    first, second, third, last = rows
    expected = {"price": "98000", "first_registration": "2022-03-01", "is_dealer": "true", "displacement_l": "2"}
    assert {name: first[name] for name in expected} == expected
    assert json.loads(first["images"]) == ODD[0]["images"]
    assert (second["mark"], second["model"], second["title"]) == ('say "hi", now', "two\r\nlines", "")
    assert (third["mark"], third["price"], third["year"], third["url"]) == ("", "", "", "")
    assert (last["mark"], last["city"]) == ("宝马", "é\u2028\\")
    assert text.endswith("\r\n")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", "\n=", " =", "＝", "＋", "－", "＠"])
async def test_no_cell_starts_a_formula(
    database: Database, filled: Callable[[Rows], Awaitable[None]], start: str
) -> None:
    bad = f'{start}HYPERLINK("https://a.example";"x")'
    await filled([a_processed_offer(inner_id=bad, mark=bad, title=bad, city="a" + bad)])
    text = (await file(database, format="csv", fields="inner_id,mark,title,city")).decode()
    (row,) = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    assert row == {"inner_id": f"'{bad}", "mark": f"'{bad}", "title": f"'{bad}", "city": "a" + bad}


async def test_parquet_is_read_back_with_its_types(
    database: Database, filled: Callable[[Rows], Awaitable[None]]
) -> None:
    await filled(ODD)
    table = parquet.read_table(io.BytesIO(await file(database, format="parquet")))
    assert tuple(table.column_names) == FIELDS
    rows = table.to_pylist()
    assert [row["inner_id"] for row in rows] == ["1", "2", "3", "6"]
    assert (rows[0]["price"], rows[0]["first_registration"]) == (Decimal(98000), date(2022, 3, 1))
    assert (rows[0]["is_dealer"], rows[0]["year"], rows[0]["updated_at"].tzname()) == (True, 2022, "UTC")
    assert (rows[2]["mark"], rows[2]["price"], rows[3]["mark"]) == (None, None, "宝马")
    assert parquet.read_table(io.BytesIO(await file(database, format="parquet", mark="none"))).num_rows == 0


async def test_only_the_fields_that_were_asked_for_come(
    database: Database, filled: Callable[[Rows], Awaitable[None]]
) -> None:
    await filled(ODD[:1])
    assert json.loads(await file(database, fields="price,inner_id")) == {"price": 98000, "inner_id": "1"}
    assert await file(database, fields="price,inner_id", format="csv") == b'price,inner_id\r\n98000,"1"\r\n'


offers = st.builds(
    a_processed_offer,
    mark=st.sampled_from(["BMW", "bmw", "Audi", None]),
    title=st.none() | st.text("aB5-_' é二\n=\"", max_size=8),
    year=st.none() | st.integers(2020, 2023),
    color=st.sampled_from(["white", "red", None]),
    active_status=st.sampled_from([0, 0, 1]),
)
filters = st.fixed_dictionaries(
    {},
    optional={
        "mark": st.sampled_from(["bmw", "AUDI"]),
        "color": st.sampled_from(["WHITE", "red"]),
        "year_from": st.sampled_from(["2021", "2023"]),
        "q": st.sampled_from(["b", "a", "5", "二"]),
    },
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(offers, max_size=12), chosen=filters)
async def test_any_filter_exports_what_the_model_lists(
    database: Database,
    filled: Callable[[Rows], Awaitable[None]],
    rows: list[dict[str, Any]],
    chosen: dict[str, str],
) -> None:
    numbered = [row | {"inner_id": str(number)} for number, row in enumerate(rows)]
    await filled(numbered)
    query = read_query([*chosen.items(), ("limit", "100")])[0]
    expected = [json.loads(text)["inner_id"] for text in reversed((await FakeOffers(numbered).page(query, None)).items)]
    lines = (await file(database, **chosen)).decode().splitlines()
    assert [json.loads(line)["inner_id"] for line in lines] == expected
    text = (await file(database, format="csv", **chosen)).decode()
    assert [row["inner_id"] for row in csv.DictReader(io.StringIO(text, newline=""), strict=True)] == expected
