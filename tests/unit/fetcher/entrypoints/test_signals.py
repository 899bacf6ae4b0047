"""SIGTERM once and twice."""

import asyncio
import signal

import pytest

from fetcher.entrypoints.signals import StopSignals

pytestmark = pytest.mark.unit


def test_the_first_signal_asks_to_stop_and_the_second_ends_at_once() -> None:
    stop, ended = asyncio.Event(), list[int]()
    signals = StopSignals(stop, die=ended.append)
    signals.receive(signal.SIGTERM)
    assert stop.is_set()
    assert ended == []
    signals.receive(signal.SIGINT)
    assert ended == [signal.SIGINT]
