"""`normalizer run` that ends itself by `kill -9` at an exact point of its n-th batch: POINT NUMBER.

Points, in the order of a batch: `received`, `locked`, `before_commit`, `in_commit`, `after_commit`, `acked`.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

from asyncpg.transaction import Transaction

from normalizer.__main__ import main
from normalizer.adapters.postgres import PostgresTransaction
from normalizer.core.land import Lander
from normalizer.entrypoints import subscriber

POINTS = ("received", "locked", "before_commit", "in_commit", "after_commit", "acked")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _before(owner: Any, name: str, when: Callable[[], bool]) -> None:
    """End the process before the call of a method, when it is time."""
    original: Callable[..., Awaitable[Any]] = getattr(owner, name)

    async def call(*args: Any, **named: Any) -> Any:
        if when():
            _die()
        return await original(*args, **named)

    setattr(owner, name, call)


def _after(owner: Any, name: str, when: Callable[[], bool]) -> None:
    """End the process after the call of a method, when it is time."""
    original: Callable[..., Awaitable[Any]] = getattr(owner, name)

    async def call(*args: Any, **named: Any) -> Any:
        result = await original(*args, **named)
        if when():
            _die()
        return result

    setattr(owner, name, call)


def _in_commit(when: Callable[[], bool]) -> None:
    """End the process when COMMIT is on its way and its answer is not here."""
    name = "_Transaction__commit"
    original: Callable[[Transaction], Awaitable[None]] = getattr(Transaction, name)

    async def call(self: Transaction) -> None:
        if not when():
            await original(self)
            return
        commit = asyncio.ensure_future(original(self))
        await asyncio.sleep(0)  # noqa: TID251 - the request is written now
        _die()
        await commit

    setattr(Transaction, name, call)


def plant(point: str, number: int) -> None:
    """Let the process end at `point` of batch `number`, counted from 1."""
    calls = count(1)

    def when() -> bool:
        return next(calls) == number

    if point == "received":
        _before(Lander, "land", when)
    elif point == "locked":
        _after(PostgresTransaction, "insert_rows", when)
    elif point == "before_commit":
        _before(Transaction, "_Transaction__commit", when)
    elif point == "in_commit":
        _in_commit(when)
    elif point == "after_commit":
        _after(Lander, "land", when)
    else:
        _after(subscriber, "_acknowledge", when)


if __name__ == "__main__":
    plant(sys.argv[1], int(sys.argv[2]))
    sys.exit(main(["run"]))
