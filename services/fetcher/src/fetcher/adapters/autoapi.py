"""The auto-api family over HTTP (UPSTREAMS §1): the list, the changes, single offers and the reference."""

from collections.abc import Mapping
from datetime import date, datetime
from functools import partial
from http import HTTPStatus
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec
from msgspec.structs import replace

from common.clock import Clock
from common.events import ChangeId, ChangeType, InnerId, Version
from fetcher.adapters.json_body import as_it_came, decoded, mended, rows_as_they_came
from fetcher.adapters.json_repair import as_utf8, members
from fetcher.core.errors import READ_ANEW, Cause, UpstreamError
from fetcher.core.feed import SourceRow, UpstreamPage, event_id

MetaT = TypeVar("MetaT")
RowT = TypeVar("RowT")
LOST: Final = f"the source keeps these changes no longer; {READ_ANEW}"
"""What a person reads after 410."""
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


class _ChangesMeta(msgspec.Struct):
    next_change_id: Version | None = None


class _Answer(msgspec.Struct, Generic[MetaT, RowT]):
    result: list[RowT]
    meta: MetaT


class _ChangeIdAnswer(msgspec.Struct):
    change_id: Version


_offers = msgspec.json.Decoder(_Answer[_Meta, _Row])
_odd_offers = msgspec.json.Decoder(_Answer[_Meta, msgspec.Raw])
_changes = msgspec.json.Decoder(_Answer[_ChangesMeta, _Row])
_odd_changes = msgspec.json.Decoder(_Answer[_ChangesMeta, msgspec.Raw])
_change_id = msgspec.json.Decoder(_ChangeIdAnswer, strict=False)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Http(Protocol):
    """GET over HTTP, such as `BoundedHttp`."""

    async def get(self, path: str, parameters: Mapping[str, str]) -> bytes:
        """Return the body of a 200 answer.

        Raises:
            UpstreamError: Any other answer, or none in time.
        """
        ...


class AutoApi:
    """An `Upstream` of the auto-api family. One request per call; no retry inside."""

    def __init__(self, http: Http, *, clock: Clock) -> None:
        self._http = http
        self._clock = clock

    async def change_id(self, day: date) -> ChangeId:
        """Return the id at which the changes of `day` begin; 0 is a valid one.

        Raises:
            UpstreamError: The answer cannot be used.
        """
        body = await self._of_the_feed("/change_id", {"date": day.isoformat()})
        return read_change_id(body)

    async def offers(self, page: int) -> UpstreamPage:
        """Return page number `page`, 1-based.

        Raises:
            UpstreamError: The answer cannot be used.
        """
        body = await self._http.get("/offers", {"page": str(page)})
        return read_offers(body, page, fetched_at=self._clock.now())

    async def changes(self, change_id: ChangeId) -> UpstreamPage:
        """Return the events from `change_id` on, inclusive; a page without rows is the end.

        Raises:
            UpstreamError: The answer cannot be used; STALLED where its cursor does not grow.
        """
        body = await self._of_the_feed("/changes", {"change_id": str(change_id)})
        return read_changes(body, change_id, fetched_at=self._clock.now())

    async def offer(self, inner_id: InnerId) -> SourceRow | None:
        """Return an offer as a full record that has no event id; None where the upstream does not find it.

        Raises:
            UpstreamError: The answer cannot be used, or is about another offer.
        """
        try:
            body = await self._http.get("/offer", {"inner_id": inner_id})
        except UpstreamError as error:
            if error.cause is Cause.NOT_FOUND:
                return None
            raise
        return read_offer(body, inner_id)

    async def _of_the_feed(self, path: str, query: dict[str, str]) -> bytes:
        """Return an answer about changes; 410 is what another feedmill says of those that it keeps no longer."""
        try:
            return await self._http.get(path, query)
        except UpstreamError as error:
            if error.status != HTTPStatus.GONE:
                raise
        raise UpstreamError(Cause.GONE, LOST, status=HTTPStatus.GONE)

    async def filters(self) -> bytes:
        """Return the reference of `/filters`: one JSON object in UTF-8, as it came.

        Raises:
            UpstreamError: The answer cannot be used.
        """
        body = await self._http.get("/filters", {})
        return mended(_object, body).value[0]


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
    (meta, rows), notes, original = mended(partial(_page, _offers, _odd_offers), body)
    _check(meta, page)
    return UpstreamPage(page, meta.next_page, _with_originals(rows, original), fetched_at, notes)


def read_changes(body: bytes, change_id: ChangeId, *, fetched_at: datetime) -> UpstreamPage:
    """Return the page in a body of `/changes`; `source_id` of a row is its event id. No row is dropped.

    Ids need not be dense, nor lie in [asked, next), so no more is checked than that the cursor grows; an empty page is
    the end whatever its cursor says (UPSTREAMS §1.6). A cursor beyond the id after the last row is held back to that:
    it asks for the same events, and a leap, once saved, would lose all that lie under it.

    Raises:
        UpstreamError: No JSON; no list `result` or no `meta`; or rows under a cursor that does not grow.
    """
    (meta, rows), notes, original = mended(partial(_page, _changes, _odd_changes), body)
    following = meta.next_change_id if rows else None
    if following is not None and following <= change_id:
        raise UpstreamError(Cause.STALLED, f"next_change_id {following} after {change_id}")
    after_last = max((number for number in map(event_id, rows) if number is not None), default=-1) + 1
    if following is not None and change_id < after_last < following:
        following = after_last
    return UpstreamPage(change_id, following, _with_originals(rows, original), fetched_at, notes)


def read_offer(body: bytes, inner_id: InnerId) -> SourceRow:
    """Return the offer in a body of `/offer`: flat, or wrapped as `{inner_id, data}` (UPSTREAMS §1.7).

    Raises:
        UpstreamError: No JSON; no object; or not about `inner_id`.
    """
    (whole, outer), _, original = mended(_object, body)
    data, inner = (outer["data"], _object(outer["data"])[1]) if "data" in outer else (msgspec.Raw(whole), {})
    named = {_text(_value(fields, "inner_id")) for fields in (outer, inner) if "inner_id" in fields}
    if named != {inner_id}:
        raise UpstreamError(Cause.WRONG_SHAPE, "the answer is not about this offer")
    said = None if original is None else members(original).get("data", original)
    return SourceRow(inner_id, ChangeType.ADDED, None, None, data, as_it_came(said))


def _object(body: bytes | msgspec.Raw) -> tuple[bytes, dict[str, msgspec.Raw]]:
    whole = bytes(body)
    return whole, decoded(_fields.decode, whole)


def _page(
    strict: "msgspec.json.Decoder[_Answer[MetaT, _Row]]",
    odd: "msgspec.json.Decoder[_Answer[MetaT, msgspec.Raw]]",
    body: bytes,
) -> tuple[MetaT, list[SourceRow]]:
    try:
        answer = strict.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        mixed = decoded(odd.decode, body)
        return mixed.meta, [_odd_row(raw) for raw in mixed.result]
    return answer.meta, [
        SourceRow(_text(row.inner_id), row.change_type, _text(row.id), row.created_at, row.data)
        for row in answer.result
    ]


def _with_originals(rows: list[SourceRow], body: bytes | None) -> list[SourceRow]:
    """Give each row whose data had to be repaired that data as it came in a body."""
    if body is None:
        return rows
    came = (members(row or b"").get("data") for row in rows_as_they_came(body, "result", len(rows)))
    return [replace(row, original=as_it_came(data)) for row, data in zip(rows, came, strict=True)]


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
    """Return a value; None for one that Python cannot hold, such as `1e400` or 5,000 digits."""
    try:
        return msgspec.json.decode(row[name]) if name in row else None
    except msgspec.ValidationError:
        return None


def _text(value: object) -> str | None:
    """Return ids and words as text; anything but a string or a whole number is None."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value)
