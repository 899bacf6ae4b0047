"""`fetcher` that ends itself by `kill -9` at an exact point: POINT NUMBER COMMAND [options].

Points, in the order of a page: `answered` (a page of the list, of the feed or of the shop was read), `published` (the
broker has confirmed a message, and nobody here knows yet), `confirmed` (now the publisher knows), `saved` (the position
is in the database).
"""

import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Any, Final

from aiormq.channel import Channel
from pamqp.commands import Basic

from fetcher.adapters.change_store import PostgresChangeStore
from fetcher.adapters.http_json import BoundedHttp
from fetcher.adapters.postgres import PostgresStore
from fetcher.adapters.rabbit import RabbitPublisher
from fetcher.app import main

POINTS: Final = ("answered", "published", "confirmed", "saved")
PAGES_OF: Final = {"initial-load": "/offers", "daily-update": "/changes", "shop-sync": ""}
"""Where the pages of a command come from."""

When = Callable[..., bool]
"""Takes the arguments of a call."""


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _before(owner: Any, name: str, when: When) -> None:
    """End the process before the call of a method, when it is time."""
    original: Callable[..., Awaitable[Any]] = getattr(owner, name)

    async def call(*args: Any, **named: Any) -> Any:
        if when(*args):
            _die()
        return await original(*args, **named)

    setattr(owner, name, call)


def _after(owner: Any, name: str, when: When) -> None:
    """End the process after the call of a method, when it is time."""
    original: Callable[..., Awaitable[Any]] = getattr(owner, name)

    async def call(*args: Any, **named: Any) -> Any:
        result = await original(*args, **named)
        if when(*args):
            _die()
        return result

    setattr(owner, name, call)


def plant(point: str, number: int, path: str) -> None:
    """Let the process end at `point` of page `number`, counted from 1."""
    calls = count(1)

    def when(*_: object) -> bool:
        return next(calls) == number

    def confirms(_: object, frame: Basic.Ack) -> bool:
        return (frame.delivery_tag or 0) >= number  # one confirm may be for several

    def saved(_: object, _run: object, pages: Sequence[object]) -> bool:
        return number in [next(calls) for _ in pages]

    def answered(_: object, asked: str, *__: object) -> bool:
        return asked == path and when()

    if point == "answered":
        _after(BoundedHttp, "get", answered)
    elif point == "published":
        _before(Channel, "_on_confirm_frame", confirms)
    elif point == "confirmed":
        _after(RabbitPublisher, "publish", when)
    else:
        _after(PostgresStore, "save_pages", saved)
        _after(PostgresChangeStore, "save_changes", when)


if __name__ == "__main__":
    plant(sys.argv[1], int(sys.argv[2]), PAGES_OF[sys.argv[3]])
    sys.exit(main(sys.argv[3:]))
