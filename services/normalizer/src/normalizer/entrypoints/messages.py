"""Reading a message body as a page of a platform that is configured here, and the copy of what is none."""

from datetime import datetime
from typing import Any, Final

import msgspec
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractIncomingMessage
from faststream.message import StreamMessage

from common.errors import InvalidEventError
from common.events import FeedRecord, PageFetched, decode
from normalizer.core.repair import REPLACEMENT, without_lone_surrogates

NOT_JSON: Final = "not_json"
UNKNOWN_PLATFORM: Final = "unknown_platform"


async def undecoded(message: StreamMessage[AbstractIncomingMessage]) -> AbstractIncomingMessage:
    """Leave the body alone: it is decoded once, by `common.events`.

    FastStream keeps what this returns in its own message. That message itself would be a cycle, and every body would
    wait for the garbage collector.
    """
    return message.raw_message


def known_page(body: bytes, platforms: frozenset[str]) -> PageFetched:
    """Return the page. A lone surrogate costs nobody but its record: `data` that has one stays as it came.

    Raises:
        InvalidEventError: It is no event of ours, or of a platform that is not configured (`unknown_platform`).
    """
    try:
        page = decode(body)
    except InvalidEventError as error:
        mended = without_lone_surrogates(body) if error.reason == NOT_JSON else body
        if mended == body:
            raise
        page = _as_it_came(decode(mended), body, mended)
    if page.platform not in platforms:
        raise InvalidEventError(UNKNOWN_PLATFORM, page.platform)
    return page


def _as_it_came(page: PageFetched, body: bytes, mended: bytes) -> PageFetched:
    """Give each record its own `data` back: in the body it stands where its mended form stands."""
    records: list[FeedRecord] = []
    place = 0
    for record in page.records:
        data = bytes(record.data)
        if REPLACEMENT in data:
            start = mended.index(data, place)
            place = start + len(data)
            records.append(msgspec.structs.replace(record, data=msgspec.Raw(body[start:place])))
        else:
            records.append(record)
    return msgspec.structs.replace(page, records=records)


def catalog_news(platform: str, changes: int, committed_at: datetime) -> dict[str, Any]:
    """Return what followers of the catalogue are told: so many lines of `catalog_changes` more."""
    return {"platform": platform, "changes": changes, "committed_at": committed_at.isoformat()}


def dead_letter(message: AbstractIncomingMessage, error: InvalidEventError) -> Message:
    """Return a copy of a message that is no event, with the reason and where it came from in its headers."""
    return Message(
        message.body,
        headers={
            **message.headers,
            "x-reason": error.reason,
            "x-detail": error.detail[:500],
            "x-original-exchange": message.exchange or "",
            "x-original-routing-key": message.routing_key or "",
        },
        delivery_mode=DeliveryMode.PERSISTENT,
        content_type=message.content_type,
        message_id=message.message_id,
        correlation_id=message.correlation_id,
        timestamp=message.timestamp,
        type=message.type,
        app_id=message.app_id,
    )
