"""Who guesses is not listened to for a while; others are."""

import pytest

from common.testing.clock import VirtualClock
from gateway.core import guesses
from gateway.core.errors import LimitedError
from gateway.core.guesses import FAILURES, GuessLimit, network_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("unknown", "unknown", True),
    ],
)
def test_a_network_is_what_one_person_has(one: str, other: str, *, same: bool) -> None:
    assert (network_of(one) == network_of(other)) == same


async def test_after_twenty_failures_an_address_waits() -> None:
    clock = VirtualClock(auto_advance=False)
    limit = GuessLimit(clock)
    for _ in range(FAILURES.burst):
        limit.check("192.0.2.1")
        limit.failed("192.0.2.1")
    with pytest.raises(LimitedError) as caught:
        limit.check("192.0.2.1")
    assert caught.value.retry_after_s == pytest.approx(3)
    limit.check("192.0.2.2")
    await clock.advance(3)
    limit.check("192.0.2.1")


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guesses, "MOST_NETWORKS", 10)
    limit = GuessLimit(VirtualClock())
    for number in range(100):
        limit.failed(f"192.0.2.{number}")
    assert len(limit._forgiven_at) == 10  # noqa: SLF001 - nothing else shows it
