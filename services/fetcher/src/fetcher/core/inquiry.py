"""Asking `/offer` about single offers, paced, with little patience for each: it can be asked about another day."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from common.clock import Clock
from common.events import InnerId
from common.log import fields
from fetcher.core.errors import Cause, UpstreamError
from fetcher.core.feed import SourceRow
from fetcher.core.inflight import dropped, unless_stopped
from fetcher.core.lookup_ports import OfferSource
from fetcher.core.ports import FailedPage
from fetcher.core.reading import PatientReader
from fetcher.core.retry import RetryPolicy

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Answers:
    """What the upstream said of some offers.

    Attributes:
        found: Full records without an event id.
        gone: Those that it did not find.
        failed: Those of which no answer could be used, with the cause.
        is_cut_short: The rest was not asked: the process shall end, or too many in a row had no usable answer.
    """

    found: list[SourceRow] = field(default_factory=list)
    gone: list[InnerId] = field(default_factory=list)
    failed: dict[InnerId, str] = field(default_factory=dict)
    is_cut_short: bool = False


@dataclass(frozen=True, slots=True)
class InquiryLimits:
    """How much is asked of `/offer`.

    Attributes:
        policy: Patience with one offer, without long waits.
        interval_s: Least seconds between the starts of two look-ups.
        failures_to_stop: So many unusable answers in a row end it.
    """

    policy: RetryPolicy
    interval_s: float = 1.0
    failures_to_stop: int = 3


class OfferInquiry:
    """Asks about single offers, one request at a time, paced."""

    def __init__(
        self,
        source: OfferSource,
        reader: PatientReader,
        clock: Clock,
        *,
        limits: InquiryLimits,
        stop: asyncio.Event,
    ) -> None:
        self._source = source
        self._reader = reader
        self._clock = clock
        self._limits = limits
        self._stop = stop
        self._failures_in_row = 0
        self._last_start_s: float | None = None

    @property
    def has_given_up(self) -> bool:
        """Whether so many answers in a row could not be used that no more is asked."""
        return self._failures_in_row >= self._limits.failures_to_stop

    async def confirm_gone(self, inner_ids: Iterable[InnerId]) -> Answers:
        """Ask about each offer; tell who is found, who is not, and of whom nobody knows.

        Raises:
            LoadStoppedError: The upstream refuses for good.
        """
        answers = Answers()
        for inner_id in inner_ids:
            if self.has_given_up:
                answers.is_cut_short = True
                break
            asking = asyncio.create_task(self._asked(inner_id))
            try:
                row = await unless_stopped(asking, self._stop)
            finally:
                await dropped(asking)
            if self._stop.is_set():
                answers.is_cut_short = True
                break
            self._take(answers, inner_id, row)
        return answers

    def _take(self, answers: Answers, inner_id: InnerId, row: SourceRow | FailedPage | None) -> None:
        if isinstance(row, FailedPage):
            self._failures_in_row += 1
            answers.failed[inner_id] = row.error
            _log.warning(fields(f"offer {inner_id} could not be looked up", error=row.error))
            return
        self._failures_in_row = 0
        if row is None:
            answers.gone.append(inner_id)
        else:
            answers.found.append(row)

    async def _asked(self, inner_id: InnerId) -> SourceRow | FailedPage | None:
        if self._last_start_s is not None:
            await self._clock.sleep(max(0.0, self._last_start_s + self._limits.interval_s - self._clock.monotonic()))
        self._last_start_s = self._clock.monotonic()
        ask = partial(self._offer, inner_id)
        return await self._reader.answer(ask, f"offer {inner_id}", policy=self._limits.policy)

    async def _offer(self, inner_id: InnerId) -> SourceRow | None:
        try:
            return await self._source.offer(inner_id)
        except UpstreamError as error:
            if error.cause is not Cause.BAD_REQUEST:
                raise
        raise UpstreamError(Cause.OTHER_STATUS, "this offer may not be asked about")  # the others may
