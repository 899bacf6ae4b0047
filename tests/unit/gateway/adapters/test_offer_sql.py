"""Queries become SQL whose every value is bound and whose every name is ours."""

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.offer_filters import TAGS, WORDS
from gateway.adapters.offer_sql import DETAIL_FIELDS, LIST_FIELDS, Statement, capped, counted, skips, stretches
from gateway.core.query import FILTERS, PARAMETERS, OfferQuery, Position, Sort, read_query
from gateway.entrypoints.http.models import OfferDetail, OfferItem

pytestmark = pytest.mark.unit


def of(after: Position | None = None, /, **parameters: Any) -> list[Statement]:
    """Return the stretches of these parameters."""
    return list(stretches(read_query(parameters.items())[0], after))


def conditions(stretch: Statement) -> list[str]:
    """Return what stands after WHERE."""
    return stretch.sql.split("WHERE ")[1].split(" ORDER BY")[0].split(" AND ")[2:]


def order(stretch: Statement) -> str:
    """Return the order of the walk."""
    return stretch.sql.split("WHERE ")[1].split("ORDER BY ")[1].split("LIMIT")[0].strip()


@pytest.mark.parametrize(
    ("parameters", "where", "values"),
    [
        ({}, [], ()),
        ({"platform": "encar"}, [f"{TAGS} @> ARRAY[lower($1::text)]"], ("platform encar",)),
        (
            {"color": "Red", "is_dealer": "true"},
            [f"{TAGS} @> ARRAY[lower($1::text), lower($2::text)]"],
            ("color Red", "is_dealer True"),
        ),
        ({"model": "X5"}, [f"{TAGS} @> ARRAY[lower($1::text)]"], ("model X5",)),
        ({"model": "X5", "mark": "BMW"}, ["lower(p.mark) = lower($1)", "lower(p.model) = lower($2)"], ("BMW", "X5")),
        ({"q": "x5 Bm"}, [f"{WORDS} @@ lower($1::text)::tsquery"], ("'x5':* & 'bm':*",)),
        ({"mark": "BMW"}, ["lower(p.mark) = lower($1)"], ("BMW",)),
        ({"price_from": "1.50"}, ["p.price >= $1"], (Decimal("1.50"),)),
        ({"km_age_to": "7", "year_from": "2019"}, ["p.year >= $1", "p.km_age <= $2"], (2019, 7)),
    ],
    ids=str,
)
def test_filters_become_conditions(parameters: dict[str, str], where: list[str], values: tuple[object, ...]) -> None:
    (stretch,) = of(**parameters)
    assert (conditions(stretch), stretch.values) == (where, values)
    assert f"LIMIT ${len(values) + 1}" in stretch.sql


def test_only_listed_offers_are_read_in_every_stretch() -> None:
    for stretch in of(sort="price"):
        assert "WHERE p.active_status = 0 AND p.is_complete AND" in stretch.sql


def test_the_newest_come_by_id_alone() -> None:
    (stretch,) = of(Position(None, 9))
    assert (conditions(stretch), stretch.values, order(stretch)) == (["p.id < $1"], (9,), "p.id DESC")


@pytest.mark.parametrize(("sort", "sign", "direction"), [("price", ">", "ASC"), ("-price", "<", "DESC")])
def test_after_a_value_come_greater_or_smaller_ones_and_then_those_without(
    sort: str, sign: str, direction: str
) -> None:
    with_value, without = of(Position("5.50", 9), sort=sort)
    assert conditions(with_value) == ["p.price IS NOT NULL", f"(p.price, p.id) {sign} ($1, $2)"]
    assert with_value.values == (Decimal("5.50"), 9)
    assert order(with_value) == order(without) == f"p.price {direction}, p.id {direction}"
    assert (conditions(without), without.values) == (["p.price IS NULL"], ())


def test_after_an_offer_without_the_value_only_such_come() -> None:
    (without,) = of(Position(None, 9), sort="-year")
    assert (conditions(without), without.values) == (["p.year IS NULL", "p.id < $1"], (9,))


def test_a_whole_number_is_bound_as_one() -> None:
    assert of(Position("2020", 9), sort="year")[0].values == (2020, 9)


@pytest.mark.parametrize(
    ("parameters", "planned"),
    [
        ({}, False),
        ({"sort": "price"}, False),
        ({"mark": "BMW", "model": "X5", "price_to": "5", "color": "red"}, False),
        ({"mark": "BMW"}, True),
        ({"color": "red"}, True),
        ({"price_to": "5"}, True),
        ({"q": "bmw"}, True),
    ],
    ids=str,
)
def test_a_plan_is_kept_where_it_is_right_for_all_values(parameters: dict[str, str], *, planned: bool) -> None:
    assert {stretch.planned for stretch in of(**parameters)} == {planned}


def test_skipping_walks_the_same_way_and_reads_no_more_than_the_index() -> None:
    query = read_query([("sort", "-price"), ("mark", "BMW")])[0]
    for walk, skip in zip(stretches(query, None), skips(query), strict=True):
        assert (conditions(skip), order(skip), skip.values) == (conditions(walk), order(walk), walk.values)
        assert "row_to_json" not in skip.sql


def test_counting_has_the_conditions_of_the_list() -> None:
    query = read_query([("mark", "BMW"), ("color", "red")])[0]
    (walk,) = stretches(query, None)
    for statement in (counted(query.conditions), capped(query.conditions, most=5)):
        assert all(condition in statement.sql for condition in conditions(walk))
    assert counted(query.conditions).values == walk.values
    assert capped(query.conditions, most=5).values == (*walk.values, 5)


@given(st.text("abc'\"\\;%_-$0{}", min_size=1, max_size=30), st.sampled_from(Sort))
def test_no_text_of_a_caller_gets_into_the_sql(text: str, sort: Sort) -> None:
    for with_text, plain in zip(of(mark=text, sort=sort), of(mark="BMW", sort=sort), strict=True):
        assert with_text.sql == plain.sql
        assert text in with_text.values


def test_every_filter_is_bound_once() -> None:
    pairs = {f.parameter.name: str(PARAMETERS[f.parameter.name].example) for f in FILTERS} | {"is_dealer": "true"}
    (stretch,) = of(**pairs)
    assert len(stretch.values) == len(FILTERS)
    assert sorted(map(int, re.findall(r"\$(\d+)", stretch.sql))) == list(range(1, len(FILTERS) + 2))


def test_answers_have_the_documented_fields() -> None:
    assert list(LIST_FIELDS) == list(OfferItem.model_fields)
    assert list(DETAIL_FIELDS) == list(OfferDetail.model_fields)


def test_a_list_never_reads_what_it_does_not_show() -> None:
    (stretch,) = stretches(OfferQuery(), None)
    assert not any(f"p.{name}" in stretch.sql for name in ("description", "normalized_data", "vin"))


def test_a_range_of_the_sort_field_needs_one_stretch() -> None:
    assert len(of(sort="price", price_to="5")) == len(of(Position("1", 2), sort="-price", price_from="5")) == 1
    assert len(of(sort="price", year_to="2020")) == 2


@pytest.mark.parametrize(
    ("q", "asked"),
    [
        ("bmw 125", "'bmw':* & '125':*"),
        ("m e " * 25, "'m':* & 'e':*"),
        ("b BMW bm bmw 5 625", "'bmw':* & '5':* & '625':*"),
    ],
)
def test_a_beginning_is_looked_for_once(q: str, asked: str) -> None:
    assert of(q=q)[0].values == (asked,)
