"""What `daily-update` refuses before it asks anybody."""

from datetime import date, timedelta

import pytest

from common.errors import ConfigurationError
from fetcher.commands.daily_update import check_since

pytestmark = pytest.mark.unit

TODAY = date(2026, 11, 21)


@pytest.mark.parametrize("days_back", [0, 1, 366])
def test_days_of_the_last_year_can_be_replayed(days_back: int) -> None:
    check_since(TODAY - timedelta(days=days_back), TODAY)


@pytest.mark.parametrize(
    ("since", "said"),
    [
        (TODAY + timedelta(days=1), "lies in the future"),
        (TODAY - timedelta(days=367), "more than 366 days back; `initial-load --again`"),
        (date(1, 1, 1), "more than 366 days back"),
    ],
    ids=["tomorrow", "more than a year ago", "the first day of all"],
)
def test_any_other_day_is_refused(since: date, said: str) -> None:
    with pytest.raises(ConfigurationError, match=f"--since {since}: .*{said}"):
        check_since(since, TODAY)
