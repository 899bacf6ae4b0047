"""Waiting for one of several things."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def first_of(*coroutines: Coroutine[Any, Any, object]) -> None:
    """Return when one of them has ended, however it did; the others are cancelled."""
    waits = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def unless(stop: asyncio.Event, work: Coroutine[Any, Any, object]) -> None:
    """Do work, and raise what it raises; once `stop` is set it is cancelled, which is no error."""
    doing = asyncio.create_task(work)
    try:
        await first_of(stop.wait(), asyncio.wait({doing}))
        if doing.done():
            doing.result()
    finally:
        doing.cancel()
        await asyncio.gather(doing, return_exceptions=True)
