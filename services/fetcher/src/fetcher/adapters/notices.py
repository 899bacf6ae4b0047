"""Telling people on `feedmill.events` what became of their orders and of every job."""

import asyncio
import json
from contextlib import suppress
from typing import Final

import aio_pika

from common.clock import Clock
from common.events import CONTENT_TYPE
from fetcher.adapters.rabbit import APPLICATION, RabbitPublisher
from fetcher.core.errors import TopologyError
from fetcher.core.patience import until_available
from fetcher.core.service_ports import Notice

MESSAGE_TYPE: Final = "fetcher_notice.v1"
MOST_WAITING: Final = 1000
"""Notices kept while the broker is away; then the oldest give way."""


class RabbitNotices:
    """`Notices` over a publisher to `feedmill.events`; `keep_sending` does the sending.

    Args:
        publisher: Opened by the first notice.
        clock: Source of the pauses.
        pause_s: Seconds between two tries while the broker is away.
    """

    def __init__(self, publisher: RabbitPublisher, *, clock: Clock, pause_s: float) -> None:
        self._publisher = publisher
        self._clock = clock
        self._pause_s = pause_s
        self._waiting: asyncio.Queue[Notice] = asyncio.Queue(MOST_WAITING)

    def tell(self, notice: Notice) -> None:
        """Take a notice."""
        if self._waiting.full():
            self._waiting.get_nowait()
            self._waiting.task_done()
        self._waiting.put_nowait(notice)

    async def keep_sending(self) -> None:
        """Send notices in their order, for ever; each until the broker confirms it."""
        while True:
            notice = await self._waiting.get()
            with suppress(TopologyError):  # said by whoever starts a load; an answer is not worth more
                await until_available(lambda: self._send(notice), clock=self._clock, pause_s=self._pause_s)  # noqa: B023 - awaited in the same turn
            self._waiting.task_done()

    async def sent(self) -> None:
        """Return when everything told so far has been sent."""
        await self._waiting.join()

    async def _send(self, notice: Notice) -> None:
        key = f"fetcher.{notice.command}.{notice.happening}"
        await self._publisher.send(_message(notice), key, mandatory=False)


def _message(notice: Notice) -> aio_pika.Message:
    body = {
        "command": notice.command,
        "happening": notice.happening,
        "platform": notice.platform,
        "time": notice.at.isoformat(timespec="milliseconds"),
        "text": notice.text,
        "counts": dict(notice.counts),
    }
    return aio_pika.Message(
        json.dumps(body, ensure_ascii=False).encode("utf-8", errors="replace"),
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        content_type=CONTENT_TYPE,
        content_encoding="utf-8",
        timestamp=notice.at,
        type=MESSAGE_TYPE,
        app_id=APPLICATION,
    )
