"""Single values as shops write them, and objects read field by field so that nothing of them is lost."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

from normalizer.core.offers.values import boolean, url
from normalizer.core.repair import repaired

__all__ = ["Fields", "boolean", "decoded", "identity", "moment", "money", "nested", "text", "url", "whole", "words"]

T = TypeVar("T")

MAX_ID: Final = 200
"""Characters of an id: three of them fit an index entry of PostgreSQL."""

INTEGER: Final = 2**31
"""Bound of an `integer` column."""

MONEY: Final = Decimal(10) ** 12
"""Bound of a `numeric(14, 2)` column."""

YEARS: Final = (1970, 2200)
BEFORE_POINT, BEHIND_POINT = 131_072, 16_383
"""Digits that jsonb holds of a number, at most."""
_SAFE_DIGITS: Final = 18
_DIGITS: Final = 40
_CENT: Final = Decimal("0.01")
_WHOLE: Final = re.compile(r"[+-]?\d{1,10}")
_AMOUNT: Final = re.compile(r"\d{1,15}(?:[.,]\d{1,6})?")
_GLUE: Final = re.compile(r"\\r\\n|\\n|\r\n|\n")
"""Tags come glued by a backslash and an n."""


def decoded(data: bytes) -> Any:
    """Read JSON without changing a number: whole ones are int or, if long, Decimal; the others Decimal.

    A number that jsonb cannot hold stays text, and NaN and infinity, which some programs write, are None.

    Raises:
        ValueError: It is no JSON.
        RecursionError: It is nested too deep.
    """
    return json.loads(data, parse_float=_number, parse_int=_integer, parse_constant=lambda _: None)


def _integer(digits: str) -> int | Decimal | str:
    return int(digits) if len(digits) <= _SAFE_DIGITS else _number(digits)


def _number(digits: str) -> Decimal | str:
    try:
        found = Decimal(digits)
    except InvalidOperation:
        return digits
    behind_point = -int(found.as_tuple().exponent)
    return found if found.adjusted() < BEFORE_POINT and behind_point <= BEHIND_POINT else digits


def identity(value: Any) -> str | None:
    """Return an id as text: `813`, `"813"` and `813.0` are one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, Decimal):
        value = int(value) if value.adjusted() < _DIGITS and value == value.to_integral_value() else None
    found = str(value) if isinstance(value, int) else value.strip() if isinstance(value, str) else ""
    return found if found and len(found) <= MAX_ID and found.isprintable() else None


def text(value: Any) -> str | None:
    """Return trimmed text; a number is text, too, spelt as PostgreSQL gives it back."""
    if isinstance(value, Decimal):
        return f"{value:f}" if abs(value.adjusted()) < _DIGITS else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() or None if isinstance(value, str) else None


def whole(value: Any) -> int | None:
    """Return a whole number that an `integer` column holds."""
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, Decimal) and abs(value) < INTEGER and value == value.to_integral_value():
        value = int(value)
    is_held = isinstance(value, int) and not isinstance(value, bool) and -INTEGER <= value < INTEGER
    return value if is_held else None


def money(value: Any) -> Decimal | None:
    """Return an amount of at least 0 with two decimals; `"6 500"` and `"6500,50"` are read."""
    if isinstance(value, str):
        digits = "".join(value.split())
        value = Decimal(digits.replace(",", ".")) if _AMOUNT.fullmatch(digits) else None
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return None
    return Decimal(value).quantize(_CENT, ROUND_HALF_UP) if 0 <= value < MONEY - 1 else None


def moment(value: Any) -> datetime | None:
    """Return the time of an RFC 1123 date, or of ISO 8601, in UTC; without an offset it is UTC."""
    if not isinstance(value, str):
        return None
    try:
        found = _parsed(value.strip())
        found = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found if YEARS[0] <= found.year <= YEARS[1] else None


def _parsed(value: str) -> datetime:
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        found = parsedate_to_datetime(value)
    if str(found.year) not in value:
        raise ValueError("the year 0001, which stands for no date, would be read as 2001")
    return found


def words(value: Any) -> list[str] | None:
    """Return the distinct words of a list or a text, in their order by code point."""
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in items):
        return None
    return sorted({word.strip() for item in items for word in _GLUE.split(item)} - {""})


def nested(value: Any) -> Any:
    """Return what a JSON string holds, if the value is one that opens like JSON; otherwise the value itself."""
    if not isinstance(value, str) or value.lstrip()[:1] not in {"[", "{"}:
        return value
    try:
        return decoded(repaired(value.encode()))
    except (ValueError, RecursionError):
        return value


class Fields:
    """One object of a document, read field by field.

    What is read is gone from it; what is not asked for, or cannot be read, stays and is the row's `extra`.

    Args:
        source: Left alone.
        name: Of the object, for what is said of its oddities.
        odd: Gets `<name>.<field>:<reason>`.
    """

    def __init__(self, source: dict[str, Any], *, name: str, odd: list[str]) -> None:
        self._left = dict(source)
        self._name = name
        self.odd = odd

    def take(self, field: str, read: Callable[[Any], T | None]) -> T | None:
        """Return a field as `read` understands it; None where it is absent, null, blank or not understood."""
        value = self._left.pop(field, None)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        found = read(value)
        if found is None:
            self.keep(field, value, reason="unreadable")
        return found

    def keep(self, field: str, value: Any, *, reason: str) -> None:
        """Leave a value among what is not in a column, and count it."""
        self._left[field] = value
        self.odd.append(f"{self._name}.{field}:{reason}")

    def rest(self) -> dict[str, Any]:
        """Return what is left."""
        return self._left
