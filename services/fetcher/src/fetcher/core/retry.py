"""What follows a failed try, as a value: pure, so that four hours of it are a table in a test.

One page has one window. Its first try is at 0; tries that failed by a hiccup get a few quick ones; then tries stand
12 minutes apart, counted from the first, the last at exactly 4 hours (20 × 12 minutes). `Retry-After` may lengthen a
wait, never shorten it, and never reaches past the window.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from fetcher.core.errors import Cause, UpstreamError


@dataclass(frozen=True, slots=True)
class Retry:
    """Try the page again in `after_s` seconds. `quick` tries do not count as one of the 20."""

    after_s: float
    quick: bool = False


@dataclass(frozen=True, slots=True)
class SkipPage:
    """The page's window is used up: note a gap and go on."""


@dataclass(frozen=True, slots=True)
class Stop:
    """No later try can succeed: the request, the address or the key is wrong."""


Verdict = Retry | SkipPage | Stop


class Treatment(Enum):
    """The three ways to meet a cause."""

    STOP = auto()
    HICCUP = auto()
    OUTAGE = auto()


TREATMENTS: Final[dict[Cause, Treatment]] = {
    Cause.BAD_REQUEST: Treatment.STOP,
    Cause.UNAUTHORIZED: Treatment.STOP,
    Cause.FORBIDDEN: Treatment.STOP,
    Cause.NOT_FOUND: Treatment.STOP,
    Cause.METHOD_NOT_ALLOWED: Treatment.STOP,
    Cause.GONE: Treatment.STOP,
    Cause.BAD_GATEWAY: Treatment.HICCUP,
    Cause.CONNECTION: Treatment.HICCUP,
    Cause.CUT_BODY: Treatment.HICCUP,
    Cause.NOT_JSON: Treatment.HICCUP,
    Cause.RATE_LIMITED: Treatment.OUTAGE,
    Cause.SERVER_ERROR: Treatment.OUTAGE,
    Cause.OTHER_STATUS: Treatment.OUTAGE,
    Cause.REDIRECT: Treatment.OUTAGE,
    Cause.NAME_NOT_FOUND: Treatment.OUTAGE,
    Cause.TLS: Treatment.OUTAGE,
    Cause.TIMEOUT: Treatment.OUTAGE,
    Cause.TOO_LARGE: Treatment.OUTAGE,
    Cause.BAD_ENCODING: Treatment.OUTAGE,
    Cause.WRONG_SHAPE: Treatment.OUTAGE,
    Cause.NOT_OK: Treatment.OUTAGE,
    Cause.STALLED: Treatment.OUTAGE,
}


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient the fetcher is with one page.

    Attributes:
        quick_retries: Tries right after a hiccup, before the long waits.
        quick_delay_s: Wait before the first of them; doubles with each.
        interval_s: Seconds between the starts of two long tries.
        max_retries: Long tries after the first.
        window_s: Seconds after the first try in which all others lie.
    """

    quick_retries: int = 3
    quick_delay_s: float = 1.0
    interval_s: float = 720.0
    max_retries: int = 20
    window_s: float = 14_400.0


@dataclass(frozen=True, slots=True)
class Attempts:
    """What has been tried for one page.

    Attributes:
        failed: Long tries that failed, the first included; the failing one counts.
        quick: Quick retries used.
    """

    failed: int = 0
    quick: int = 0


def decide(
    failure: UpstreamError, attempts: Attempts, policy: RetryPolicy, *, elapsed_s: float, chance: float
) -> Verdict:
    """Return what follows a failed try.

    Args:
        failure: Why it failed.
        attempts: Tries so far, the failed one not yet counted.
        policy: How patient to be.
        elapsed_s: Seconds since the page's first try began.
        chance: A number in [0, 1) that spreads quick tries by up to half of their wait.
    """
    treatment = TREATMENTS[failure.cause]
    if treatment is Treatment.STOP:
        return Stop()
    if treatment is Treatment.HICCUP and _has_quick_try(failure, attempts, policy):
        return _quick(failure, attempts, policy, chance)
    if attempts.failed >= policy.max_retries or elapsed_s >= policy.window_s:
        return SkipPage()
    return Retry(_long_wait(failure, attempts, policy, elapsed_s))


def _has_quick_try(failure: UpstreamError, attempts: Attempts, policy: RetryPolicy) -> bool:
    # A server that asks for a longer wait than the quick ones is away; only long waits are kept over a restart.
    longest_s = policy.quick_delay_s * 2**policy.quick_retries
    is_short = (failure.retry_after_s or 0.0) <= longest_s
    return is_short and attempts.failed == 0 and attempts.quick < policy.quick_retries


def _quick(failure: UpstreamError, attempts: Attempts, policy: RetryPolicy, chance: float) -> Retry:
    wait = policy.quick_delay_s * 2**attempts.quick * (1 + chance / 2)
    return Retry(max(wait, failure.retry_after_s or 0.0), quick=True)


def _long_wait(failure: UpstreamError, attempts: Attempts, policy: RetryPolicy, elapsed_s: float) -> float:
    wait = (attempts.failed + 1) * policy.interval_s - elapsed_s
    if not 0 < wait <= policy.interval_s:  # an earlier Retry-After has pushed the schedule back, or a clock was set
        wait = policy.interval_s
    wait = max(wait, failure.retry_after_s or 0.0)
    return min(wait, policy.window_s - elapsed_s)
