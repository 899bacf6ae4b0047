"""When progress lines are written, and the bar is drawn."""

import logging

import pytest

from common.testing.clock import VirtualClock
from fetcher.adapters.console import ProgressBar, ProgressLines
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


def a_bar() -> ProgressBar:
    """Return a bar whose lines come once an hour."""
    return ProgressBar(ProgressLines(interval_s=3600, clock=VirtualClock()))


def test_a_bar_is_drawn_while_there_is_progress_and_leaves_the_terminal_tidy(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bar = a_bar()
    for _ in range(2):  # a reconciliation follows a load
        bar.show(Progress(50, 200))
        drawn = capsys.readouterr().err
        assert "25%" in drawn
        assert "50/200" in drawn
        bar.close()
        *_, cleared, end = capsys.readouterr().err.split("\r")
        assert (cleared.strip(), end) == ("", "")
    assert [record.message.split(" |")[0] for record in caplog.records] == ["Progress: 25.0% (50 / 200 records)"] * 2


def test_a_bar_without_an_estimate_counts(capsys: pytest.CaptureFixture[str]) -> None:
    bar = a_bar()
    bar.show(Progress(50))
    assert "50 records" in capsys.readouterr().err
    bar.close()


def test_a_command_that_shows_no_progress_draws_nothing_and_leaves_the_log_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    handlers = list(logging.getLogger().handlers)
    first, second = a_bar(), a_bar()
    assert logging.getLogger().handlers == handlers
    first.close()
    second.close()
    assert capsys.readouterr().err == ""
