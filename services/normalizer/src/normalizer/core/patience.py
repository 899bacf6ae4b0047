"""The same batch again while waiting helps, up to a bound."""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Final, TypeVar

from common.clock import Clock
from normalizer.core.errors import TransientError, UnfitError

ResultT = TypeVar("ResultT")

SHORTEST_WAIT_S: Final = 0.05
LONGEST_WAIT_S: Final = 2.0


async def patiently(
    attempt: Callable[[], Awaitable[ResultT]],
    *,
    clock: Clock,
    random: Random,
    give_up_after_s: float,
    on_retry: Callable[[TransientError, int], None],
    goes_on: Callable[[TransientError, float], Awaitable[bool]],
) -> ResultT:
    """Attempt until it succeeds; between attempts a wait with full jitter that grows from 50 ms to 2 s.

    Args:
        attempt: Safe to call again after a `TransientError`.
        clock: Time.
        random: Chance.
        give_up_after_s: Seconds after the first failure at which the last error is raised, unless it goes on.
        on_retry: Hears of each failure with its number, from 1.
        goes_on: Asked then, with the seconds since the first failure, whether to try for as long again.

    Raises:
        TransientError: It still fails; whoever holds deliveries should give them back.
        UnfitError: At once: seconds do not help.
    """
    first_failure: float | None = None
    bound_s = give_up_after_s
    failures = 0
    while True:
        try:
            return await attempt()
        except UnfitError:
            raise
        except TransientError as error:
            failures += 1
            now = clock.monotonic()
            first_failure = now if first_failure is None else first_failure
            if now - first_failure >= bound_s:
                if not await goes_on(error, now - first_failure):
                    raise
                bound_s = clock.monotonic() - first_failure + give_up_after_s
            on_retry(error, failures)
        bound = min(LONGEST_WAIT_S, SHORTEST_WAIT_S * 2**failures)
        await clock.sleep(random.uniform(SHORTEST_WAIT_S, bound))
