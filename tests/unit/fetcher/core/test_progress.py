"""What people read about a load's progress."""

import pytest

from fetcher.core.progress import Progress, Speedometer

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        pytest.param(
            Progress(113_000, 250_000, 500.4),
            "Progress: 45.2% (113,000 / 250,000 records) | Speed: 500 records/min",
            id="as the brief writes it",
        ),
        pytest.param(
            Progress(1_000, None, 500), "Progress: 1,000 records | Speed: 500 records/min", id="no estimate, no percent"
        ),
        pytest.param(
            Progress(249_999, 250_000, 500),
            "Progress: 99.9% (249,999 / 250,000 records) | Speed: 500 records/min",
            id="nearly all is not all",
        ),
        pytest.param(
            Progress(250_000, 250_000, 500),
            "Progress: 99.9% (250,000 / 250,000 records) | Speed: 500 records/min",
            id="an estimate that is reached is not the end",
        ),
        pytest.param(
            Progress(260_000, 250_000, 500),
            "Progress: 260,000 records | Speed: 500 records/min",
            id="an estimate that is passed is none",
        ),
        pytest.param(
            Progress(260_000, 250_000, 0, is_complete=True),
            "Progress: 100.0% (260,000 / 260,000 records) | Speed: 0 records/min",
            id="the end tells the true total",
        ),
    ],
)
def test_the_line_says_what_is_known(progress: Progress, line: str) -> None:
    assert progress.line == line


def test_speed_counts_from_the_start_in_the_first_minute() -> None:
    speed = Speedometer(100.0)
    speed.mark(100, 112.0)
    assert speed.per_minute(112.0) == 500


def test_speed_forgets_what_is_older_than_a_minute() -> None:
    speed = Speedometer(0.0)
    for second in range(1, 61):
        speed.mark(100 * second, float(second))
    for second in range(61, 181):
        speed.mark(6000 + second - 60, float(second))
    assert speed.per_minute(180.0) == pytest.approx(60)


def test_speed_is_nothing_before_time_passes() -> None:
    assert Speedometer(5.0).per_minute(5.0) == 0
