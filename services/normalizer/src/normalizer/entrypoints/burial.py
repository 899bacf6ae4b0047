"""Putting what is no event among the dead letters, however long nobody takes it there."""

import logging
from collections.abc import Awaitable, Callable
from math import inf
from typing import Final

from aio_pika.abc import AbstractIncomingMessage

from common import topology
from common.amqp import BROKER_ERRORS, said
from common.clock import Clock
from common.errors import InvalidEventError
from common.log import fields
from normalizer.entrypoints.metrics import ConsumerMetrics

_log = logging.getLogger(__name__)

TELL_EVERY_S: Final = 60.0
"""Seconds between two lines about dead letters that nobody takes."""


class Burial:
    """Tries again until a copy of a message is confirmed, and tells of those that wait for it.

    They are not given back meanwhile: they would come again first, and each time they come counts towards the delivery
    limit, their neighbours' too.

    Args:
        bury: Publishes one copy and returns when it is confirmed; raises `BROKER_ERRORS`.
        room: How many messages may wait before no page is delivered any more: the prefetch.
        retry_after_s: Seconds between two tries.
        clock: Time.
        metrics: Told of each that is buried.
    """

    def __init__(
        self,
        bury: Callable[[AbstractIncomingMessage, InvalidEventError], Awaitable[None]],
        *,
        room: int,
        retry_after_s: float,
        clock: Clock,
        metrics: ConsumerMetrics,
    ) -> None:
        self._bury = bury
        self._room = room
        self._retry_after_s = retry_after_s
        self._clock = clock
        self._metrics = metrics
        self._held = 0
        self._told_at_s = -inf
        self._told_full = False

    async def buried(
        self, message: AbstractIncomingMessage, error: InvalidEventError, *, is_over: Callable[[], bool]
    ) -> bool:
        """Return whether a copy was confirmed; False: the delivery `is_over` before, and comes again."""
        self._held += 1
        try:
            while not await self._tried(message, error):
                await self._clock.sleep(self._retry_after_s)
                if is_over():
                    return False
        finally:
            self._held -= 1
        self._metrics.dead_lettered(error.reason)
        _log.error(
            fields("Message dead-lettered", reason=error.reason, detail=error.detail, message_id=message.message_id)
        )
        return True

    async def _tried(self, message: AbstractIncomingMessage, error: InvalidEventError) -> bool:
        try:
            await self._bury(message, error)
        except BROKER_ERRORS as failure:
            self._tell(failure)
            return False
        return True

    def _tell(self, failure: BaseException) -> None:
        is_full, now_s = self._held >= self._room, self._clock.monotonic()
        if now_s - self._told_at_s < TELL_EVERY_S and (self._told_full or not is_full):
            return
        self._told_at_s, self._told_full = now_s, is_full
        told = {"held": self._held, "room": self._room, "error": said(failure)}
        if is_full:
            _log.error(fields(f"No page is taken before {topology.DEAD_QUEUE} has room: dead letters fill all", **told))
        else:
            _log.warning(fields("Dead letters not confirmed, holding them", **told))
