"""When progress lines are written."""

import logging

import pytest

from common.testing.clock import VirtualClock
from fetcher.adapters.console import ProgressLines
from fetcher.core.progress import Progress

pytestmark = pytest.mark.unit


async def test_a_line_is_written_every_few_seconds_and_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = VirtualClock()
    lines = ProgressLines(interval_s=5, clock=clock)
    for records in range(0, 300, 20):
        lines.show(Progress(records))
        await clock.sleep(1)
    lines.close()
    lines.close()
    assert [record.message.split(" |")[0] for record in caplog.records] == [
        "Progress: 100 records",
        "Progress: 200 records",
        "Progress: 280 records",
    ]
