"""Following the catalogue's changes: one reader of the table for all who listen, and nobody misses or repeats one.

A listener has a position, the id that it wants next. What it wants it takes from the tail, the newest changes that this
process keeps, and from the table where the tail does not reach back so far. The tail is read on every second while
somebody listens, and at once when somebody says that there is news; nothing depends on that. Nothing is queued for a
listener: one that is slow falls behind, which costs nobody anything.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from common.clock import Clock
from common.errors import FeedmillError
from common.log import fields
from gateway.core.errors import PositionGoneError, TooManyStreamsError
from gateway.core.reads import begin_reading

POLL_INTERVAL_S: Final = 1.0
BREATH_S: Final = 0.1
"""Between two readings on news, so that news in crowds wake all listeners ten times a second and no more."""
PAGE: Final = 200
TAIL: Final = 2000
READING_BYTES: Final = 4 * 1024 * 1024
"""Of one reading, but for its last change: a change may be of a megabyte, and a reading of a thousand changes."""
TAIL_CHARACTERS: Final = 8 * 1024 * 1024
LISTENER_CHARACTERS: Final = 256 * 1024
"""Given to a listener at once, likewise."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredChange:
    """One change; `body` is all of it as JSON text."""

    change_id: int
    platform: str
    change_type: str
    body: str


class _Reader(Protocol):
    async def changes(self, start: int, *, limit: int, platform: str | None) -> Sequence[StoredChange]: ...
    async def last_id(self) -> int: ...


class ChangeFeed:
    """The changes as they happen, for up to `most_listeners` at once."""

    def __init__(self, reader: _Reader, *, clock: Clock, most_listeners: int) -> None:
        self._reader = reader
        self.clock = clock
        self._most_listeners = most_listeners
        self._tail: deque[StoredChange] = deque()
        self._tail_characters = 0
        self._tail_start: int | None = None
        self._next = 0
        self._tick = asyncio.Event()
        self._news = asyncio.Event()
        self.stopped = False
        self.listeners = 0

    async def follow(self) -> None:
        """Read on every second, and on news, until cancelled; a database that is away is tried again."""
        failing = False
        while True:
            on_news = await self._second_or_news()
            begin_reading()
            try:
                await self.read_on()
                failing = False
            except FeedmillError as error:
                if not failing:
                    _log.warning(fields("changes cannot be read", error=error))
                failing = True
            self._wake()
            if on_news:
                await self.clock.sleep(BREATH_S)

    async def _second_or_news(self) -> bool:
        """Return whether it was news."""
        second = asyncio.ensure_future(self.clock.sleep(POLL_INTERVAL_S))
        news = asyncio.ensure_future(self._news.wait())
        try:
            await asyncio.wait((second, news), return_when=asyncio.FIRST_COMPLETED)
        finally:
            second.cancel()
            news.cancel()
        on_news = self._news.is_set()
        self._news.clear()
        return on_news

    async def read_on(self) -> None:
        """Read what is new, if anybody listens."""
        if not self.listeners:
            self._tail_start = None
            self._tail.clear()
            self._tail_characters = 0
            return
        if self._tail_start is None:
            self._tail_start = self._next = await self._reader.last_id() + 1
        while new := await self._reader.changes(self._next, limit=PAGE, platform=None):
            self._tail.extend(new)
            self._tail_characters += sum(len(change.body) for change in new)
            self._next = new[-1].change_id + 1
            while len(self._tail) > TAIL or self._tail_characters > TAIL_CHARACTERS:
                oldest = self._tail.popleft()
                self._tail_characters -= len(oldest.body)
                self._tail_start = oldest.change_id + 1
            if len(new) < PAGE:
                break

    def tell(self) -> None:
        """Say that there may be something new: it is read at once instead of within a second."""
        self._news.set()

    def stop(self) -> None:
        """Let every listener end."""
        self.stopped = True
        self._wake()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a listener's place.

        Raises:
            TooManyStreamsError: All are taken.
        """
        if self.listeners >= self._most_listeners:
            raise TooManyStreamsError(f"{self._most_listeners} clients follow the changes already")
        self.listeners += 1
        try:
            yield
        finally:
            self.listeners -= 1

    async def listen(self, start: int) -> AsyncIterator[Sequence[StoredChange]]:
        """Yield changes from the id `start` on, in order and each once; an empty list for every second without any.

        It ends for a listener so slow that what it wants next is kept no longer.
        """
        position = start
        while not self.stopped:
            tick = self._tick
            try:
                batch = await self._from(position)
            except PositionGoneError:
                return
            if batch:
                position = batch[-1].change_id + 1
                yield batch
            else:
                yield ()
                await tick.wait()

    async def next_look(self) -> None:
        """Wait until the table was looked at once more, or listeners are to end."""
        await self._tick.wait()

    async def _from(self, position: int) -> Sequence[StoredChange]:
        if self._tail_start is not None and position >= self._tail_start:
            return _page(change for change in self._tail if change.change_id >= position)
        try:
            return await self._reader.changes(position, limit=PAGE, platform=None)
        except PositionGoneError:
            raise
        except FeedmillError:
            return ()

    def _wake(self) -> None:
        self._tick.set()
        self._tick = asyncio.Event()


def _page(changes: Iterable[StoredChange]) -> Sequence[StoredChange]:
    """Return the first of them, as many as are given at once and one at least."""
    page, characters = list[StoredChange](), 0
    for change in changes:
        characters += len(change.body)
        if page and characters > LISTENER_CHARACTERS:
            break
        page.append(change)
    return page
