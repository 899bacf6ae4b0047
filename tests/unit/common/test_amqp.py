"""What the AMQP library does to whoever waits on a connection that it gives up."""

import asyncio

import pytest

from common.amqp import lost_if_given_up, said


async def wait_for_ever() -> None:
    with lost_if_given_up():
        await asyncio.Event().wait()


async def test_a_wait_that_nobody_of_us_cancelled_is_a_lost_connection() -> None:
    waiting = asyncio.get_running_loop().create_future()
    waiting.set_exception(asyncio.CancelledError())
    with pytest.raises(ConnectionError, match="says nothing"), lost_if_given_up():
        await waiting


async def test_a_wait_that_we_cancel_is_cancelled() -> None:
    task = asyncio.create_task(wait_for_ever())
    asyncio.get_running_loop().call_soon(task.cancel)
    await asyncio.wait({task})
    assert task.cancelled()


async def test_a_wait_that_takes_too_long_is_a_timeout() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await wait_for_ever()


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConnectionRefusedError(111, "Connect call failed"), "ConnectionRefusedError: [Errno 111] Connect call failed"),
        (TimeoutError(), "TimeoutError"),
        (RuntimeError("a\nb"), "RuntimeError"),
        (RuntimeError("x" * 201), "RuntimeError"),
    ],
    ids=["a line", "nothing", "several lines", "a dump"],
)
def test_an_error_is_said_in_one_line_with_its_kind(error: Exception, text: str) -> None:
    assert said(error) == text


async def test_an_error_without_a_kind_is_how_the_library_says_that_a_connection_was_closed() -> None:
    with pytest.raises(ConnectionError, match="closed"), lost_if_given_up():
        raise Exception  # noqa: TRY002 - as the library does
    with pytest.raises(KeyError), lost_if_given_up():
        raise KeyError("a defect")
