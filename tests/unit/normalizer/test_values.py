"""Single values as upstreams write them (UPSTREAMS §1.5, notes: reliability §2.9)."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.growing import LINEAR, growth

from normalizer.core.offers import values

ABSENT = [None, "", " ", "-", " - ", "--", "未知", "未上牌", "NULL", "n/a", "无"]


@pytest.mark.parametrize("value", ABSENT)
def test_what_stands_for_nothing_is_none(value: Any) -> None:
    assert values.text(value) is None
    assert values.number(value) is None
    assert values.day(value) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (98000, 98000),
        ("98000", 98000),
        ("98000.5", 98000.5),
        ("98000.50", 98000.5),
        (0, 0),
        ("0", 0),
        (0.0, 0),
        ("-1", -1),
        ("+5", 5),
        (".5", 0.5),
        ("1 200", 1200),
        ("1\u00a0200", 1200),
        ("1\u202f200", 1200),
        ("8,000", 8000),
        ("1,234,567.5", 1234567.5),
        ("1.4L", 1.4),
        ("2.0T 190马力 L4", 2.0),
        ("1998 mL", 1998),
        ("98000 km", 98000),
        ("1e5", 100_000),
        ("32.18万", 321_800),
        ("1.13万公里", 11_300),
        ("98000元", 98000),
        ("１９９８", 1998),
        ("１，２００", 1200),
        ("٣٤", 34),
        (" 7 ", 7),
        ("007", 7),
        (18446744073709551616, 18446744073709551616),
    ],
)
def test_numbers_are_read_however_they_are_written(value: Any, expected: float) -> None:
    assert values.number(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("12,5", id="a comma that may be a decimal point or a slip"),
        pytest.param("1.234.567", id="points as thousands separators"),
        pytest.param("8,0000", id="a thousands group of four"),
        pytest.param("1 2000", id="a group of four after a blank"),
        pytest.param("1 20", id="a group of two"),
        pytest.param("1'200", id="an apostrophe as separator"),
        "about 5",
        "￥98000",
        "−5",
        "NaN",
        "Infinity",
        "1e999",
        "9" * 5000,
        10**400,
        True,
        False,
        [1],
        {"a": 1},
    ],
)
def test_what_says_no_sure_number_is_none(value: Any) -> None:
    assert values.number(value) is None


@pytest.mark.parametrize(("value", "expected"), [("2022", 2022), (2022.9, 2022), ("0", 0), (-1, None), ("3000", None)])
def test_whole_numbers_keep_to_their_bounds(value: Any, expected: int | None) -> None:
    assert values.whole(value, low=0, high=2100) == expected


@pytest.mark.parametrize(("value", "expected"), [("2.0", 2.0), (0, 0.0), (20, 20.0), (20.1, None), (-0.1, None)])
def test_real_numbers_keep_to_their_bounds(value: Any, expected: float | None) -> None:
    assert values.real(value, low=0, high=20) == expected


TRUE: list[Any] = [True, "true", "True", " 1 ", 1, "yes", "Да", "是"]
FALSE: list[Any] = [False, "false", "FALSE", "0", 0, "no", "нет", "否"]
UNSURE: list[Any] = [None, "", "maybe", 2, 1.0, [], {}]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *[(value, True) for value in TRUE],
        *[(value, False) for value in FALSE],
        *[(value, None) for value in UNSURE],
    ],
)
def test_truth_is_read_from_words_and_digits(value: Any, expected: bool | None) -> None:  # noqa: FBT001 - a table's column
    assert values.boolean(value) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2022-09-13", date(2022, 9, 13)),
        ("2022-09", date(2022, 9, 1)),
        ("2022.9", date(2022, 9, 1)),
        ("2022/9/3", date(2022, 9, 3)),
        ("2022年9月", date(2022, 9, 1)),
        ("2022年9月13日", date(2022, 9, 13)),
        ("2022-09-13T10:00:00.000Z", date(2022, 9, 13)),
        ("2022-09-13 10:00", date(2022, 9, 13)),
        (" 2024-02-29 ", date(2024, 2, 29)),
        ("２０２２-０９", date(2022, 9, 1)),
        ("2023-02-29", None),
        ("2022-13", None),
        ("2022-00", None),
        ("0000-01", None),
        ("0001-01-01", None),
        ("9999-12-31", None),
        ("2022", None),
        ("202209", date(2022, 9, 1)),
        (202209, date(2022, 9, 1)),
        ("20220913", date(2022, 9, 13)),
        ("2022091", None),
        (2022, None),
        (10**30, None),
        (-202209, None),
        ("2022-09-13T" + "0" * 100, None),
        ("2022-091", None),
        ("未上牌", None),
        (None, None),
        ([], None),
    ],
)
def test_days_are_read_and_impossible_ones_are_none(value: Any, expected: date | None) -> None:
    assert values.day(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("  BMW ", "BMW"),
        ("Hurac\u00e1n", "Hurac\u00e1n"),
        ("腾势N8L", "腾势N8L"),
        ("a\x00b", "ab"),
        ("\x00", None),
        ("a\u202eb", "ab"),
        ("two\nlines\tand\r", "two\nlines\tand"),
        ("a\rb", "ab"),
        (57217, "57217"),
        (0, "0"),
        (57217.0, "57217"),
        (1e22, "10000000000000000000000"),
        (1.5, "1.5"),
        (True, None),
        (["a"], None),
        ("x" * 20_001, "x" * 20_000),
    ],
)
def test_text_is_trimmed_and_free_of_control_characters(value: Any, expected: str | None) -> None:
    assert values.text(value) == expected


def test_a_name_fits_an_index() -> None:
    assert values.name("字" * 5000) == "字" * 200
    assert values.name("x" * 199 + " y") == "x" * 199
    assert values.name("-") is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["https://a/1.jpg", "http://a/2.jpg"], ["https://a/1.jpg", "http://a/2.jpg"]),
        ('["https://a/1.jpg"]', ["https://a/1.jpg"]),
        (" https://a/1.jpg ", ["https://a/1.jpg"]),
        ("", []),
        ("[]", []),
        (None, []),
        ("[", []),
        (["javascript:alert(1)", "//a/1.jpg", "file:///etc/passwd", "https://", "https://a b", "https://[x"], []),
        (["https://a/1.jpg", None, 5, {"url": "https://a/2.jpg"}, ["https://a/3.jpg"]], ["https://a/1.jpg"]),
        ('["https://a/\\u0000"]', []),
        ('["https://a/\\ud800"]', []),
        ("[" * 5000, []),
        ({"0": "https://a/1.jpg"}, []),
    ],
)
def test_images_come_as_array_as_json_text_or_as_one_address(value: Any, expected: list[str]) -> None:
    assert values.urls(value) == expected


@settings(max_examples=300)
@given(st.text() | st.integers() | st.floats() | st.text("0123456789.,eE+- 万", max_size=20))
def test_no_scalar_raises(value: Any) -> None:
    for how in (values.text, values.name, values.number, values.boolean, values.day, values.url, values.urls):
        how(value)
    found = values.text(value)
    assert found is None or ("\x00" not in found and found.encode())


MARKS = "\u0315\u0316"
"""Two marks above and below a letter, in the order that Unicode's normal forms turn round."""


@pytest.mark.parametrize(
    ("read", "begin"),
    [
        pytest.param(values.number, "", id="a number"),
        pytest.param(values.number, "１２", id="a number with digits before"),
        pytest.param(values.url, "http://", id="a host"),
        pytest.param(values.url, "http://a/", id="an address"),
    ],
)
def test_marks_without_letters_take_no_more_time_than_there_are(read: Callable[[Any], Any], begin: str) -> None:
    assert growth(read, lambda number: begin + MARKS * number, 3_000) < LINEAR


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("１２ ０００ км" + "，原版原漆" * 1000, 12_000, id="what follows a number may be long"),
        pytest.param("　" * 500 + "１２", 12, id="and what stands before it, if it is blank"),
        pytest.param("０" * 500 + "１２", None, id="a number of 500 digits is none"),
    ],
)
def test_a_number_is_read_at_the_start_of_a_long_text(text: str, expected: float | None) -> None:
    assert values.number(text) == expected


def test_an_address_may_be_long_and_a_host_may_not() -> None:
    long = "http://авто.рф/" + "я" * 3000
    assert values.url(long) == long
    assert values.url("http://" + "я" * 3000 + ".рф/") is None
