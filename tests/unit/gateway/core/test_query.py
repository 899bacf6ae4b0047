"""Parameters become a query, or every fault is named."""

import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import Fault, InvalidParametersError
from gateway.core.parameters import unknown
from gateway.core.query import FILTERS, PARAMETERS, Count, OfferQuery, Sort, read_query, words

pytestmark = pytest.mark.unit


def faults(*pairs: tuple[str, str]) -> list[Fault]:
    """Return the faults that these parameters have."""
    with pytest.raises(InvalidParametersError) as caught:
        read_query(pairs)
    return list(caught.value.faults)


def text_of(value: object) -> str:
    """Return a value as it stands in an address."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_no_parameters_ask_for_the_newest_twenty() -> None:
    assert read_query([]) == (OfferQuery((), Sort.NEWEST, 20), None)


def test_values_arrive_in_their_types_and_in_the_order_of_the_filters() -> None:
    pairs = [("price_to", "98000.50"), ("year_from", "2019"), ("mark", "BMW"), ("cursor", "abc"), ("limit", "100")]
    query, cursor = read_query(pairs)
    assert [(c.filter.parameter.name, c.value) for c in query.conditions] == [
        ("mark", "BMW"),
        ("year_from", 2019),
        ("price_to", Decimal("98000.50")),
    ]
    assert (query.limit, cursor) == (100, "abc")


@pytest.mark.parametrize("name", [f.parameter.name for f in FILTERS])
def test_the_example_of_each_filter_is_accepted(name: str) -> None:
    query, _ = read_query([(name, text_of(PARAMETERS[name].example))])
    assert [c.filter.parameter.name for c in query.conditions] == [name]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "-1"),
        ("limit", "1e2"),
        ("limit", " 5"),
        ("limit", "٥"),
        ("limit", "9" * 500),
        ("limit", ""),
        ("year_from", "20x"),
        ("year_to", "10000"),
        ("km_age_to", "2147483648"),
        ("price_from", "-1"),
        ("price_from", "1.234"),
        ("price_from", "NaN"),
        ("price_from", "Infinity"),
        ("price_from", "1e999"),
        ("price_to", "1000000000000"),
        ("sort", "price,id"),
        ("sort", "PRICE"),
        ("mark", ""),
        ("mark", "x" * 101),
        ("mark", "BMW\x00"),
        ("mark", "BMW\x1b[31m"),
        ("mark", "BMW\n"),
        ("mark", "BMW\x85"),
        ("platform", "Che168"),
        ("platform", "che168' OR true"),
        ("cursor", "x" * 201),
        ("is_dealer", "True"),
        ("is_dealer", "1"),
        ("q", ""),
        ("q", " -_'!"),
        ("q", "x" * 101),
        ("page", "0"),
        ("page", "502"),
        ("page", "10002"),
        ("fields", "price,"),
        ("fields", "price,price"),
        ("fields", "price,vin"),
        ("fields", "Price"),
        ("count", "yes"),
    ],
    ids=ascii,
)
def test_a_value_out_of_bounds_is_a_fault_of_its_parameter(name: str, text: str) -> None:
    assert [fault.name for fault in faults((name, text))] == [name]


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("mark", "", "is empty; give it a value or leave it out"),
        ("limit", "", "is empty; give it a value or leave it out"),
        ("platform", "CHE168", "a name of small letters, digits and _ is expected, such as che168"),
        ("q", "--", "words of letters or digits are expected, such as bmw 125, in at most 100 characters"),
        ("fields", "price,year,price", "price is named more than once"),
    ],
)
def test_a_fault_says_in_words_what_to_do(name: str, text: str, reason: str) -> None:
    assert faults((name, text)) == [Fault(name, reason)]


@pytest.mark.parametrize(
    ("name", "least", "most"), [("price", "2", "1.99"), ("year", "2020", "2019"), ("km_age", "1", "0")]
)
def test_a_range_that_holds_nothing_is_a_fault_that_names_both_ends(name: str, least: str, most: str) -> None:
    wrong = [(f"{name}_from", least), (f"{name}_to", most)]
    reversed_ = Fault(f"{name}_from", f"is greater than {name}_to")
    assert faults(*wrong) == faults(*reversed(wrong)) == [reversed_]
    assert faults(("limit", "0"), *wrong) == [Fault("limit", "a whole number from 1 to 100 is expected"), reversed_]
    read_query([(f"{name}_from", most), (f"{name}_to", least)])
    read_query([(f"{name}_from", least), (f"{name}_to", least)])


def test_an_unknown_parameter_is_named_with_the_one_that_was_meant() -> None:
    assert faults(("prise_from", "1")) == [Fault("prise_from", "unknown parameter; did you mean price_from?")]
    assert faults(("order", "price")) == [Fault("order", f"unknown parameter; known: {', '.join(PARAMETERS)}")]


def test_where_no_parameter_is_known_an_unknown_one_is_told_so() -> None:
    assert unknown("x", {}) == "unknown parameter; none is known here"


def test_an_unknown_name_is_shown_short_and_printable() -> None:
    assert faults(("\x1b" + "x" * 99, "1"))[0].name == "'\\x1b" + "x" * 35


def test_a_parameter_given_twice_is_a_fault_even_with_one_value() -> None:
    assert faults(("mark", "BMW"), ("mark", "BMW")) == [Fault("mark", "given more than once")]


def test_all_faults_are_named_at_once() -> None:
    assert [fault.name for fault in faults(("x", "1"), ("limit", "0"), ("sort", "?"))] == ["x", "limit", "sort"]


def test_a_page_skips_those_before_it_up_to_a_bound() -> None:
    assert [read_query([("page", n)])[0].skip for n in ("1", "2", "501")] == [0, 20, 10_000]
    assert read_query([("page", "101"), ("limit", "100")])[0].skip == 10_000
    assert [fault.name for fault in faults(("page", "102"), ("limit", "100"))] == ["page"]


def test_a_page_and_a_cursor_exclude_one_another() -> None:
    assert faults(("page", "1"), ("cursor", "abc")) == [Fault("page", "cannot be used together with cursor")]


def test_a_list_is_the_same_in_capital_letters_and_with_other_zeros() -> None:
    lists = [
        [("mark", mark), ("q", words_), ("price_from", price), ("platform", "che168")]
        for mark, words_, price in (("BMW", "X5 m", "100"), ("bmw", "x5 M", "100.00"))
    ]
    same, other = (read_query(pairs)[0].identity for pairs in lists)
    assert same == other
    for name, text in (("mark", "audi"), ("q", "x5 n"), ("price_from", "1000")):
        assert read_query([*dict([*lists[0], (name, text)]).items()])[0].identity != same


def test_fields_and_count_are_read_and_do_not_belong_to_a_list() -> None:
    query, _ = read_query([("fields", "price,inner_id"), ("count", "exact")])
    assert (query.fields, query.count) == (("price", "inner_id"), Count.EXACT)
    assert query.identity == OfferQuery().identity


@pytest.mark.parametrize(
    ("text", "expected"),
    [("BMW 1-Series", ["bmw", "1", "series"]), ("2.0T_x", ["2", "0t", "x"]), ("宝马X5", ["宝马x5"]), ("'--", [])],
)
def test_words_are_runs_of_letters_and_digits(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(st.text(min_size=1, max_size=50))
def test_any_text_is_read_or_refused_and_never_fails_otherwise(text: str) -> None:
    for name in PARAMETERS:
        with contextlib.suppress(InvalidParametersError):
            read_query([(name, text)])
