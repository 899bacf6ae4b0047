"""Single values as shops write them."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from normalizer.core.products.values import Fields, decoded, identity, moment, money, nested, text, whole, words


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (813, "813"),
        (0, "0"),
        (-1, "-1"),
        ("813", "813"),
        (" a-7 ", "a-7"),
        (Decimal("813.0"), "813"),
        (Decimal("8.13E+2"), "813"),
        (9007199254740993, "9007199254740993"),
        (Decimal(123456789012345678901), "123456789012345678901"),
        (Decimal("813.5"), None),
        (Decimal("1E+999999"), None),
        (True, None),
        (None, None),
        ("", None),
        ("a\x00b", None),
        ("7" * 201, None),
        ({}, None),
        ([], None),
    ],
)
def test_an_id_is_text_and_loses_no_digit(value: Any, expected: str | None) -> None:
    assert identity(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (6500, "6500"),
        (0, "0"),
        ("6500", "6500"),
        ("6 500", "6500"),
        ("6\u00a0500,50", "6500.5"),
        ("6500.50", "6500.5"),
        (Decimal("0.005"), "0.01"),
        (Decimal("1E-400"), "0"),
        (999_999_999_998, "999999999998"),
        (10**12, None),
        (Decimal("1E+400"), None),
        (-1, None),
        ("-1", None),
        ("6.500.000", None),
        ("по запросу", None),
        ("", None),
        (True, None),
        ([6500], None),
    ],
)
def test_money_is_an_amount_with_two_decimals(value: Any, expected: str | None) -> None:
    assert money(value) == (None if expected is None else Decimal(expected))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, 7),
        (-7, -7),
        ("7", 7),
        (Decimal("7.0"), 7),
        (2**31 - 1, 2**31 - 1),
        (2**31, None),
        ("9999999999", None),
        (Decimal("7.5"), None),
        (Decimal("1E+999"), None),
        (True, None),
        ("", None),
        ("seven", None),
        ("٧", 7),
        ({}, None),
    ],
)
def test_a_whole_number_fits_its_column(value: Any, expected: int | None) -> None:
    assert whole(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Wed, 10 Sep 2025 22:32:32 GMT", datetime(2025, 9, 10, 22, 32, 32, tzinfo=UTC)),
        ("Wed, 10 Sep 2025 22:32:32 +0300", datetime(2025, 9, 10, 19, 32, 32, tzinfo=UTC)),
        ("Wed, 10 Sep 2025 22:32:32 -0000", datetime(2025, 9, 10, 22, 32, 32, tzinfo=UTC)),
        ("10 Sep 2025 22:32:32 GMT", datetime(2025, 9, 10, 22, 32, 32, tzinfo=UTC)),
        ("2025-09-10T22:32:32Z", datetime(2025, 9, 10, 22, 32, 32, tzinfo=UTC)),
        ("2025-09-10 22:32:32", datetime(2025, 9, 10, 22, 32, 32, tzinfo=UTC)),
        ("Wed, 31 Feb 2025 22:32:32 GMT", None),
        ("Thu, 01 Jan 0001 00:00:00 GMT", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        ("GMT", None),
        ("", None),
        (1757543552, None),
        (None, None),
    ],
)
def test_a_time_is_read_from_rfc_1123_and_iso(value: Any, expected: datetime | None) -> None:
    assert moment(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["женская одежда\\noversize"], ["oversize", "женская одежда"]),
        (["b\\na", "b", " c "], ["a", "b", "c"]),
        (["a\r\nb\nc\\r\\nd"], ["a", "b", "c", "d"]),
        ("a\\nb", ["a", "b"]),
        ([], []),
        ([""], []),
        ([1], None),
        ({}, None),
        (7, None),
    ],
)
def test_tags_are_a_set_of_words(value: Any, expected: list[str] | None) -> None:
    assert words(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('{"a":[1]}', {"a": [1]}),
        (' ["x"]', ["x"]),
        ({"a": 1}, {"a": 1}),
        ("{broken", "{broken"),
        ("plain", "plain"),
        ('{"a":"\\u0000"}', {"a": "\ufffd"}),
        ('{"a":"\\ud800"}', {"a": "\ufffd"}),
        ('{"a":NaN,"b":[Infinity,-Infinity]}', {"a": None, "b": [None, None]}),
        ("[1e131071,1e131072,1e99999999999999999999]", [Decimal("1e131071"), "1e131072", "1e99999999999999999999"]),
        ("[1e-16383,1e-16384,0e999999]", [Decimal("1e-16383"), "1e-16384", "0e999999"]),
        pytest.param(f"[{'9' * 131073}]", ["9" * 131073], id="more digits than jsonb holds"),
        ("[" * 3000 + "]" * 3000, "[" * 3000 + "]" * 3000),
        (None, None),
    ],
)
def test_json_within_a_text_is_read(value: Any, expected: Any) -> None:
    assert nested(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (" a\nb ", "a\nb"),
        ("", None),
        (" ", None),
        (7, "7"),
        (True, None),
        (Decimal("1.50"), "1.50"),
        (Decimal("1E+2"), "100"),
        (Decimal("1E+300"), None),
        ({}, None),
    ],
)
def test_text_is_trimmed_and_blank_is_nothing(value: Any, expected: str | None) -> None:
    assert text(value) == expected


def test_numbers_are_decoded_as_they_were_written() -> None:
    assert decoded(b"[1,0.10,1e2,123456789012345678901]") == [1, Decimal("0.10"), 100, 123456789012345678901]


def test_what_is_not_taken_or_not_understood_is_left_and_counted() -> None:
    odd: list[str] = []
    source = {"a": "1", "b": "x", "c": None, "d": "", "e": False, "f": [1]}
    fields = Fields(source, name="thing", odd=odd)
    assert [fields.take(name, whole) for name in ("a", "b", "c", "d", "absent")] == [1, None, None, None, None]
    assert fields.take("e", lambda value: value) is False
    assert fields.rest() == {"b": "x", "f": [1]}
    assert odd == ["thing.b:unreadable"]
    assert source["a"] == "1"
