"""From a page's records to updates that can be merged; what cannot be a row is rejected with its reason."""

import calendar
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

import msgspec

from common.events import MAX_INNER_ID, SOURCE_OF_KIND, ChangeType, FeedRecord, InnerId, PageFetched
from normalizer.core.drift import MAX_WORD, Drift, unknown_keys
from normalizer.core.merge import PREFIX, Update, fields_of, is_shell
from normalizer.core.offers.fields import Reading, known_keys, read_usual
from normalizer.core.offers.record import PlatformProfile
from normalizer.core.ports import Reject
from normalizer.core.profiles import Profiles
from normalizer.core.repair import repaired

MAX_DATA_BYTES: Final = 1024 * 1024
"""More is no offer; a record of several megabytes would stand in the way of all others of its batch."""
RECORDS_OF_A_PART: Final = 20
"""As many as the fetcher sends: places in the parts of one page are then different, and in its order."""
UNREADABLE: Final = "\ufffd"
"""What stands for characters that were none: identities with it may be those of different offers."""
_CHANGE_TYPES: Final = {member.value: member for member in ChangeType}


@dataclass(frozen=True, slots=True)
class ReadPage:
    """A page whose records were read.

    Attributes:
        updates: Valid records with their places in the page.
        rejected: Records that cannot be rows.
        repaired: Originals of records that were repaired; they are rows as well.
        readings: What was decoded of full records, by inner_id; of several with one inner_id, of the last.
        drift: Keys that mean nothing to us.
    """

    page: PageFetched
    updates: list[tuple[int, Update]]
    rejected: list[Reject]
    repaired: list[Reject]
    readings: dict[str, Reading] = field(default_factory=dict)
    drift: Counter[Drift] = field(default_factory=Counter)


class _Unusable(Exception):  # noqa: N818 - a verdict inside this module, not an error that leaves it
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


def read(page: PageFetched, profiles: Profiles) -> ReadPage:
    """Check and repair every record of a page; none is dropped.

    Args:
        page: A page of a configured platform.
        profiles: Platform → what its fields mean.
    """
    result = ReadPage(page, [], [], [])
    profile = profiles[page.platform]
    source, renames = SOURCE_OF_KIND[page.kind], profile.renames
    offers = profile if isinstance(profile, PlatformProfile) else None
    known = known_keys(offers) if offers is not None else None
    first_sight = _nanoseconds(page.fetched_at)
    for index, record in enumerate(page.records):
        original = bytes(record.data)
        sight = first_sight + min(999, page.part * RECORDS_OF_A_PART + index)
        try:
            document = _document(record, original, offers)
            update = _update(record, document, sight=sight, source=source, renames=renames)
        except _Unusable as verdict:
            body = msgspec.json.encode(record)
            result.rejected.append(_reject(page, index, record, verdict.reason, verdict.detail, body))
            continue
        result.updates.append((index, update))
        if document.reading is not None:
            result.readings[update.inner_id] = document.reading
        elif known is not None and not known.issuperset(document.fields):
            result.drift.update(unknown_keys(page.platform, document.fields.keys() - known))
        if update.fields:
            result.drift.update(Drift(page.platform, *loser) for loser in _overruled(update))
        if update.change_type is not ChangeType.REMOVED:
            flawed = record.original.encode() if record.original else original
            if update.data != flawed:
                detail = "what jsonb cannot hold was repaired: NUL, lone surrogate, NaN, control character"
                result.repaired.append(_reject(page, index, record, "repaired", detail, flawed))
    return result


def _reject(page: PageFetched, index: int, record: FeedRecord, reason: str, detail: str, body: bytes) -> Reject:
    inner_id = _clean(record.inner_id)
    return Reject(page.platform, inner_id, page.message_id, index, reason, detail, body)


class _Document(NamedTuple):
    inner_id: str
    change_type: ChangeType
    data: bytes
    fields: dict[str, msgspec.Raw]
    """Empty where there is a reading."""
    reading: Reading | None = None


def _document(record: FeedRecord, original: bytes, profile: PlatformProfile | None) -> _Document:
    inner_id = record.inner_id
    if not inner_id:
        raise _Unusable("no_inner_id", "the upstream gave no identity")
    if len(inner_id) > MAX_INNER_ID or not inner_id.isprintable() or UNREADABLE in inner_id:
        raise _Unusable("bad_inner_id", f"{len(inner_id)} characters, or unprintable ones")
    change_type = _CHANGE_TYPES.get(record.change_type)
    if change_type is None:
        raise _Unusable("unknown_change_type", (_clean(record.change_type) or "")[:100])
    if change_type is ChangeType.REMOVED:
        return _Document(inner_id, change_type, b"{}", {})
    if len(original) > MAX_DATA_BYTES:
        raise _Unusable("too_large", f"{len(original)} bytes")
    data = repaired(original)
    if change_type is ChangeType.ADDED and profile is not None:
        reading = read_usual(data, profile)
        if reading is not None and reading.fields.inner_id == inner_id:
            return _Document(inner_id, change_type, data, {}, reading)
    try:
        fields = fields_of(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _Unusable("data_not_object", str(error)) from error
    if change_type is ChangeType.ADDED and _identity(fields) not in {inner_id, ""}:
        raise _Unusable("identity_mismatch", "data.inner_id names another offer")
    return _Document(inner_id, change_type, data, fields)


def _update(record: FeedRecord, document: _Document, *, sight: int, source: str, renames: dict[str, str]) -> Update:
    inner_id, change_type, data, fields, reading = document
    return Update(
        inner_id=InnerId(inner_id),
        change_type=change_type,
        seq=record.seq,
        sight=sight,
        data=data,
        fields={name: bytes(raw) for name, raw in fields.items()} if change_type is ChangeType.CHANGED else {},
        is_shell=change_type is ChangeType.ADDED and reading is None and is_shell(fields),
        source=source,
        source_id=_clean(record.source_id),
        created_at=moment(record.source_created_at),
        renames=renames,
    )


def _overruled(update: Update) -> Iterator[tuple[str, str, str]]:
    """Yield field, reason and word where a partial record says one thing with the prefix and another without it.

    The merge takes what has the prefix (`normalizer.core.merge`); what it passes over is counted.
    """
    for name, value in update.fields.items():
        full = update.renames.get(name, name.removeprefix(PREFIX))
        if full != name and update.fields.get(full, value) != value:
            yield full, "conflict", _word(update.fields[full])


def _word(value: bytes) -> str:
    text = value[: 4 * MAX_WORD].decode("utf-8", "replace").strip('"')[:MAX_WORD]
    return "".join(c if c.isprintable() else UNREADABLE for c in text)


def _identity(fields: Mapping[str, msgspec.Raw]) -> str:
    """Return what `data` says of its identity as text; empty where it says nothing."""
    if "inner_id" not in fields:
        return ""
    try:
        found = msgspec.json.decode(fields["inner_id"])
    except (msgspec.DecodeError, RecursionError):
        return "unreadable"
    return "" if found is None else str(found)


def moment(value: str | None) -> datetime | None:
    """Read ISO 8601 (`2025-08-05T08:18:10.679Z`, `…+03:00`) or RFC 1123 (`Wed, 10 Sep 2025 22:32:32 GMT`).

    Without an offset it is UTC; anything else is None.
    """
    if not value:
        return None
    try:
        found = parsedate_to_datetime(value) if value[0].isalpha() else datetime.fromisoformat(value)
    except (ValueError, OverflowError):
        return None
    try:
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        return None


def _nanoseconds(value: datetime) -> int:
    return (calendar.timegm(value.utctimetuple()) * 1_000_000 + value.microsecond) * 1000


def _clean(value: str | None) -> str | None:
    if value is None or value.isprintable():
        return value and value[:MAX_INNER_ID]
    return "".join(c if c.isprintable() else UNREADABLE for c in value)[:MAX_INNER_ID]
