"""SIGTERM once and twice."""

import asyncio
import signal

import pytest

from common.signals import StopSignals

pytestmark = pytest.mark.unit


def test_the_first_signal_asks_to_stop_and_the_second_ends_at_once(caplog: pytest.LogCaptureFixture) -> None:
    stop, ended = asyncio.Event(), list[int]()
    signals = StopSignals(stop, finishing="the page in hand", die=ended.append)
    with caplog.at_level("INFO"):
        signals.receive(signal.SIGTERM)
    assert caplog.messages == ["SIGTERM: finishing the page in hand; once more ends at once"]
    assert stop.is_set()
    assert ended == []
    signals.receive(signal.SIGINT)
    assert ended == [signal.SIGINT]
