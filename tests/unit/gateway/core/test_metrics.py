"""Metrics are text that Prometheus reads."""

import re

import pytest

from gateway.core.metrics import FINDINGS, FeedNumbers, exposition

pytestmark = pytest.mark.unit

LINE = re.compile(r'(#.*|[a-z_]+\{[a-z_]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\["\\n])*")*\} \d+)')


def test_each_finding_of_each_platform_has_a_sample_whether_it_holds_or_not() -> None:
    text = exposition({"encar", "che168"}, FeedNumbers([("che168", "no_run"), ("gone", "no_run")], {}), {})
    samples = [line for line in text.splitlines() if line.startswith("feedmill_feed_findings{")]
    assert len(samples) == 2 * len(FINDINGS)
    assert [line for line in samples if line.endswith(" 1")] == [
        'feedmill_feed_findings{platform="che168",finding="no_run"} 1'
    ]


def test_records_are_counters_by_kind_and_change_type() -> None:
    records = {("che168", "change", "added"): 7, ("bot_igor", "snapshot", "removed"): 0}
    text = exposition((), FeedNumbers([], records), {("1", "ok"): 2, ("1", "timeout"): 1})
    assert text.splitlines()[-8:] == [
        "# HELP feedmill_feed_records_total Records of the feed that were sent to be landed.",
        "# TYPE feedmill_feed_records_total counter",
        'feedmill_feed_records_total{platform="bot_igor",kind="snapshot",change_type="removed"} 0',
        'feedmill_feed_records_total{platform="che168",kind="change",change_type="added"} 7',
        "# HELP feedmill_source_requests_total Sources asked at once, by what came of it.",
        "# TYPE feedmill_source_requests_total counter",
        'feedmill_source_requests_total{source="1",outcome="ok"} 2',
        'feedmill_source_requests_total{source="1",outcome="timeout"} 1',
    ]


@pytest.mark.parametrize("name", ['quo"te', "back\\slash", "new\nline", "обычное"])
def test_no_label_breaks_a_line(name: str) -> None:
    text = exposition([name], FeedNumbers([], {(name, "page", "added"): 1}), {})
    assert text.endswith("\n")
    assert all(LINE.fullmatch(line) for line in text.splitlines())
