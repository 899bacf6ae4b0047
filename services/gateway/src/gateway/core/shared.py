"""Work that several wait for, and that none of them owns."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

T = TypeVar("T")


def shared(work: Awaitable[T]) -> "asyncio.Future[T]":
    """Begin work for all who then wait for it behind a shield; its error is nobody's where all have gone meanwhile."""
    begun = asyncio.ensure_future(work)
    begun.add_done_callback(_noticed)
    return begun


def _noticed(done: "asyncio.Future[Any]") -> None:
    if not done.cancelled():
        done.exception()  # or asyncio would log that nobody has asked for it
