"""Collects single deliveries into batches and tells each delivery what became of its batch.

A consumer that gets one message at a time (FastStream on RabbitMQ has no batches: ag2ai/faststream issue 1975) calls
`add` from each handler and awaits it. The handler returns, and so acknowledges, only after its batch was handled.
Nothing here knows what an item is. Memory is bounded by the caller's prefetch: an item is held exactly as long as its
handler waits.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Generic, TypeVar

from common.clock import Clock
from normalizer.core.batch import Batch, Limits

ItemT = TypeVar("ItemT")


class CollectorClosedError(Exception):
    """The collector takes nothing any more, or gave this item back unhandled; its message must not be acknowledged."""


class Collector(Generic[ItemT]):
    """Fills batches and hands them to `handle`, at most `in_flight` at a time.

    Args:
        handle: Called once for each batch. When it returns, every item's `add` returns; when it raises, every item's
            `add` raises the same error.
        limits: When a batch is full or due.
        in_flight: How many batches may be handled at once.
        clock: Time for the linger.
    """

    def __init__(
        self, handle: Callable[[Batch[ItemT]], Awaitable[None]], *, limits: Limits, in_flight: int, clock: Clock
    ) -> None:
        self._handle = handle
        self._limits = limits
        self._free = asyncio.Semaphore(in_flight)
        self._clock = clock
        self._open: Batch[ItemT] | None = None
        self._outcome: asyncio.Future[None] | None = None
        self._linger: asyncio.Task[None] | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._closed = False

    async def add(self, item: ItemT, *, weight: int) -> None:
        """Put an item into the open batch and wait until that batch was handled.

        Raises:
            CollectorClosedError: The item was not handled; it may have been given back.
            Exception: What `handle` raised for the batch.
        """
        if self._closed:
            raise CollectorClosedError("closed")
        if self._open is not None and not self._limits.has_room(self._open, weight):
            self._close_batch()
        outcome = self._put(item, weight)
        if self._open is not None and self._limits.is_full(self._open):
            self._close_batch()
        # A cancelled handler must not cancel the outcome that its neighbours wait for.
        await asyncio.shield(outcome)

    async def close(self) -> None:
        """Take nothing more, hand over what is open and wait until every batch was handled."""
        self._closed = True
        self._close_batch()
        while self._running:
            await asyncio.wait(self._running)

    async def abort(self) -> None:
        """Take nothing more, give the open batch back and cancel those in hand; every `add` raises."""
        self._closed = True
        if self._linger is not None:
            self._linger.cancel()
        if self._outcome is not None:
            _fail(self._outcome, CollectorClosedError("given back"))
        self._open = self._outcome = None
        for task in self._running:
            task.cancel()
        while self._running:
            await asyncio.wait(self._running)

    def _put(self, item: ItemT, weight: int) -> asyncio.Future[None]:
        if self._open is None or self._outcome is None:
            self._open = Batch((), 0)
            self._outcome = asyncio.get_running_loop().create_future()
            self._linger = asyncio.create_task(self._close_when_due())
        self._open = self._open.with_item(item, weight)
        return self._outcome

    async def _close_when_due(self) -> None:
        await self._clock.sleep(self._limits.linger_s)
        self._linger = None
        self._close_batch()

    def _close_batch(self) -> None:
        if self._open is None or self._outcome is None:
            return
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        task = asyncio.create_task(self._run(self._open))
        task.add_done_callback(partial(_tell, self._outcome))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        self._open = self._outcome = None

    async def _run(self, batch: Batch[ItemT]) -> None:
        async with self._free:
            await self._handle(batch)


def _tell(outcome: asyncio.Future[None], handled: asyncio.Task[None]) -> None:
    """Let every waiting handler hear what became of a batch: also of one that was given back before it was begun."""
    error = CollectorClosedError("given back") if handled.cancelled() else handled.exception()
    if error is None:
        outcome.set_result(None)
    else:
        _fail(outcome, error)


def _fail(outcome: asyncio.Future[None], error: BaseException) -> None:
    outcome.set_exception(error)
    # All handlers may have been cancelled already; then nobody is left to hear of it, and that is no error.
    outcome.exception()
