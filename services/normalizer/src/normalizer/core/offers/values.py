"""Single values as upstreams write them, read into what PostgreSQL accepts; None where nothing can be read.

Numbers come as numbers or strings, booleans as booleans or strings, absence as null, "", "-" or 未知. 0 is a value.
"""

import math
import re
import unicodedata
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import msgspec

T = TypeVar("T")

ABSENT: Final = frozenset({"", "-", "--", "—", "未知", "未上牌", "null", "none", "n/a", "无"})
LONGEST_ABSENT: Final = max(map(len, ABSENT))
_NUMBER: Final = re.compile(
    r"([+-]?(?:\d{1,3}(?:[ ,]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?)(?![.,' ]?\d)\s*(万?)"
)
"""A number at the start of a text and what counts it in ten thousands; `12,5` and `1.234.567` say nothing sure."""
_INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ud800-\uf8ff\ufeff\ufff9-\ufffb]"
)
"""Controls but tab and line feed, format and bidirectional marks, surrogates and private use."""
_PLAIN_URL: Final = re.compile(r"https?://[A-Za-z0-9.-]+(?::\d+)?(?:/[!-~]*)?")
_HOST: Final = re.compile(r"https?://([^/?#]*)")
_DATE: Final = re.compile(r"(\d{4})\D(\d{1,2})(?:\D(\d{1,2}))?(?:\D.*)?$")
_PACKED_DATE: Final = re.compile(r"(\d{4})(\d{2})(\d{2})?$")
_TRUE: Final = frozenset({"true", "1", "yes", "да", "是"})
_FALSE: Final = frozenset({"false", "0", "no", "нет", "否"})

LONGEST_PACKED_DATE: Final = 10**8
PLAIN_DIGITS: Final = 15
"""Digits that a double holds exactly."""
LONGEST_DATE: Final = 40
SHORT: Final = 40
"""Characters of a text that is worth keeping with what was made of it, as `前置前驱`, `1998` and `Shanghai` are."""

MAX_TEXT: Final = 20_000
"""Characters kept of one text field; longer ones are cut."""

MAX_NAME: Final = 200
"""The same of a field in an index: PostgreSQL refuses an index entry above 2,704 bytes."""

LONGEST_SEARCHED: Final = 200
"""Characters of a text in which a pattern is looked for that takes the square of their number: 20,000 took seconds.

So does `unicodedata.normalize` where marks without letters follow one another."""

LONGEST_HOST: Final = 300
"""Characters between `http://` and the path; a host name has 253."""

MAX_WORDS: Final = 1000
"""Names kept of one list."""

YEARS: Final = (1900, 2100)
"""Years that a car or an offer can have; `0001-01-01` is how some systems write that there is no date."""


def text(value: Any) -> str | None:
    """Return trimmed text without control characters, or None where nothing is said."""
    if value is None:
        return None
    return _short_text(value) if type(value) is str and len(value) <= SHORT else _text(value)


def _text(value: Any) -> str | None:
    if not isinstance(value, str):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        # 1e2 comes back from jsonb as 100: a row read again must say the same as before.
        value = str(int(value) if isinstance(value, float) and value.is_integer() else value)
    stripped = value.strip()
    if len(stripped) <= LONGEST_ABSENT and stripped.casefold() in ABSENT:
        return None
    if not stripped.isprintable():
        stripped = _INVISIBLE.sub("", stripped)
    return stripped[:MAX_TEXT] or None


_short_text: Final = lru_cache(maxsize=8192)(_text)


def remembered(read: Callable[[Any], T]) -> Callable[[Any], T]:
    """Return the same reader of single values, which keeps what it made of numbers and short texts: they come again."""
    kept = lru_cache(maxsize=4096)(read)

    def reader(value: Any) -> T:
        kind = type(value)
        return kept(value) if kind is int or kind is float or (kind is str and len(value) <= SHORT) else read(value)

    return reader


def name(value: Any) -> str | None:
    """Return text that fits an index, or None."""
    found = text(value)
    return None if found is None else found[:MAX_NAME].rstrip()


def is_said(value: Any) -> bool:
    """Return whether a value says anything at all, readable or not."""
    return bool(value) if isinstance(value, (bool, list, dict)) else text(value) is not None


def number(value: Any) -> float | None:
    """Return a finite number; `"98000"`, `"1 200"`, `"8,000"`, `"1.4L"`, `"3.5万"` and full-width digits are read."""
    if not isinstance(value, str):
        return _finite(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    if len(value) <= PLAIN_DIGITS and value.isascii() and value.isdigit():
        return float(value)
    said = value.strip()
    is_cut = not said.isascii() and len(said) > LONGEST_SEARCHED
    if not said.isascii():
        said = unicodedata.normalize("NFKC", said[:LONGEST_SEARCHED]).lstrip()
    found = _NUMBER.match(said)
    if found is None or (is_cut and found.end(1) == len(said)):  # nobody knows where that number ends
        return None
    read = _finite(found[1].replace(" ", "").replace(",", ""))
    return round(read * 10_000, 4) if read is not None and found[2] else read


def whole(value: Any, *, low: int, high: int) -> int | None:
    """Return a whole number within `low … high`, or None."""
    found = number(value)
    if found is None or not low <= found <= high:
        return None
    return int(found)


def real(value: Any, *, low: float, high: float) -> float | None:
    """Return a number within `low … high`, or None."""
    found = number(value)
    return found if found is not None and low <= found <= high else None


def boolean(value: Any) -> bool | None:
    """Return a truth value; `"true"` and `"1"` are read."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().casefold() if isinstance(value, (str, int)) else ""
    return True if word in _TRUE else False if word in _FALSE else None


def day(value: Any) -> date | None:
    """Return the date of `2022-09-13`, `2022-09` (its first day), `2022.9`, `202209` or a full timestamp."""
    if type(value) is int:
        value = str(value) if value < LONGEST_PACKED_DATE else ""
    return _day(value) if isinstance(value, str) and len(value) <= LONGEST_DATE else None


@lru_cache(maxsize=4096)
def _day(value: str) -> date | None:
    found = _DATE.match(value.strip()) or _PACKED_DATE.match(value.strip())
    if found is None:
        return None
    try:
        read = date(int(found[1]), int(found[2]), int(found[3] or 1))
    except ValueError:
        return None
    return read if YEARS[0] <= read.year <= YEARS[1] else None


def nested(value: Any) -> Any:
    """Return what a JSON string holds, if the value is one that opens like JSON; otherwise the value itself."""
    if not isinstance(value, str) or value.lstrip()[:1] not in {"[", "{"}:
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return value


def urls(value: Any) -> list[str]:
    """Return the http(s) addresses of an array, of a JSON string with an array, or of one address."""
    found = nested(value)
    items = found if isinstance(found, list) else [found]
    return [address for item in items if (address := url(item)) is not None]


def words(*sources: Any) -> list[str]:
    """Return the different names of arrays or JSON strings with arrays; a plain text is one name."""
    if not any(sources):
        return []
    items: list[Any] = []
    for value in sources:
        found = nested(value) if value else []
        items += found if isinstance(found, list) else [found]
    return list(dict.fromkeys(said for item in items[:MAX_WORDS] if (said := name(item)) is not None))


def url(value: Any) -> str | None:
    """Return an http(s) address, or None; an address is given out only if a browser may open it."""
    if not isinstance(value, str):
        return None
    address = value.strip()
    if _PLAIN_URL.fullmatch(address):
        return address
    host = _HOST.match(address)
    if host is None or len(host[1]) > LONGEST_HOST or not address.isprintable() or " " in address:
        return None
    try:
        return address if urlsplit(address).netloc else None
    except ValueError:
        return None


def _finite(value: str | float) -> float | None:
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None
