"""What stands around the work of every command: patience with our own servers, the diary, and an end in time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar

from common.clock import Clock
from common.errors import UnavailableError
from fetcher.core.errors import FetcherError, RunTakenOverError
from fetcher.core.inflight import within_grace
from fetcher.core.patience import until_available
from fetcher.core.ports import Operation, OperationsLog

T = TypeVar("T")
LAST_WORD_S: Final = 1.0
"""Seconds for the row of `operations_log` when time is up."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Report:
    """How a command stands, for the log, the diary and the exit code.

    Attributes:
        details: One sentence for people.
        is_ok: Nothing is missing.
        counts: Numbers by name.
        is_noted: Whether it makes a row in the diary; a command that had nothing to do makes none.
    """

    details: str
    is_ok: bool = True
    counts: Mapping[str, int] = field(default_factory=dict)
    is_noted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The surroundings of one command for one platform.

    Attributes:
        platform: Whose data.
        operations: The diary.
        clock: Time.
        stop: Set when the process shall end.
        stop_grace_s: Seconds to finish the page in hand after that.
        pause_s: Seconds between two calls of a broker or database that is away.
        started_at: When the command began.
    """

    platform: str
    operations: OperationsLog
    clock: Clock
    stop: asyncio.Event
    stop_grace_s: float = 6.0
    pause_s: float = 1.0
    started_at: datetime = field(init=False)
    _start_s: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "started_at", self.clock.now())
        object.__setattr__(self, "_start_s", self.clock.monotonic())

    async def patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call of broker or database, again and again while it is away."""
        return await until_available(call, clock=self.clock, pause_s=self.pause_s)

    async def carry_out(
        self,
        work: Coroutine[Any, Any, T],
        *,
        report: Callable[[T | None], Report],
        give_up: Callable[[], Awaitable[None]] | None = None,
    ) -> T | None:
        """Do the work, note it in the diary, and return its result; None where `stop` was set and the grace ran out.

        Args:
            work: What to do; whatever it leaves half done, the next start goes on with.
            report: What to say of a result; of None: of a work that was cut off.
            give_up: Called before an error is noted.

        Raises:
            FetcherError: What the work raised, noted in the diary unless another process has taken the run over.
        """
        result = await within_grace(
            self._noted(work, report, give_up), self.stop, clock=self.clock, grace_s=self.stop_grace_s
        )
        said = report(result)
        if result is None:
            _log.warning("stopped before the page in hand was saved; the next start fetches it again")
            with suppress(UnavailableError, FetcherError, TimeoutError):
                async with asyncio.timeout(LAST_WORD_S):
                    await self.operations.record(self._operation(said))
        if said.is_noted:
            _log.log(logging.INFO if said.is_ok else logging.WARNING, said.details)
        return result

    async def _noted(
        self,
        work: Coroutine[Any, Any, T],
        report: Callable[[T | None], Report],
        give_up: Callable[[], Awaitable[None]] | None,
    ) -> T:
        try:
            result = await work
        except RunTakenOverError:
            raise  # the run, and its row in the diary, belong to the other process
        except FetcherError as error:
            with suppress(FetcherError):
                if give_up is not None:
                    await give_up()
                failed = Report(str(error), is_ok=False, counts=report(None).counts)
                await self.patiently(lambda: self.operations.record(self._operation(failed)))
            raise
        said = report(result)
        if said.is_noted:
            await self.patiently(lambda: self.operations.record(self._operation(said)))
        return result

    def _operation(self, report: Report) -> Operation:
        return Operation(
            platform=self.platform,
            started_at=self.started_at,
            duration_s=self.clock.monotonic() - self._start_s,
            is_ok=report.is_ok,
            details=report.details,
            counts=report.counts,
        )
