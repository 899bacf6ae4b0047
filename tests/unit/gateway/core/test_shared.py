"""Work that nobody waits for any more fails without a word; those who wait hear of it."""

import asyncio
import gc
from typing import Any

import pytest

from common.errors import UnavailableError
from gateway.core.shared import shared

pytestmark = pytest.mark.unit


async def test_an_error_that_nobody_waits_for_any_more_is_not_logged() -> None:
    said: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    go = asyncio.Event()

    async def fail() -> None:
        await go.wait()
        raise UnavailableError("away")

    async def wait(work: "asyncio.Future[None]") -> None:
        await asyncio.shield(work)

    work = shared(fail())
    waiting = asyncio.create_task(wait(work))
    await a_turn()
    waiting.cancel()
    await a_turn()
    go.set()
    await a_turn()
    assert (waiting.cancelled(), work.done()) == (True, True)
    del work, waiting
    gc.collect()
    assert said == []


async def test_who_waits_gets_the_error() -> None:
    async def fail() -> None:
        raise UnavailableError("away")

    with pytest.raises(UnavailableError, match="away"):
        await asyncio.shield(shared(fail()))


async def a_turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)  # noqa: TID251 - takes no time
