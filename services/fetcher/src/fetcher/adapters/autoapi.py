"""The auto-api family over HTTP (UPSTREAMS §1): `/offers`, `/change_id`."""

from datetime import date, datetime
from typing import Any, Final

import msgspec

from common.clock import Clock
from common.events import ChangeId, Version
from fetcher.adapters.http_json import BoundedHttp
from fetcher.adapters.json_body import decoded, mended
from fetcher.adapters.json_repair import as_utf8
from fetcher.core.errors import Cause, UpstreamError
from fetcher.core.feed import SourceRow, UpstreamPage

_NULL: Final = msgspec.Raw(b"null")


class _Meta(msgspec.Struct):
    next_page: Version | None
    page: Any = None


class _Row(msgspec.Struct, gc=False):
    change_type: str
    inner_id: str | int | None = None
    id: int | str | None = None
    created_at: str | None = None
    data: msgspec.Raw = _NULL


class _Offers(msgspec.Struct):
    result: list[_Row]
    meta: _Meta


class _OddOffers(msgspec.Struct):
    result: list[msgspec.Raw]
    meta: _Meta


class _ChangeIdAnswer(msgspec.Struct):
    change_id: Version


_offers = msgspec.json.Decoder(_Offers)
_odd_offers = msgspec.json.Decoder(_OddOffers)
_change_id = msgspec.json.Decoder(_ChangeIdAnswer, strict=False)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


class AutoApi:
    """An `Upstream` of the auto-api family. One request per call; no retry inside."""

    def __init__(self, http: BoundedHttp, *, clock: Clock) -> None:
        self._http = http
        self._clock = clock

    async def change_id(self, day: date) -> ChangeId:
        """Return the id at which the changes of `day` begin; 0 is a valid one.

        Raises:
            UpstreamError: The answer cannot be used.
        """
        body = await self._http.get("/change_id", {"date": day.isoformat()})
        return read_change_id(body)

    async def offers(self, page: int) -> UpstreamPage:
        """Return page number `page`, 1-based.

        Raises:
            UpstreamError: The answer cannot be used.
        """
        body = await self._http.get("/offers", {"page": str(page)})
        return read_offers(body, page, fetched_at=self._clock.now())


def read_change_id(body: bytes) -> ChangeId:
    """Return the id in `{"change_id": 3294715}`.

    Raises:
        UpstreamError: No JSON, or another shape.
    """
    answer = decoded(_change_id.decode, as_utf8(body)[0])
    if answer.change_id < 0:
        raise UpstreamError(Cause.WRONG_SHAPE, "change_id is negative")
    return ChangeId(answer.change_id)


def read_offers(body: bytes, page: int, *, fetched_at: datetime) -> UpstreamPage:
    """Return the page in a body of `/offers`. `data` of each row stays as it came, byte for byte.

    A row is never dropped: what it lacks is None or empty, and a row that is no object becomes the `data` of a row
    without an identity.

    Raises:
        UpstreamError: No JSON; no list `result`; or a `meta.next_page` that is neither null nor the page after.
    """
    (offers, rows), notes = mended(_page, body)
    _check(offers.meta, page)
    return UpstreamPage(page, offers.meta.next_page, rows, fetched_at, notes)


def _page(body: bytes) -> tuple[_Offers | _OddOffers, list[SourceRow]]:
    try:
        offers = _offers.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        odd = decoded(_odd_offers.decode, body)
        return odd, [_odd_row(raw) for raw in odd.result]
    return offers, [
        SourceRow(_text(row.inner_id), row.change_type, _text(row.id), row.created_at, row.data)
        for row in offers.result
    ]


def _check(meta: _Meta, page: int) -> None:
    if isinstance(meta.page, int) and meta.page != page:
        raise UpstreamError(Cause.WRONG_SHAPE, "the answer is another page")
    if meta.next_page not in {None, page + 1}:  # a leap would leave pages out without a trace
        raise UpstreamError(Cause.WRONG_SHAPE, "next_page does not follow")


def _odd_row(raw: msgspec.Raw) -> SourceRow:
    try:
        row = _fields.decode(raw)
    except msgspec.MsgspecError:
        return SourceRow(None, "", None, None, raw)
    return SourceRow(
        _text(_value(row, "inner_id")),
        _text(_value(row, "change_type")) or "",
        _text(_value(row, "id")),
        _text(_value(row, "created_at")),
        row.get("data", _NULL),
    )


def _value(row: dict[str, msgspec.Raw], name: str) -> Any:
    return msgspec.json.decode(row[name]) if name in row else None


def _text(value: object) -> str | None:
    """Return ids and words as text; anything but a string or a whole number is None."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value)
