"""One platform or shop of the running service: at most one job at a time, on schedule or on order, and its pause."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from common.log import fields
from fetcher.core.inflight import within_grace
from fetcher.core.orders import CommandName
from fetcher.core.patience import until_available
from fetcher.core.service_ports import Happening, JobResult, Notice, ServicePorts, Target

CLOSING_S: Final = 1.5
"""Seconds that a job gets to close its connections after the grace for the page in hand."""

_NONE: Final[Mapping[str, int]] = MappingProxyType({})
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Job:
    command: CommandName
    options: Mapping[str, Any]
    started_at: datetime
    stop: asyncio.Event
    task: "asyncio.Task[None] | None" = None


class Lane:
    """What happens to one target. `freed` is set whenever a job has ended."""

    def __init__(self, target: Target, ports: ServicePorts, *, freed: asyncio.Event) -> None:
        self.target = target
        self.paused_at: datetime | None = None
        self._ports = ports
        self._freed = freed
        self._job: _Job | None = None
        self._interrupted: _Job | None = None
        self._tried_at: datetime | None = None
        self._due: datetime | None = None
        self._is_closing = False

    @property
    def name(self) -> str:
        """Name of the platform or shop."""
        return self.target.name

    @property
    def is_in_use(self) -> bool:
        """Whether an order for everybody is for this target, too."""
        return self.target.schedule is not None or self._job is not None or self.paused_at is not None

    @property
    def due(self) -> datetime | None:
        """When the scheduled job starts; None while that is not known, paused, or a job runs."""
        return None if self._job or self.paused_at else self._due

    @property
    def state(self) -> str:
        """What people want to know of it, in half a sentence."""
        doing = f"{self._job.command} since {_said(self._job.started_at)}" if self._job else "idle"
        if self.paused_at:
            return f"{doing}, paused since {_said(self.paused_at)}"
        if self._job is None and self._due is not None:
            return f"{doing}, {self.target.scheduled} at {_said(self._due)}"
        return doing if self.target.schedule else f"{doing}, disabled"

    async def plan(self) -> None:
        """Find out when the scheduled job is due, waiting for a database that is away."""
        schedule, ports = self.target.schedule, self._ports
        if schedule is None or self._due is not None:
            return
        done_at = await until_available(
            lambda: ports.store.last_done(self.name), clock=ports.clock, pause_s=ports.pause_s
        )
        now = ports.clock.now()
        known = [min(moment, now) for moment in (done_at, self._tried_at) if moment]  # a clock may have been ahead
        self._due = schedule.due(max(known, default=None), now)

    async def start_if_due(self) -> None:
        """Start the scheduled job when its moment has come, or was missed, and nothing else runs."""
        if self._job or self.paused_at:
            return
        await self.plan()  # an order or a pause may have come meanwhile
        if self.due is not None and self.due <= self._ports.clock.now():
            self._tried_at = self._ports.clock.now()
            self._start(self.target.scheduled, {})

    def order(self, command: CommandName, options: Mapping[str, Any]) -> None:
        """Start an ordered job, or say why not."""
        if self.paused_at:
            self.tell(command, Happening.REFUSED, f"paused since {_said(self.paused_at)}; resume first")
        elif self._job:
            self.tell(command, Happening.REFUSED, f"busy: {self.state}")
        else:
            self.tell(command, Happening.ACCEPTED, "starting")
            self._start(command, options)

    def pause(self, at: datetime) -> None:
        """Start nothing more; a job that runs finishes its page and stops, to go on at `resume`."""
        self.paused_at = self.paused_at or at
        if self._job is None:
            self.tell(CommandName.PAUSE, Happening.DONE, "paused; nothing was running")
            return
        self.tell(CommandName.PAUSE, Happening.ACCEPTED, f"{self._job.command} stops after the page in hand")
        self._job.stop.set()

    def resume(self) -> None:
        """Start on schedule again, at once with what the pause has interrupted."""
        if self.paused_at is None:
            self.tell(CommandName.RESUME, Happening.DONE, "was not paused")
            return
        self.paused_at = None
        coming = self._job or self._interrupted
        self.tell(CommandName.RESUME, Happening.DONE, f"resumed; {coming.command} goes on" if coming else "resumed")
        if self._job is None:
            self._go_on()

    async def stop(self) -> None:
        """Let the job finish its page, and return when it has ended."""
        self._is_closing = True
        if self._job and self._job.task:
            self._job.stop.set()
            await asyncio.wait({self._job.task})

    def tell(self, command: CommandName, happening: Happening, text: str, counts: Mapping[str, int] = _NONE) -> None:
        """Log what became of a command for this target and tell those who read notices."""
        level = logging.WARNING if happening in {Happening.REFUSED, Happening.FAILED} else logging.INFO
        _log.log(level, fields(f"{command} {happening}: {text}", platform=self.name))
        self._ports.notices.tell(
            Notice(
                command=command,
                happening=happening,
                platform=self.name,
                at=self._ports.clock.now(),
                text=text,
                counts=counts,
            )
        )

    def _start(self, command: CommandName, options: Mapping[str, Any]) -> None:
        job = self._job = _Job(command, options, self._ports.clock.now(), asyncio.Event())
        job.task = asyncio.create_task(self._work(job))

    async def _work(self, job: _Job) -> None:
        self.tell(job.command, Happening.STARTED, "started")
        result = await self._result(job)
        self._job = self._due = None
        if job.stop.is_set() and result.happening is not Happening.FAILED:
            self._interrupted = job
            result = JobResult(Happening.STOPPED, result.text, result.counts)
        self.tell(job.command, result.happening, result.text, result.counts)
        if self.paused_at:
            self.tell(CommandName.PAUSE, Happening.DONE, f"paused; {job.command} has stopped")
        elif not self._is_closing:
            self._go_on()
        self._freed.set()

    def _go_on(self) -> None:
        """Start what a pause has interrupted."""
        interrupted, self._interrupted = self._interrupted, None
        if interrupted is not None:
            self._start(interrupted.command, interrupted.options)

    async def _result(self, job: _Job) -> JobResult:
        ports = self._ports
        work = until_available(lambda: self._performed(job), clock=ports.clock, pause_s=ports.pause_s)
        try:
            result = await within_grace(work, job.stop, clock=ports.clock, grace_s=ports.stop_grace_s + CLOSING_S)
        except Exception as error:  # noqa: BLE001 - a defect in one job may not end the others
            _log.exception(fields(f"{job.command} ended by a defect", platform=self.name))
            return JobResult(Happening.FAILED, f"a defect: {type(error).__name__}; see the log")
        return JobResult(Happening.STOPPED, "cut off; the next start goes on") if result is None else result

    async def _performed(self, job: _Job) -> JobResult:
        if job.stop.is_set():
            return JobResult(Happening.STOPPED, "nothing was begun")
        return await self._ports.perform(job.command, self.name, job.options, job.stop)


def _said(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
