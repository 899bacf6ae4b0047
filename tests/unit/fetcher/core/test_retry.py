"""The verdicts, as tables."""

import pytest

from fetcher.core.errors import Cause, UpstreamError
from fetcher.core.retry import TREATMENTS, Attempts, Retry, RetryPolicy, SkipPage, Stop, Verdict, decide

pytestmark = pytest.mark.unit

POLICY = RetryPolicy()
HOUR = 3600.0


def verdict(
    cause: Cause, *, failed: int = 0, quick: int = 0, elapsed_s: float = 0, retry_after_s: float | None = None
) -> Verdict:
    """Return what follows, with the default policy and no jitter."""
    failure = UpstreamError(cause, retry_after_s=retry_after_s)
    return decide(failure, Attempts(failed, quick), POLICY, elapsed_s=elapsed_s, chance=0.0)


@pytest.mark.parametrize(
    ("cause", "first", "after_the_quick_ones"),
    [
        (Cause.BAD_REQUEST, Stop(), Stop()),
        (Cause.UNAUTHORIZED, Stop(), Stop()),
        (Cause.FORBIDDEN, Stop(), Stop()),
        (Cause.NOT_FOUND, Stop(), Stop()),
        (Cause.METHOD_NOT_ALLOWED, Stop(), Stop()),
        (Cause.GONE, Stop(), Stop()),
        (Cause.BAD_GATEWAY, Retry(1.0, quick=True), Retry(720.0)),
        (Cause.CONNECTION, Retry(1.0, quick=True), Retry(720.0)),
        (Cause.CUT_BODY, Retry(1.0, quick=True), Retry(720.0)),
        (Cause.NOT_JSON, Retry(1.0, quick=True), Retry(720.0)),
        (Cause.RATE_LIMITED, Retry(720.0), Retry(720.0)),
        (Cause.SERVER_ERROR, Retry(720.0), Retry(720.0)),
        (Cause.OTHER_STATUS, Retry(720.0), Retry(720.0)),
        (Cause.REDIRECT, Retry(720.0), Retry(720.0)),
        (Cause.NAME_NOT_FOUND, Retry(720.0), Retry(720.0)),
        (Cause.TLS, Retry(720.0), Retry(720.0)),
        (Cause.TIMEOUT, Retry(720.0), Retry(720.0)),
        (Cause.TOO_LARGE, Retry(720.0), Retry(720.0)),
        (Cause.BAD_ENCODING, Retry(720.0), Retry(720.0)),
        (Cause.WRONG_SHAPE, Retry(720.0), Retry(720.0)),
        (Cause.NOT_OK, Retry(720.0), Retry(720.0)),
        (Cause.STALLED, Retry(720.0), Retry(720.0)),
    ],
    ids=str,
)
def test_each_cause_has_its_verdict(cause: Cause, first: Verdict, after_the_quick_ones: Verdict) -> None:
    assert verdict(cause) == first
    assert verdict(cause, quick=POLICY.quick_retries) == after_the_quick_ones


def test_every_cause_is_treated() -> None:
    assert set(TREATMENTS) == set(Cause)


@pytest.mark.parametrize(
    ("failed", "elapsed_s", "retry_after_s", "expected"),
    [
        pytest.param(1, -10 * HOUR, None, Retry(720.0), id="a clock that was set back makes no wait longer"),
        pytest.param(0, 30, None, Retry(690.0), id="a slow answer does not move the next slot"),
        pytest.param(19, 19 * 720, None, Retry(720.0), id="the twentieth retry ends the window"),
        pytest.param(20, 20 * 720, None, SkipPage(), id="after twenty retries the page is dead"),
        pytest.param(20, 0, None, SkipPage(), id="after twenty retries, also by a clock that was set back"),
        pytest.param(3, 4 * HOUR, None, SkipPage(), id="after four hours the page is dead"),
        pytest.param(3, 5 * HOUR, None, SkipPage(), id="a window that ended while we were down is over"),
        pytest.param(0, 0, 60, Retry(720.0), id="Retry-After never shortens a wait"),
        pytest.param(0, 0, 1800, Retry(1800.0), id="Retry-After lengthens a wait"),
        pytest.param(0, 0, 9 * HOUR, Retry(4 * HOUR), id="Retry-After never reaches past the window"),
        pytest.param(1, 1440, None, Retry(720.0), id="a wait that ended in the next slot is followed by a whole one"),
        pytest.param(1, 1800, None, Retry(720.0), id="after a lengthened wait tries stand 12 minutes apart again"),
    ],
)
def test_long_waits_stand_in_their_window(
    failed: int, elapsed_s: float, retry_after_s: float | None, expected: Verdict
) -> None:
    assert verdict(Cause.TIMEOUT, failed=failed, elapsed_s=elapsed_s, retry_after_s=retry_after_s) == expected


def test_quick_waits_double_and_are_spread_by_chance() -> None:
    failure = UpstreamError(Cause.CUT_BODY)
    waits = [
        decide(failure, Attempts(0, quick), POLICY, elapsed_s=0, chance=chance)
        for quick, chance in ((0, 0.0), (1, 0.0), (2, 0.0), (2, 0.5))
    ]
    assert waits == [Retry(1.0, quick=True), Retry(2.0, quick=True), Retry(4.0, quick=True), Retry(5.0, quick=True)]


def test_a_hiccup_during_the_long_waits_gets_no_quick_tries() -> None:
    assert verdict(Cause.CUT_BODY, failed=1, elapsed_s=720) == Retry(720.0)


@pytest.mark.parametrize("retry_after_s", [7.0, 8.0])
def test_a_quick_try_respects_retry_after(retry_after_s: float) -> None:
    assert verdict(Cause.BAD_GATEWAY, retry_after_s=retry_after_s) == Retry(retry_after_s, quick=True)


@pytest.mark.parametrize("retry_after_s", [9.0, 3600.0, float("inf")])
def test_a_hiccup_that_asks_for_a_long_wait_is_an_outage(retry_after_s: float) -> None:
    expected = Retry(max(720.0, min(retry_after_s, POLICY.window_s)))
    assert verdict(Cause.BAD_GATEWAY, retry_after_s=retry_after_s) == expected
