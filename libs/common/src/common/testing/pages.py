"""Events for tests: pages and records, built by what matters."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from common.events import FeedRecord, PageFetched, PageKind

FETCHED_AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def a_record(
    inner_id: str | None = "50837332",
    data: Mapping[str, Any] | bytes | None = None,
    *,
    change_type: str = "added",
    seq: int = 99,
    **others: Any,
) -> FeedRecord:
    """Return a record; `data` as JSON bytes or as what becomes JSON, by default a small offer of that id."""
    if data is None:
        data = {"inner_id": inner_id, "mark": "BMW", "model": "1 Series", "price": "98000", "year": 2022}
    body = data if isinstance(data, bytes) else json.dumps(data, ensure_ascii=False).encode()
    return FeedRecord(inner_id, change_type, seq, data=msgspec.Raw(body), **others)


def a_change(inner_id: str, seq: int, /, **data: Any) -> FeedRecord:
    """Return a partial record: the fields that changed."""
    return a_record(inner_id, data, change_type="changed", seq=seq)


def a_removal(inner_id: str, seq: int) -> FeedRecord:
    """Return the record that an offer is gone."""
    return a_record(inner_id, b"null", change_type="removed", seq=seq)


def a_page(
    records: Sequence[FeedRecord],
    *,
    position: int = 1,
    kind: PageKind = PageKind.PAGE,
    platform: str = "che168",
    fetched_at: datetime = FETCHED_AT,
    **others: Any,
) -> PageFetched:
    """Return a page of run `run1`; the position makes its message id."""
    return PageFetched(platform, kind, others.pop("run_id", "run1"), position, fetched_at, list(records), **others)
