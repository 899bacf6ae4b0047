"""How a command ends once it is asked to stop: in time, whatever a server of ours does, and with code 0."""

import argparse
import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from common.errors import UnavailableError
from common.testing.clock import VirtualClock
from fetcher.commands.command import Command, Options, no_options, only
from fetcher.core.errors import LoadStoppedError
from fetcher.entrypoints.cli import Exit
from fetcher.settings import FetcherServiceSettings

pytestmark = pytest.mark.unit

Work = Callable[[asyncio.Event], Awaitable[Exit]]


async def code_of(work: Work, clock: VirtualClock, *, is_service: bool = False) -> Exit:
    async def perform(_: FetcherServiceSettings, options: Options, name: str, stop: asyncio.Event) -> Exit:
        del options, name
        return await work(stop)

    command = Command("load", "", "", no_options, only("che168"), perform, is_service)
    return await command.call(FetcherServiceSettings(), argparse.Namespace(), asyncio.Event(), clock)


@pytest.fixture(autouse=True)
def _no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


async def answered_never(stop: asyncio.Event) -> Exit:
    stop.set()
    await asyncio.Event().wait()
    return Exit.WITH_ERRORS


async def given_up_late(stop: asyncio.Event) -> Exit:
    stop.set()
    raise UnavailableError("broker 127.0.0.1:1: TimeoutError")


async def test_what_waits_for_a_server_is_cut_off_after_the_grace_with_code_0(caplog: pytest.LogCaptureFixture) -> None:
    clock = VirtualClock()
    assert await asyncio.wait_for(code_of(answered_never, clock), 60) is Exit.DONE
    assert clock.monotonic() == 7.5
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_a_server_that_was_away_is_no_error_of_who_was_stopped(caplog: pytest.LogCaptureFixture) -> None:
    assert await code_of(given_up_late, VirtualClock(auto_advance=False)) is Exit.DONE
    assert [(record.levelno, "127.0.0.1:1" in record.message) for record in caplog.records] == [(logging.WARNING, True)]


async def test_without_a_stop_it_is() -> None:
    async def away(_: asyncio.Event) -> Exit:
        raise UnavailableError("broker 127.0.0.1:1: TimeoutError")

    assert await code_of(away, VirtualClock(auto_advance=False)) is Exit.WITH_ERRORS


async def test_what_else_is_wrong_is_an_error_though_it_was_stopped() -> None:
    async def refused(stop: asyncio.Event) -> Exit:
        stop.set()
        raise LoadStoppedError("refused")

    assert await code_of(refused, VirtualClock(auto_advance=False)) is Exit.WITH_ERRORS


async def test_what_ends_in_time_has_its_own_code() -> None:
    async def finishing(stop: asyncio.Event) -> Exit:
        stop.set()
        await asyncio.sleep(0)  # noqa: TID251 - takes no time
        return Exit.WITH_ERRORS

    assert await code_of(finishing, VirtualClock(auto_advance=False)) is Exit.WITH_ERRORS


async def test_the_service_ends_its_jobs_in_time_itself() -> None:
    clock = VirtualClock()

    async def serving(stop: asyncio.Event) -> Exit:
        stop.set()
        await clock.sleep(9)
        return Exit.DONE

    assert await code_of(serving, clock, is_service=True) is Exit.DONE
    assert clock.slept == [9]
