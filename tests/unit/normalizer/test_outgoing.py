"""Leaving a broker that goes away just then: no error, and no connection is left behind."""

import asyncio
from typing import Any

import pytest
from aio_pika.exceptions import AMQPConnectionError

from normalizer.entrypoints.outgoing import ended


class Leaving:
    """A client that fails to stop, and its connection."""

    def __init__(self, failure: BaseException) -> None:
        self.failure = failure
        self.is_closed = False

    async def stop(self) -> None:
        """Fail."""
        raise self.failure

    async def close(self) -> None:
        """Close the connection."""
        self.is_closed = True


LOST = AMQPConnectionError("Server connection unexpectedly closed")


@pytest.mark.parametrize(
    "failure",
    [
        LOST,
        ExceptionGroup("Failed to stop subscribers", [LOST]),
        ExceptionGroup("both", [OSError("reset"), ExceptionGroup("inner", [RuntimeError("closed")])]),
        ExceptionGroup("Failed to stop subscribers", [Exception()]),
        asyncio.CancelledError(),
    ],
    ids=["alone", "as FastStream has it", "nested", "without a kind", "as the library cancels its callers"],
)
async def test_a_broker_that_is_lost_while_it_is_left_is_no_error(failure: BaseException) -> None:
    leaving: Any = Leaving(failure)
    await ended(leaving, leaving)
    assert leaving.is_closed
