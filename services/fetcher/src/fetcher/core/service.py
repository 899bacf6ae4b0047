"""The fetcher as a service: the schedule of every platform and shop, and orders from the management console."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from common.log import fields
from fetcher.core.errors import OrderError
from fetcher.core.lane import Lane
from fetcher.core.orders import EVERYONE, CommandName, Order, dated, read_order
from fetcher.core.patience import until_available
from fetcher.core.service_ports import Happening, Notice, ServicePorts, Target
from fetcher.core.watch import Watch

LONGEST_WAIT_S: Final = 60.0
"""Seconds after which the wall clock is read again: it may leap, and machines sleep."""

_CONTROLS: Final = frozenset({CommandName.PAUSE, CommandName.RESUME, CommandName.STATUS})
_log = logging.getLogger(__name__)


class Service:
    """Runs jobs on schedule and on order, one at a time for each target, until it is stopped."""

    def __init__(self, targets: Sequence[Target], ports: ServicePorts) -> None:
        self._ports = ports
        self._changed = asyncio.Event()
        self._lanes = {target.name: Lane(target, ports, freed=self._changed) for target in targets}
        followed = [target.name for target in targets if target.schedule is not None]
        self._watch = Watch(ports.store, names=followed, clock=ports.clock)

    async def prepare(self) -> None:
        """Take over what was paused before the restart, waiting for a database that is away."""
        ports = self._ports
        paused = await until_available(ports.store.paused, clock=ports.clock, pause_s=ports.pause_s)
        for name in paused.keys() & self._lanes.keys():
            self._lanes[name].paused_at = paused[name]
        for lane in self._lanes.values():
            await lane.plan()
            _log.info(fields(lane.state, platform=lane.name))

    async def keep_schedule(self) -> None:
        """Start what is due, and say what is wrong with the feeds, for ever; call it after `prepare`."""
        clock, is_changed = self._ports.clock, True
        while True:
            self._changed.clear()
            for lane in self._lanes.values():
                await lane.start_if_due()
            if is_changed or self._watch.is_due:
                await self._watch.look()
            due = [lane.due for lane in self._lanes.values() if lane.due]
            wait_s = min([LONGEST_WAIT_S, *((moment - clock.now()).total_seconds() for moment in due)])
            is_changed = await self._change_or(max(0.0, wait_s))

    async def obey(self, body: bytes, routing_key: str) -> None:
        """Accept an order, or answer why not. When this returns, the order needs no second delivery.

        A pause is in the database by then; a job has been started, not done.
        """
        try:
            order = read_order(body, routing_key)
            lanes = self._concerned(order)
        except OrderError as error:
            _log.warning(fields(f"order refused: {error}", routing_key=routing_key))
            self._ports.notices.tell(
                Notice(
                    command=EVERYONE,
                    happening=Happening.REFUSED,
                    platform=None,
                    at=self._ports.clock.now(),
                    text=str(error),
                )
            )
            return
        for lane in lanes:
            await self._follow(order, lane)
        self._changed.set()

    async def stop(self) -> None:
        """Let every job finish the page in hand, and return when all have ended."""
        await asyncio.gather(*(lane.stop() for lane in self._lanes.values()))

    def _concerned(self, order: Order) -> list[Lane]:
        is_control = order.command in _CONTROLS
        if order.platform is not None:
            lane = self._lanes.get(order.platform)
            if lane is None:
                raise OrderError(f"{order.platform[:40]}: not configured; known: {', '.join(self._lanes)}")
            if not is_control and order.command not in lane.target.jobs:
                raise OrderError(f"{order.command} is not for {lane.name}")
            return [lane]
        able = [
            lane
            for lane in self._lanes.values()
            if lane.is_in_use and (is_control or order.command in lane.target.jobs)
        ]
        if not able:
            raise OrderError(f"{order.command}: nothing that is enabled knows it")
        return able

    async def _follow(self, order: Order, lane: Lane) -> None:
        ports = self._ports
        match order.command:
            case CommandName.PAUSE:
                at = ports.clock.now()
                await self._saved(lambda: ports.store.pause(lane.name, at))
                lane.pause(at)
            case CommandName.RESUME:
                await self._saved(lambda: ports.store.resume(lane.name))
                lane.resume()
            case CommandName.STATUS:
                lane.tell(CommandName.STATUS, Happening.DONE, lane.state)
            case _:
                lane.order(order.command, dated(order.options, ports.clock.now()))

    async def _saved(self, write: Callable[[], Awaitable[None]]) -> None:
        await until_available(write, clock=self._ports.clock, pause_s=self._ports.pause_s)

    async def _change_or(self, wait_s: float) -> bool:
        """Wait; return whether an order or the end of a job cut it short."""
        waits = [
            asyncio.create_task(self._changed.wait()),
            asyncio.create_task(self._ports.clock.sleep(wait_s)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return self._changed.is_set()
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
