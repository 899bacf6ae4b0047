"""An upstream page as the core sees it, and the events made from it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from common.events import MAX_MESSAGE_BYTES, ChangeId, ChangeType, FeedRecord, PageFetched, PageKind

RECORDS_PER_MESSAGE: Final = 20
_ENVELOPE_BYTES: Final = 512
_RECORD_BYTES: Final = 256
"""What a record's other fields take besides `data` and its id; generous, as only the limit depends on it."""
_ID_DIGITS: Final = 18
"""A number with more may be above 2^62, the bound of a version."""


class SourceRow(msgspec.Struct, frozen=True, gc=False):
    """One row as the upstream gave it; every field but `data` is text or absent.

    Attributes:
        original: `data` as it came, where it had to be repaired to be read.
    """

    inner_id: str | None
    change_type: str
    source_id: str | None
    created_at: str | None
    data: msgspec.Raw
    original: str | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True, slots=True)
class UpstreamPage:
    """One page of offers or of changes.

    Attributes:
        position: Page number, or change id, that was asked.
        next_position: What the upstream names as next; None at the end.
        rows: In the upstream's order.
        fetched_at: When the answer was complete, UTC.
        notes: What had to be repaired in the body to read it, for the log; empty as a rule.
    """

    position: int
    next_position: int | None
    rows: Sequence[SourceRow]
    fetched_at: datetime
    notes: str = ""


def removed_row(inner_id: str) -> SourceRow:
    """Return the row of an offer or product that has gone, as the source itself did not say it."""
    return SourceRow(inner_id, ChangeType.REMOVED.value, None, None, msgspec.Raw(b"null"))


def event_id(row: SourceRow) -> int | None:
    """Return the id of an event of the changes; None where the row has none that fits a version."""
    text = row.source_id or ""
    is_number = text.isascii() and text.isdecimal() and len(text) <= _ID_DIGITS
    return int(text) if is_number else None


def seq_before(start: ChangeId) -> int:
    """Return the version of every row of a list walked after `start` was taken: any change from there on wins over it.

    `start` is S0 of a first load, and where the changes ended before a sweep.
    """
    return start - 1


def events_of(
    page: UpstreamPage, *, platform: str, run_id: str, kind: PageKind, seq: Callable[[SourceRow], int]
) -> list[PageFetched]:
    """Return the page as one event, or as several where it exceeds 20 records or 256 KB. `seq` is a row's version.

    Parts share the position and are told apart by `part`, thus by `message_id`. An empty page has nothing to land and
    makes no event. A single record above 256 KB travels alone.
    """
    return [
        PageFetched(
            platform=platform,
            kind=kind,
            run_id=run_id,
            position=page.position,
            fetched_at=page.fetched_at,
            records=records,
            part=part,
        )
        for part, records in enumerate(_slices([_record(row, seq(row)) for row in page.rows]))
    ]


def _record(row: SourceRow, seq: int) -> FeedRecord:
    return FeedRecord(
        inner_id=row.inner_id,
        change_type=row.change_type,
        seq=seq,
        source_id=row.source_id,
        source_created_at=row.created_at,
        data=row.data,
        original=row.original,
    )


def _slices(records: list[FeedRecord]) -> Iterator[list[FeedRecord]]:
    taken: list[FeedRecord] = []
    size = _ENVELOPE_BYTES
    for record in records:
        needed = _size(record)
        if taken and (size + needed > MAX_MESSAGE_BYTES or len(taken) == RECORDS_PER_MESSAGE):
            yield taken
            taken, size = [], _ENVELOPE_BYTES
        taken.append(record)
        size += needed
    if taken:
        yield taken


def _size(record: FeedRecord) -> int:
    texts = (record.inner_id, record.change_type, record.source_id, record.source_created_at, record.original or "")
    return _RECORD_BYTES + len(memoryview(record.data)) + 6 * sum(len(text or "") for text in texts)
