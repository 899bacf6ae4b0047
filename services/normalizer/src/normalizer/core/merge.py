"""The merge of one record into its row: one pure function decides every order of arrival.

`merge` is, for any records of one offer,
  * commutative: `merge(merge(r, a), b) == merge(merge(r, b), a)`,
  * associative over batches: any cut of a history into batches ends in the same row,
  * idempotent: `merge(merge(r, a), a) == merge(r, a)`,
so redelivery, reordering, replay of days and several consumers all end in the same row. It rests on versions only:
`seq` is the event id of `/changes`, or `S0 - 1` in a first load. A sweep or a look-up has the version of the last event
before it, so an event and what was seen after it can be equal in `seq`; a fixed rule decides each tie, never the order
of arrival: of two full records the earlier sight wins, a full record wins over a partial one, `removed` over `added`.
Two partial records of one offer never share a `seq`. Source: docs/adr/0003, and per-field last-writer-wins registers.

A document is a dict from field name to the field's JSON bytes: values are never decoded, so none is changed.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from common.events import ChangeType, InnerId

Document = dict[str, bytes]
"""Top-level field → its JSON bytes, in the source's order."""

NEVER: Final = -(2**62)
"""Older than every version; stands for null in the table."""

PREFIX: Final = "new_"
EMPTY_VALUES: Final = frozenset({b'""', b"null", b"[]", b"{}", b'"[]"', b'"{}"'})
IDENTITY_FIELDS: Final = frozenset({"id", "inner_id"})

MAX_ADDITION: Final = 1000
"""Bytes of news that are written behind a document instead of into it: so many times a batch, no more."""

fields_of: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
"""Cut a JSON object into views of its top-level fields; raises as `split` does."""


class Update(msgspec.Struct, frozen=True, gc=False):
    """One valid record, ready to be merged.

    Attributes:
        data: The document as bytes; for `changed` the partial document, for `removed` empty.
        sight: Microseconds since 1970 at which the page was fetched, times 1,000, plus the place in the page.
        fields: Of a `changed` record the same document split; otherwise empty.
        is_shell: Every field is empty: `data` is not used.
        renames: Names in a `changed` event → names in the full record, as the platform is configured.
    """

    inner_id: InnerId
    change_type: ChangeType
    seq: int
    sight: int
    data: bytes
    fields: Document
    is_shell: bool
    source: str
    source_id: str | None
    created_at: datetime | None
    renames: dict[str, str]


class LooseField(msgspec.Struct, frozen=True, gc=False):
    """A field of a `changed` event whose name starts with `new_` and is not configured for the platform.

    It belongs to the field without the prefix where the row has one, and to itself where it has not or where the full
    record has a field of that very name. Which of these holds can change when a full record arrives late, so the
    value that it hides is kept.

    Attributes:
        value: JSON bytes.
        place: The field of the document that it was written to; None: a newer value stands there.
        hides: What stood in `place`; None: nothing.
    """

    seq: int
    value: bytes
    place: str | None = None
    hides: bytes | None = None


class RawRow(msgspec.Struct, frozen=True, gc=False):
    """What `raw_data` holds of one offer, as far as the merge decides it.

    Attributes:
        data: The merged document; of a repeated key the last counts.
        field_seq: Version of each field that is newer than the base, under its full name.
        loose: Newer fields whose place depends on the base; almost always empty.
    """

    platform: str
    inner_id: InnerId
    data: bytes
    change_type: str
    source: str
    source_id: str | None
    created_at: datetime | None
    active: bool
    base_seq: int
    base_sight: int
    field_seq: dict[str, int]
    active_seq: int
    max_seq: int
    loose: dict[str, LooseField]

    @property
    def is_complete(self) -> bool:
        """Whether a full record was ever seen."""
        return self.base_seq > NEVER


def split(data: bytes) -> Document:
    """Cut a JSON object into its top-level fields; of a repeated key the last counts, as in jsonb.

    Raises:
        msgspec.DecodeError: `data` is no JSON object.
    """
    return {name: bytes(raw) for name, raw in fields_of(data).items()}


def join(document: Document) -> bytes:
    """Write a document; values byte for byte."""
    return msgspec.json.encode({name: msgspec.Raw(value) for name, value in document.items()})


def is_shell(fields: Mapping[str, bytes | msgspec.Raw]) -> bool:
    """Return whether every field but the identity is empty: a shell says nothing and never replaces a good row."""
    said = (value for name, value in fields.items() if name not in IDENTITY_FIELDS)
    return all(bytes(value).strip() in EMPTY_VALUES for value in said)


def merge(row: RawRow | None, update: Update, *, platform: str) -> RawRow:
    """Return the row after `update`; the very same object where it says nothing new."""
    if row is None:
        if update.change_type is ChangeType.ADDED and not update.is_shell:
            return _first(update, platform)
        row = _unknown(update, platform)
    match update.change_type:
        case ChangeType.ADDED:
            news = _activity(row, update, active=True) | (_head(row, update) if update.is_shell else _base(row, update))
        case ChangeType.CHANGED:
            news = _fields(row, update) | _head(row, update)
        case ChangeType.REMOVED:
            news = _activity(row, update, active=False) | _head(row, update)
    return replace(row, **news) if news else row


def changed_fields(before: RawRow, after: RawRow, updates: Iterable[Update]) -> bytes | None:
    """Return the fields in which `after.data` differs from `before.data` as a JSON object; None: it may be in all.

    A partial record says a few of a hundred fields, and PostgreSQL need not read the others again.

    Args:
        before: A row.
        after: What became of it by the updates.
        updates: In the order in which they were merged.
    """
    has_other_base = (after.base_seq, after.base_sight) != (before.base_seq, before.base_sight)
    if has_other_base or after.loose:  # without another base, loose fields only grow in number
        return None
    news = {name: seq for name, seq in after.field_seq.items() if before.field_seq.get(name) != seq}
    fields: dict[str, msgspec.Raw] = {}
    for update in updates if news else ():
        for name, value in _named(update)[0].items():
            if news.get(name) == update.seq:
                fields.setdefault(name, msgspec.Raw(value))
    return msgspec.json.encode(fields)


def fields_said(update: Update) -> frozenset[str] | None:
    """Return the full names of the fields that a record speaks of; None where it takes the row to know them.

    That is so of a full record, and of a field with a prefix that nobody configured.
    """
    if update.change_type is ChangeType.ADDED:
        return None
    exact, prefixed = _named(update)
    return None if prefixed else frozenset(exact)


_News = dict[str, Any]
"""Fields of a row and their new values; empty: nothing new."""


def _unknown(update: Update, platform: str) -> RawRow:
    return RawRow(
        platform=platform,
        inner_id=update.inner_id,
        data=b"{}",
        change_type=update.change_type.value,
        source=update.source,
        source_id=None,
        created_at=None,
        active=True,
        base_seq=NEVER,
        base_sight=NEVER,
        field_seq={},
        active_seq=NEVER,
        max_seq=NEVER,
        loose={},
    )


def _first(update: Update, platform: str) -> RawRow:
    """Return what the steps below make of an unknown offer and a full record, which is nearly every row there is."""
    return RawRow(
        platform=platform,
        inner_id=update.inner_id,
        data=update.data,
        change_type=update.change_type.value,
        source=update.source,
        source_id=update.source_id,
        created_at=update.created_at,
        active=True,
        base_seq=update.seq,
        base_sight=update.sight,
        field_seq={},
        active_seq=update.seq,
        max_seq=update.seq,
        loose={},
    )


def _activity(row: RawRow, update: Update, *, active: bool) -> _News:
    is_news = update.seq > row.active_seq or (update.seq == row.active_seq and row.active and not active)
    return {"active": active, "active_seq": update.seq} if is_news else {}


def _head(row: RawRow, update: Update, *, is_base: bool = False) -> _News:
    """Take what the newest record says of itself; of several with one version the base's own, else the greatest."""
    if update.seq < row.max_seq:
        return {}
    if update.seq == row.max_seq and not is_base and (row.base_seq == row.max_seq or _said(update) <= _said(row)):
        return {}
    return {
        "max_seq": update.seq,
        "change_type": update.change_type.value,
        "source": update.source,
        "source_id": update.source_id,
        "created_at": update.created_at,
    }


def _said(said: RawRow | Update) -> tuple[str, str, str, bool, datetime | None]:
    """Return what a record says of itself, in a fixed order."""
    created_at = said.created_at
    return str(said.change_type), said.source, said.source_id or "", created_at is not None, created_at


def _base(row: RawRow, update: Update) -> _News:
    """Take a full record iff it is newer than the base, or was seen earlier with the same version."""
    same_version = update.seq == row.base_seq
    if update.seq < row.base_seq or (same_version and update.sight >= row.base_sight):
        return _head(row, update)
    news: _News = {"data": update.data, "base_seq": update.seq, "base_sight": update.sight}
    if row.field_seq or row.loose:
        field_seq = {name: seq for name, seq in row.field_seq.items() if seq > update.seq}
        newer = _without_loose(split(row.data), row.loose)
        document = split(update.data) | {name: newer[name] for name in field_seq}
        loose = {name: field for name, field in row.loose.items() if field.seq > update.seq}
        data, placed = _with_loose(document, field_seq, loose)
        news |= {"data": data, "field_seq": field_seq, "loose": placed}
    return news | _head(row, update, is_base=True)


def _fields(row: RawRow, update: Update) -> _News:
    """Take each field of a partial record iff its version is newer than the base's and than the field's own."""
    if update.seq <= row.base_seq:
        return {}
    exact, prefixed = _named(update)
    exact = {name: value for name, value in exact.items() if update.seq > row.field_seq.get(name, NEVER)}
    prefixed = {
        name: value for name, value in prefixed.items() if name not in row.loose or update.seq > row.loose[name].seq
    }
    if not exact and not prefixed:
        return {}
    field_seq = row.field_seq | dict.fromkeys(exact, update.seq)
    if not prefixed and not row.loose:
        return {"data": _with(row.data, exact), "field_seq": field_seq}
    document = _without_loose(split(row.data), row.loose) | exact
    newest = {name: LooseField(update.seq, value) for name, value in prefixed.items()}
    data, loose = _with_loose(document, field_seq, row.loose | newest)
    return {"data": data, "field_seq": field_seq, "loose": loose}


def _with(data: bytes, news: Document) -> bytes:
    """Return a document with other values of some fields; few are written behind the rest, where the last counts."""
    addition = join(news)
    rest = data.rstrip()[:-1].rstrip()
    if len(addition) <= MAX_ADDITION and not rest.endswith(b"{"):
        return b"%b,%b" % (rest, addition[1:])
    return join(split(data) | news)


def _named(update: Update) -> tuple[Document, Document]:
    """Return the fields of a partial record whose names are sure, and those with a prefix nobody configured.

    Where an event has a configured name and the full name as well, the prefixed one is the news.
    """
    exact: Document = {}
    prefixed: Document = {}
    for name, value in update.fields.items():
        if name not in update.renames:
            is_loose = name.startswith(PREFIX) and name != PREFIX
            (prefixed if is_loose else exact)[name] = value
    exact |= {full: update.fields[name] for name, full in update.renames.items() if name in update.fields}
    return exact, prefixed


def _without_loose(document: Document, loose: dict[str, LooseField]) -> Document:
    """Return the document as it was before loose fields were written over it."""
    document = dict(document)
    for field in loose.values():
        if field.place is not None:
            document.pop(field.place, None)
    hidden = {field.place: field.hides for field in loose.values() if field.place is not None}
    return document | {place: value for place, value in hidden.items() if value is not None}


def _with_loose(
    document: Document, field_seq: dict[str, int], loose: dict[str, LooseField]
) -> tuple[bytes, dict[str, LooseField]]:
    """Write loose fields over a document, the newest last; a newer exact field keeps its value."""
    written = dict(document)
    placed: dict[str, LooseField] = {}
    for name, field in sorted(loose.items(), key=lambda item: (item[1].seq, item[0])):
        bare = name.removeprefix(PREFIX)
        place = bare if name not in document and bare in document else name
        if field.seq < field_seq.get(place, NEVER):
            placed[name] = LooseField(field.seq, field.value)
            continue
        written[place] = field.value
        placed[name] = LooseField(field.seq, field.value, place, document.get(place))
    return join(written), placed
