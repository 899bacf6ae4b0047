"""Reading a body as JSON: what is almost JSON is mended, and what cannot be read becomes an UpstreamError."""

from collections.abc import Callable
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from fetcher.adapters.json_repair import CUT, as_utf8, elements, is_crowded, members, repaired
from fetcher.core.errors import Cause, UpstreamError

T = TypeVar("T")

MAX_ROWS: Final = 50_000
"""Rows of one body: those of a real list have 2 KB each. Of empty ones there would be millions in 8 MB."""


class Mended(NamedTuple, Generic[T]):
    """What was read of a body.

    Attributes:
        notes: What had to be repaired for it, for people; empty as a rule.
        original: The body with its flaws, as UTF-8, where some had to be repaired.
    """

    value: T
    notes: str = ""
    original: bytes | None = None


def mended(read: Callable[[bytes], T], body: bytes) -> Mended[T]:
    """Return what `read` makes of a body, repaired where that is needed to read it.

    Args:
        read: Takes UTF-8; raises UpstreamError, with NOT_JSON where a repair may help.
        body: As it came.

    Raises:
        UpstreamError: As `read` says; the body is in no known encoding; or it has more than `MAX_ROWS`.
    """
    body, notes = as_utf8(body)
    if is_crowded(body, most=MAX_ROWS):
        raise UpstreamError(Cause.TOO_LARGE, f"more than {MAX_ROWS:,} rows")
    try:
        return Mended(read(body), notes)
    except UpstreamError as error:
        if error.cause is not Cause.NOT_JSON:
            raise
    readable, flaws = repaired(body)
    return Mended(read(readable), "; ".join(filter(None, (notes, flaws))), body)


def rows_as_they_came(original: bytes | None, name: str, count: int) -> list[bytes | None]:
    """Return the rows of a body as they came; None for each where nothing was repaired, or other rows are found.

    Args:
        original: As `Mended` has it.
        name: The key of their array in the outermost object.
        count: How many there are to be.
    """
    found: list[bytes | None] = [] if original is None else [*elements(members(original).get(name, b""))]
    return found if len(found) == count else [None] * count


def as_it_came(data: bytes | None) -> str | msgspec.UnsetType:
    """Return the data of a record as text where it has flaws that had to be repaired."""
    return data.decode() if data is not None and repaired(data)[1] else msgspec.UNSET


def decoded(decode: Callable[[bytes], T], body: bytes) -> T:
    """Return what a decoder makes of a body.

    Raises:
        UpstreamError: No JSON, or another shape.
    """
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        failure = UpstreamError(Cause.WRONG_SHAPE, str(error))
    except (msgspec.DecodeError, UnicodeDecodeError):
        failure = UpstreamError(Cause.NOT_JSON, _glimpse(body))
    except RecursionError:
        failure = UpstreamError(Cause.WRONG_SHAPE, "nested too deeply")
    raise failure


def _glimpse(body: bytes) -> str:
    if not body.strip():
        return "empty body"
    return "HTML" if body.lstrip()[:1] == b"<" else CUT
