"""Waiting for one of several things."""

import asyncio

import pytest

from normalizer.entrypoints.waits import first_of, unless


async def fail() -> None:
    raise OSError("away")


async def test_who_has_not_ended_first_is_cancelled() -> None:
    cancelled = asyncio.Event()

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    await first_of(wait(), fail())
    await cancelled.wait()


async def test_work_is_done_and_raises_what_it_raises() -> None:
    done: list[int] = []

    async def work() -> None:
        done.append(1)

    await unless(asyncio.Event(), work())
    assert done == [1]
    with pytest.raises(OSError, match="away"):
        await unless(asyncio.Event(), fail())


@pytest.mark.parametrize("by_stop", [True, False])
async def test_work_that_is_not_wanted_any_more_has_ended_when_the_call_returns(*, by_stop: bool) -> None:
    ended: list[int] = []
    begun, stop = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.wait({asyncio.create_task(begun.wait())})
            ended.append(1)

    call = asyncio.create_task(unless(stop, work()))
    await begun.wait()
    (stop.set if by_stop else call.cancel)()
    await asyncio.wait({call})
    assert (call.cancelled(), ended) == (not by_stop, [1])
