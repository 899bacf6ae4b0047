"""Reading a body as JSON: what is almost JSON is mended, and what cannot be read becomes an UpstreamError."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from fetcher.adapters.json_repair import as_utf8, repaired
from fetcher.core.errors import Cause, UpstreamError

T = TypeVar("T")


def mended(read: Callable[[bytes], T], body: bytes) -> tuple[T, str]:
    """Return what `read` makes of a body, and a note of what had to be repaired for it, empty as a rule.

    Args:
        read: Takes UTF-8; raises UpstreamError, with NOT_JSON where a repair may help.
        body: As it came.

    Raises:
        UpstreamError: As `read` says, or the body is in no known encoding.
    """
    body, notes = as_utf8(body)
    try:
        return read(body), notes
    except UpstreamError as error:
        if error.cause is not Cause.NOT_JSON:
            raise
    body, flaws = repaired(body)
    return read(body), "; ".join(filter(None, (notes, flaws)))


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
    return "HTML" if body.lstrip()[:1] == b"<" else "cut or damaged"
