"""The one message between services: a page of upstream records (version 1).

A message is JSON that a person can read in the management console: one upstream page (up to 20 records) or one
slice of a snapshot, at most 256 KB. `data` stays raw bytes on the way, so that no number or key is changed between
the upstream and PostgreSQL.
"""

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final, NewType

import msgspec

from common.errors import InvalidEventError

InnerId = NewType("InnerId", str)
"""The identity of an offer on its platform; always text, numeric or not."""

MAX_INNER_ID: Final = 200
"""Characters of an identity, at most; a record with a longer one is quarantined."""

ChangeId = NewType("ChangeId", int)
"""The id of an event in `/changes`; the version of everything that the event says."""

LISTS_ID: Final = "_catalogue"
"""The inner_id of the record that holds a shop's own lists and facts instead of a product; it is never removed."""

SCHEMA_VERSION: Final = 1
MAX_MESSAGE_BYTES: Final = 256 * 1024
MAX_BODY_BYTES: Final = 16 * 1024 * 1024
"""A single record above `MAX_MESSAGE_BYTES` travels alone; this is above any page that the fetcher reads."""
MAX_RECORDS: Final = 200
"""More records than a normalizer's batch cannot be landed in one transaction; 20 is what the fetcher sends."""

Version = Annotated[int, msgspec.Meta(gt=-(2**62), lt=2**62)]
"""Fits a `bigint` with room to spare, so that no number of a message can be what PostgreSQL refuses a batch for."""

RunId = Annotated[str, msgspec.Meta(pattern=r"\A[!-~]{1,64}\Z")]
"""Printable ASCII, short enough for a `message_id`, which AMQP bounds at 255 bytes."""

EARLIEST_YEAR, LATEST_YEAR = 2000, 2200
"""Bounds of `fetched_at`: its nanoseconds since 1970 fit a `bigint`."""

CONTENT_TYPE: Final = "application/json"
PLATFORM_PATTERN: Final = r"[a-z0-9][a-z0-9_]{0,31}"


class PageKind(StrEnum):
    """Where a page came from; decides `raw_data.source` and the routing key."""

    PAGE = "page"
    CHANGE = "change"
    SNAPSHOT = "snapshot"
    LOOKUP = "lookup"


SOURCE_OF_KIND: Final[dict[PageKind, str]] = {
    PageKind.PAGE: "initial_load",
    PageKind.CHANGE: "daily_update",
    PageKind.SNAPSHOT: "snapshot",
    PageKind.LOOKUP: "lookup",
}


class ChangeType(StrEnum):
    """What a record says of its offer. A full record (`added`) replaces, a `changed` one is partial."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


class FeedRecord(msgspec.Struct, frozen=True, gc=False):
    """One offer or product as the upstream gave it.

    Attributes:
        inner_id: Identity on the platform; null where the upstream gave none (the record is then quarantined).
        change_type: `added`, `changed` or `removed`; anything else is quarantined.
        seq: Version: the event id of `/changes`, or `S0 - 1` in a first load. Rows of `/offers` have ids of
            another number space, which never stand here.
        source_id: The upstream's own row or event id, as text.
        source_created_at: The upstream's time as it was written, with its offset.
        data: The record's JSON, byte for byte; `null` where the upstream gave none.
        original: `data` as it came, where the fetcher had to repair it to read it (NaN, control characters, lone
            surrogates); otherwise absent.
    """

    inner_id: str | None
    change_type: str
    seq: Version
    source_id: str | None = None
    source_created_at: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")
    original: str | msgspec.UnsetType = msgspec.UNSET


class PageFetched(msgspec.Struct, frozen=True, gc=False):
    """One upstream page, fetched and about to be landed.

    Attributes:
        platform: `che168`, `bot_igor`, …
        kind: Where the page came from.
        run_id: The fetcher's run; a resumed run keeps its id.
        position: Page number, or the change id from which the page was asked.
        fetched_at: When the upstream's answer was complete; between two sights with the same `seq` the earlier wins.
        records: Up to 20, in the upstream's order.
        schema_version: Version of this envelope.
        part: 0, or the 0-based number of a slice where one upstream page is too large for one message.
    """

    platform: str
    kind: PageKind
    run_id: RunId
    position: Version
    fetched_at: datetime
    records: list[FeedRecord]
    schema_version: int = SCHEMA_VERSION
    part: Annotated[int, msgspec.Meta(ge=0, lt=1_000_000)] = 0

    @property
    def message_id(self) -> str:
        """The same for every publish of the same part of the same page of the same run."""
        return message_id(self.platform, self.kind, self.position, self.run_id, self.part)


def message_id(platform: str, kind: PageKind, position: int, run_id: str, part: int = 0) -> str:
    """Return `platform:kind:position:run`, the ledger's key of a page; parts after the first end in `:part`."""
    whole = f"{platform}:{kind}:{position}:{run_id}"
    return f"{whole}:{part}" if part else whole


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(PageFetched)
_platform = re.compile(PLATFORM_PATTERN)


def encode(page: PageFetched) -> bytes:
    """Return the message body: UTF-8 JSON with every `data` as it came."""
    return _encoder.encode(page)


def decode(body: bytes) -> PageFetched:
    """Read a message body.

    Raises:
        InvalidEventError: The body is no page of a known version. `reason` is `not_json`, `not_an_event`,
            `unknown_version`, `too_many_records` or `too_large`.
    """
    if len(body) > MAX_BODY_BYTES:
        raise InvalidEventError("too_large", f"{len(body)} bytes")
    try:
        page = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidEventError("not_an_event", str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidEventError("not_json", str(error)) from error
    return _checked(page)


def _checked(page: PageFetched) -> PageFetched:
    if page.schema_version != SCHEMA_VERSION:
        raise InvalidEventError("unknown_version", f"schema_version {page.schema_version}, known: {SCHEMA_VERSION}")
    if len(page.records) > MAX_RECORDS:
        raise InvalidEventError("too_many_records", f"{len(page.records)} records, at most {MAX_RECORDS}")
    if not _platform.fullmatch(page.platform):
        raise InvalidEventError("not_an_event", "platform is no lower-case name")
    if page.fetched_at.tzinfo is None:
        raise InvalidEventError("not_an_event", "fetched_at has no offset")
    if not EARLIEST_YEAR <= page.fetched_at.year <= LATEST_YEAR:
        raise InvalidEventError("not_an_event", f"fetched_at is in the year {page.fetched_at.year}")
    return page


def utc(moment: datetime) -> datetime:
    """Return the same moment in UTC."""
    return moment.astimezone(UTC)
