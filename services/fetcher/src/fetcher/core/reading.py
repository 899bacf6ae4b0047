"""Reading an upstream page by page: paced, with the patience of `core.retry`."""

import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Protocol, TypeVar, assert_never

from common.clock import Clock
from common.events import message_id
from common.log import fields
from fetcher.core.errors import KEY_REFUSED, Cause, LoadStoppedError, UpstreamError
from fetcher.core.feed import UpstreamPage
from fetcher.core.ports import FailedPage, Run
from fetcher.core.retry import Attempts, Retry, RetryPolicy, SkipPage, Stop, decide

T = TypeVar("T")
OnWait = Callable[[FailedPage], Awaitable[None]]
"""Called before each long wait, so that a restarted process can go on with the same window."""

OK: Final = "ok"
"""What came of a request whose answer can be used; otherwise it is the cause."""

_log = logging.getLogger(__name__)


class RequestWatch(Protocol):
    """Hears of every request to an upstream."""

    def asked(self, platform: str, outcome: str, *, took_s: float) -> None:
        """Hear that a request has ended; `outcome` is `OK` or a `Cause`."""
        ...

    def tried_again(self, platform: str) -> None:
        """Hear that a request that failed is going to be repeated."""
        ...


class Unwatched:
    """RequestWatch of a command that nobody asks for numbers."""

    def asked(self, platform: str, outcome: str, *, took_s: float) -> None:
        """Forget it."""

    def tried_again(self, platform: str) -> None:
        """Forget it."""


UNWATCHED: Final = Unwatched()


@dataclass(frozen=True, slots=True)
class ReadPage:
    """A page, and the long tries that it took."""

    page: UpstreamPage
    attempts: int


@dataclass(slots=True)
class ReadingCounts:
    """What the reading has cost so far: requests after the first of each page."""

    retries: int = 0


class PatientReader:
    """Asks one upstream. Requests keep their distance whoever makes them; each call has one in flight at most."""

    def __init__(
        self,
        *,
        platform: str,
        policy: RetryPolicy,
        min_interval_s: float,
        clock: Clock,
        chance: random.Random,
        watch: RequestWatch = UNWATCHED,
    ) -> None:
        self._watch = watch
        self._platform = platform
        self._policy = policy
        self._min_interval_s = min_interval_s
        self._clock = clock
        self._chance = chance
        self._next_start_s = clock.monotonic()
        self.counts = ReadingCounts()

    async def value(self, ask: Callable[[], Awaitable[T]], what: str) -> T:
        """Return an answer that stands outside the page ledger, such as a change id.

        Args:
            ask: One request.
            what: Its name for people.

        Raises:
            LoadStoppedError: The upstream refuses, or did not answer within the window.
        """
        found = await self.answer(ask, what, policy=self._policy)
        if isinstance(found, FailedPage):
            raise LoadStoppedError(f"{self._platform}: {what}: {found.error} after {found.attempts} tries")
        return found

    async def answer(self, ask: Callable[[], Awaitable[T]], what: str, *, policy: RetryPolicy) -> T | FailedPage:
        """Return an answer that stands outside the page ledger, or what is known of its failure.

        Args:
            ask: One request.
            what: Its name for people.
            policy: How patient to be.

        Raises:
            LoadStoppedError: The upstream refuses for good.
        """

        async def wait(_: FailedPage) -> None:
            """Leave no trace: the ledger holds pages only."""

        window = FailedPage(0, what, 0, self._clock.now(), None, "")
        found = await self._try(ask, what, window, policy, wait)
        return found if isinstance(found, FailedPage) else found[0]

    async def page(
        self,
        ask: Callable[[], Awaitable[UpstreamPage]],
        run: Run,
        position: int,
        *,
        on_wait: OnWait,
        resumed: FailedPage | None = None,
        policy: RetryPolicy | None = None,
    ) -> ReadPage | FailedPage:
        """Return a page, or what is known of its failure once its window is used up.

        Args:
            ask: One request for it.
            run: The run that it belongs to.
            position: Page number or change id.
            on_wait: Called before each long wait.
            resumed: Tries of an earlier process, whose window goes on.
            policy: Other than the usual patience.

        Raises:
            LoadStoppedError: The upstream refuses for good.
        """
        key = message_id(self._platform, run.kind.page_kind, position, run.run_id)
        if resumed and resumed.first_try_at > self._clock.now():  # a clock was ahead: its window has no end
            resumed = None
        window = resumed or FailedPage(position, key, 0, self._clock.now(), None, "")
        what = f"page {position}"
        if resumed and resumed.next_attempt_at:
            after_s = (resumed.next_attempt_at - self._clock.now()).total_seconds()
            if after_s > 0:
                self._say_wait(f"{what} failed before, waiting to try again", resumed.error, after_s)
                await self._clock.sleep(after_s)
        found = await self._try(ask, what, window, policy or self._policy, on_wait)
        return found if isinstance(found, FailedPage) else ReadPage(*found)

    async def _try(
        self, ask: Callable[[], Awaitable[T]], what: str, window: FailedPage, policy: RetryPolicy, on_wait: OnWait
    ) -> tuple[T, int] | FailedPage:
        attempts = Attempts(failed=window.attempts)
        while True:
            await self._pace()
            try:
                return await self._watched(ask), attempts.failed + 1
            except UpstreamError as error:
                failure = error
            elapsed_s = (self._clock.now() - window.first_try_at).total_seconds()
            verdict = decide(failure, attempts, policy, elapsed_s=elapsed_s, chance=self._chance.random())
            match verdict:
                case Stop():
                    hint = f"; {KEY_REFUSED}" if failure.cause in {Cause.UNAUTHORIZED, Cause.FORBIDDEN} else ""
                    raise LoadStoppedError(f"{self._platform}: {what}: {failure}{hint}", cause=failure.cause)
                case SkipPage():
                    return replace(window, attempts=attempts.failed + 1, error=str(failure), next_attempt_at=None)
                case Retry(after_s, quick=True):
                    attempts = Attempts(attempts.failed, attempts.quick + 1)
                case Retry(after_s):
                    attempts = Attempts(attempts.failed + 1, attempts.quick)
                    until = self._clock.now() + timedelta(seconds=after_s)
                    failed = replace(window, attempts=attempts.failed, error=str(failure), next_attempt_at=until)
                    await on_wait(failed)
                case _:
                    assert_never(verdict)
            self.counts.retries += 1
            self._watch.tried_again(self._platform)
            self._say_wait(f"{what} failed, trying again", failure, after_s)
            await self._clock.sleep(after_s)

    def _say_wait(self, what: str, error: UpstreamError | str, after_s: float) -> None:
        _log.warning(fields(what, platform=self._platform, error=error, in_s=round(after_s, 1)))

    async def _watched(self, ask: Callable[[], Awaitable[T]]) -> T:
        start_s, outcome = self._clock.monotonic(), OK
        try:
            return await ask()
        except UpstreamError as error:
            outcome = error.cause
            raise
        finally:
            self._watch.asked(self._platform, outcome, took_s=self._clock.monotonic() - start_s)

    async def _pace(self) -> None:
        now_s = self._clock.monotonic()
        start_s = max(now_s, self._next_start_s)
        self._next_start_s = start_s + self._min_interval_s
        if start_s > now_s:
            await self._clock.sleep(start_s - now_s)
