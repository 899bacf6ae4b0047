"""Asking several sources at once: each answers, fails or is late on its own, and what is missing has a name.

One deadline, from the injected clock, is around everything that a source does: waiting for a connection, connecting,
asking, reading. It does not depend on the source: at the deadline the answer is made from what is there, and whoever is
late is not waited for. What has not ended by itself within `GRACE_S`, as a statement does that the server ends, is
cancelled. A source that ignores its cancellation is watched until it ends, and after `MOST_LATE` late calls it is not
asked again before one of them has ended, so they cannot pile up.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Final, Generic, TypeVar

from common.clock import Clock
from common.log import fields
from gateway.core.errors import QueryTimeoutError

GRACE_S: Final = 0.25
"""How long a late call may go on: cancelling a statement costs its connection, which one that ends by itself keeps."""
MOST_LATE: Final = 100
T = TypeVar("T")
Question = Callable[[], Awaitable[T]]
_log = logging.getLogger(__name__)


class Reason(StrEnum):
    """Why a source is missing."""

    TIMEOUT = "timeout"
    ERROR = "error"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Gathered(Generic[T]):
    """What came; each source that was asked is in one of the two, in the order of asking."""

    answers: Mapping[str, T]
    missing: Mapping[str, Reason]

    def summary(self, names: Collection[str]) -> str:
        """Return one line on these sources as an RFC 9651 list, such as `1;ok, 2;missing;reason=timeout`."""
        return ", ".join(
            f"{name};missing;reason={self.missing[name]}" if name in self.missing else f"{name};ok" for name in names
        )


class FanOut:
    """Asks sources at once; `counts` holds how often each was asked, by its name and what came of it.

    Args:
        clock: Where the deadline comes from.
        timeout_s: Seconds from the start until a source is late.
        most_late: Calls of one source that may be late at once.
    """

    def __init__(self, *, clock: Clock, timeout_s: float, most_late: int = MOST_LATE) -> None:
        self._clock = clock
        self._timeout_s = timeout_s
        self._most_late = most_late
        self._late: dict[str, set[asyncio.Task[Any]]] = {}
        self._graces: set[asyncio.Future[None]] = set()
        self.counts: Counter[tuple[str, str]] = Counter()

    async def ask(self, questions: Mapping[str, Question[T]]) -> Gathered[T]:
        """Return what the sources answered before the deadline; no failure of a source is raised.

        Cancelling this call cancels every source that was asked.
        """
        tasks = {
            name: asyncio.ensure_future(_asked(question))
            for name, question in questions.items()
            if len(self._late.get(name, ())) < self._most_late
        }
        try:
            await self._until_deadline(tasks.values())
            answers, missing = self._sorted_out(questions, tasks)
        except BaseException:
            _cancel(tasks.values())
            raise
        finally:
            self._watch(tasks)
        self._let_go([task for task in tasks.values() if not task.done()])
        return Gathered(answers, missing)

    async def _until_deadline(self, tasks: Collection["asyncio.Future[Any]"]) -> None:
        alarm = asyncio.ensure_future(self._clock.sleep(self._timeout_s))
        waiting = set(tasks)
        try:
            while waiting and not alarm.done():
                done, _ = await asyncio.wait({alarm, *waiting}, return_when=asyncio.FIRST_COMPLETED)
                waiting -= done
        finally:
            alarm.cancel()

    def _sorted_out(
        self, names: Collection[str], tasks: Mapping[str, "asyncio.Task[T]"]
    ) -> tuple[dict[str, T], dict[str, Reason]]:
        answers: dict[str, T] = {}
        missing: dict[str, Reason] = {}
        for name in names:
            task = tasks.get(name)
            error = _error_of(task)
            if task is not None and task.done() and error is None:
                answers[name] = task.result()
                self.counts[name, "ok"] += 1
                continue
            reason = missing[name] = _reason(task, error)
            self.counts[name, reason.value] += 1
            said = {} if error is None else {"error": f"{type(error).__name__}: {error}"}
            _log.warning(fields("source missing", source=name, reason=reason, **said))
        return answers, missing

    def _watch(self, tasks: Mapping[str, "asyncio.Task[Any]"]) -> None:
        for name, task in tasks.items():
            if not task.done():
                late = self._late.setdefault(name, set())
                late.add(task)
                task.add_done_callback(partial(_ended, late))

    def _let_go(self, late: Collection["asyncio.Task[Any]"]) -> None:
        if late:
            grace = asyncio.ensure_future(self._clock.sleep(GRACE_S))
            self._graces.add(grace)
            grace.add_done_callback(self._graces.discard)
            grace.add_done_callback(lambda _: _cancel(late))


def _cancel(tasks: Collection["asyncio.Task[Any]"]) -> None:
    for task in tasks:
        task.cancel()


async def _asked(question: Question[T]) -> T:
    return await question()


def _error_of(task: "asyncio.Task[Any] | None") -> BaseException | None:
    if task is None or not task.done():
        return None
    return asyncio.CancelledError("the source gave up") if task.cancelled() else task.exception()


def _reason(task: "asyncio.Task[Any] | None", error: BaseException | None) -> Reason:
    if task is None:
        return Reason.BUSY
    is_late = not task.done() or isinstance(error, TimeoutError | QueryTimeoutError)
    return Reason.TIMEOUT if is_late else Reason.ERROR


def _ended(late: "set[asyncio.Task[Any]]", task: "asyncio.Task[Any]") -> None:
    late.discard(task)
    if not task.cancelled():
        task.exception()  # read, so that asyncio does not report it as never looked at
